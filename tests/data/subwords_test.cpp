#include "saw/data/subwords.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <set>
#include <thread>

#include "saw/data/base64.h"
#include "support/errors.h"

using namespace saw;
using data::Subwords;
using Numbers = std::vector<std::int64_t>;

namespace {

std::vector<std::string> lines() {
  const std::vector<std::string> stems{"walk", "talk", "play", "look", "jump", "saw", "paint", "count"};
  const std::vector<std::string> ends{"", "s", "ed", "ing", "er", "ers"};
  std::vector<std::string> result;
  for (std::size_t i = 0; i < 400; ++i)
    result.push_back(fmt::format("the {}{} {}{} a {}{} again", stems[i % 8], ends[i % 6], stems[i / 3 % 8],
                                 ends[i / 5 % 6], stems[i / 7 % 8], ends[i / 2 % 6]));
  return result;
}

std::string joined(const Subwords& subwords, const Numbers& ids) {
  std::string text;
  for (const std::int64_t id : ids) text += (text.empty() ? "" : " ") + subwords.piece(id);
  return text;
}

}  // namespace

TEST_CASE("subwords: base64") {
  // The test vectors of RFC 4648.
  const std::vector<std::pair<std::string, std::string>> vectors{{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    CHECK(data::to_base64(bytes) == text);
    CHECK(data::from_base64(text) == bytes);
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(data::from_base64(data::to_base64(all)) == all);
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Z===", "====", "Zg==Zg==", "Zm9\n", "Zm=v"})
    CHECK_FALSE(data::from_base64(text));
}

TEST_CASE("subwords: learned, encoded, decoded, saved") {
  if (!Subwords::available()) {
    CHECK(test::error_text(ErrorKind::argument, [] {
            Subwords::train(lines());
          }).starts_with("subwords: this build of saw has no"));
    return;
  }
  for (const data::SubwordModel model : {data::SubwordModel::unigram, data::SubwordModel::bpe}) {
    const data::SubwordOptions options{.size = 60, .model = model, .roles = {"mask", "separator"}};
    const Subwords subwords = Subwords::train(lines(), options);
    CHECK(subwords.size() <= 60);
    CHECK(subwords.size() > 30);
    CHECK(subwords.find_role("padding") == 0);
    CHECK(subwords.find_role("unknown") == 1);
    CHECK(subwords.find_role("begin") == 2);
    CHECK(subwords.find_role("end") == 3);
    CHECK(subwords.find_role("mask") == 4);
    CHECK(subwords.find_role("separator") == 5);
    CHECK_FALSE(subwords.find_role("other"));
    CHECK(subwords.piece(4) == "<mask>");
    const std::string text = "the walker sawing a count";
    const Numbers ids = subwords.encode(text);
    CHECK(ids.size() < text.size());
    CHECK(subwords.decode(ids) == text);
    CHECK(subwords.pieces(text).size() == ids.size());
    CHECK(subwords.encode("").empty());
    CHECK(subwords.decode({}).empty());
    for (const std::int64_t id : subwords.encode("<mask> <padding>")) CHECK((id == 1 || id > 5));  // text is no role
    CHECK(subwords.decode(Numbers{2, ids[0], 3}) == subwords.decode(Numbers{ids[0]}));
    subwords.encode("\xFF\xFE broken");  // no harm

    // The same text gives the same sub-words, and they travel as bytes and as text.
    CHECK((Subwords::train(lines(), options).bytes() == subwords.bytes()));
    const Subwords again = Subwords::parse(subwords.text(), "model.safetensors");
    CHECK((again.bytes() == subwords.bytes()));
    CHECK(again.encode(text) == ids);
    CHECK(Subwords::from_bytes(subwords.bytes(), "x").encode(text) == ids);
    CHECK(test::error_text(ErrorKind::index, [&] {
            subwords.decode(Numbers{1000});
          }).starts_with("subwords: id out of range; got 1000; expected 0 to "));
    CHECK(test::error_text(ErrorKind::index, [&] {
            subwords.piece(-1);
          }).starts_with("subwords: id out of range; got -1"));
  }
}

TEST_CASE("subwords: sampling draws from the generator alone, good segmentations more often") {
  if (!Subwords::available()) return;
  const Subwords subwords = Subwords::train(lines(), {.size = 80});
  const std::string text = "the walkers sawing again";
  const auto draw = [&](std::uint64_t seed, const data::SubwordSampleOptions& options) {
    Generator generator(seed);
    std::vector<Numbers> result;
    for (int i = 0; i < 300; ++i) {
      result.push_back(subwords.sample(text, generator, options));
      CHECK(subwords.decode(result.back()) == text);
    }
    CHECK(generator.position() == 300);
    return result;
  };
  CHECK(draw(1, {}) == draw(1, {}));
  CHECK(draw(1, {}) != draw(2, {}));
  const auto times_best = [&](double alpha) {
    const auto drawn = draw(3, {.best = 16, .alpha = alpha});
    return std::count(drawn.begin(), drawn.end(), subwords.encode(text));
  };
  CHECK(times_best(100) == 300);
  CHECK(std::abs(times_best(0) - 300 / 16) < 20);  // 4.7 standard deviations
  CHECK(times_best(0.5) > times_best(0));
  std::set<std::string> different;
  for (const Numbers& ids : draw(4, {.best = 16, .alpha = 0})) different.insert(joined(subwords, ids));
  CHECK(different.size() == 16);
  for (const Numbers& ids : draw(4, {.best = 1})) CHECK(ids == subwords.encode(text));
  Generator generator(1);
  CHECK(subwords.sample("", generator).empty());
  CHECK(test::error_text(ErrorKind::argument, [&] { subwords.sample(text, generator, {.best = 0}); }) ==
        "subwords: best; got 0; expected 1 to 4096");
  CHECK(test::error_text(ErrorKind::argument, [&] {
          subwords.sample(text, generator, {.alpha = -1});
        }).starts_with("subwords: alpha; got -1"));
  const Subwords bpe = Subwords::train(lines(), {.size = 60, .model = data::SubwordModel::bpe});
  CHECK(test::error_text(ErrorKind::argument, [&] {
          bpe.sample(text, generator);
        }).starts_with("subwords: cannot sample; "));
}

TEST_CASE("subwords: errors") {
  if (!Subwords::available()) return;
  const auto raised = [](const std::vector<std::string>& text, const data::SubwordOptions& options) {
    return test::error_text(ErrorKind::argument, [&] { Subwords::train(text, options); });
  };
  CHECK(raised({}, {}) == "subwords: no text to learn from; got 0 lines");
  CHECK(raised({"", ""}, {}) == "subwords: no text to learn from; got 2 lines");
  CHECK(raised(lines(), {.size = 4}) == "subwords: size; got 4; expected 5 to 1048576");
  CHECK(raised(lines(), {.size = 10}).starts_with("subwords: cannot be learned; "));
  CHECK(raised(lines(), {.size = 100'000, .model = data::SubwordModel::bpe})
            .starts_with("subwords: cannot be learned; "));
  CHECK(raised(lines(), {.coverage = 0}).starts_with("subwords: coverage; got 0"));
  CHECK(raised(lines(), {.roles = {"a,b"}}).starts_with("subwords: a role; got \"a,b\""));
  for (const std::string& bytes : {std::string(), std::string("hello world"), std::string(1000, '\xFF')})
    CHECK(test::error_text(ErrorKind::io, [&] {
            Subwords::from_bytes(bytes, "m.model");
          }).starts_with("m.model: not a SentencePiece model; "));
  CHECK(test::error_text(ErrorKind::io, [] { Subwords::parse("not base64", "m"); }) ==
        "m: not sub-words; got \"not base64\"; expected base64");
}

TEST_CASE("subwords: one from several threads") {
  if (!Subwords::available()) return;
  const Subwords subwords = Subwords::train(lines(), {.size = 80});
  const Numbers expected = subwords.encode("the walkers sawing again");
  std::vector<int> good(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        for (int times = 0; times < 200; ++times) good[i] += subwords.encode("the walkers sawing again") == expected;
      });
  }
  for (const int count : good) CHECK(count == 200);
}

TEST_CASE("subwords: exact ones keep every character and space") {
  if (!Subwords::available()) return;
  const Subwords exact = Subwords::train(lines(), {.size = 400, .bytes = true, .exact = true});
  const Subwords usual = Subwords::train(lines(), {.size = 400, .bytes = true});
  for (const std::string text :
       {"the saw", "", " ", "  the  saw ", "tab\there", "line\nend\n", "\xEF\xBD\x81 \xE2\x80\xA6 \xC2\xA0",
        "na\xC3\xAFve", "e\xCC\x81", "\xF0\x9F\x98\x80!", "<padding> </s>"}) {
    CAPTURE(text);
    CHECK(exact.decode(exact.encode(text)) == text);
    CHECK(exact.decode(Subwords::parse(exact.text(), "again").encode(text)) == text);
  }
  CHECK(usual.decode(usual.encode("  the  saw \xE2\x80\xA6")) == "the saw ...");
}
