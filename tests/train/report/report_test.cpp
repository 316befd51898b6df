// The report of a run: what it says, that nothing of what it is fed becomes markup, and that it never ends a run. (How
// it looks is for eyes.)

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "saw/autograd/ops/creation.h"
#include "saw/nn/linear.h"
#include "saw/nn/module_list.h"
#include "saw/train/report/report.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using train::Report;

namespace {

struct Small : nn::Module {
  nn::Linear& first = child<nn::Linear>("first", 3, 4);
  nn::Linear& second = child<nn::Linear>("second", 4, 2);
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// "" where every element is closed in its turn and no text holds a bare < or &, else what is wrong.
std::string malformed(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = 0; at < html.size(); ++at) {
    if (html[at] == '&') {
      const std::size_t end = html.find(';', at);
      if (end == std::string::npos || end - at > 6) return "a bare & at " + html.substr(at, 40);
    }
    if (html[at] != '<') continue;
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return "an open < at " + html.substr(at, 40);
    const std::string tag = html.substr(at + 1, end - at - 1);
    at = end;
    if (tag.empty() || tag[0] == '!') continue;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "</" + tag + " closes nothing";
      open.pop_back();
      continue;
    }
    const std::string name = tag.substr(0, tag.find_first_of(" \n/"));
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return "an open quotation mark in " + tag;
    if (tag.back() == '/' || name == "meta") continue;
    open.push_back(name);
  }
  return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

/// A report with something of everything, whose every text is `text`.
void feed(Report& report, const std::string& text) {
  report.status(text);
  report.figure(text, text);
  report.setting(text, text);
  report.data_fact(text, text);
  report.data_text(text);
  report.note(text);
  const Small model;
  report.model(model);
  for (int step = 1; step <= 5; ++step) {
    report.scalar("loss/" + text, step, 1.0 / step);
    report.scalar(text + "/x", step, 1.0 / step);
  }
  report.best_step(3);
  train::Profile profile;
  { const auto phase = profile.phase(text); }
  report.profile(profile);
  train::ConfusionMatrix confusion(2);
  confusion.update(0, 1, 3);
  confusion.update(1, 1, 5);
  report.confusion(confusion, {text, text});
  report.mistake({text, text, text, 2.0});
  report.attention(text, {text, "b"}, {"a", text}, full({2, 2}, 0.5));
}

}  // namespace

TEST_CASE("a report says what it was fed, and needs nothing else") {
  Report report("", "Tagging & more");
  feed(report, "plain");
  const std::string html = report.html();
  CHECK(malformed(html) == "");
  CHECK(contains(html, "<h1>Tagging &amp; more</h1>"));
  for (const char* anchor :
       {"curves", "confusion", "mistakes", "attention", "data", "model", "time", "memory", "settings"}) {
    CAPTURE(anchor);
    CHECK(count(html, fmt::format("<section id=\"{}\">", anchor)) == 1);
    CHECK(count(html, fmt::format("href=\"#{}\"", anchor)) == 1);
  }
  CHECK(contains(html, "26 parameters, 26 of them trainable"));
  CHECK(contains(html, "weight (4, 3), bias (4,)"));
  CHECK(contains(html, "plain taken for plain: 3, 37.5 %"));
  CHECK(contains(html, "plain (1) looks at a (1): 50.0 %"));
  CHECK(contains(html, "step 5\nplain 0.2</title>"));
  CHECK(contains(html, "prefers-color-scheme:dark"));
  CHECK(contains(html, "name=\"viewport\""));
  for (const char* foreign : {"http:", "https:", "<script", "src=", "@import", "url("})
    CHECK_FALSE(contains(html, foreign));
}

TEST_CASE("no text becomes markup") {
  const std::string hostile = "</title></style><script>alert('1')</script>\"><b onload=\"x\">&amp;\x1b[31m\xff\x01";
  Report report("", hostile);
  feed(report, hostile);
  const std::string html = report.html();
  CHECK(malformed(html) == "");
  CHECK_FALSE(contains(html, "<script"));
  CHECK_FALSE(contains(html, "<b onload"));
  CHECK_FALSE(contains(html, "\x1b"));
  CHECK_FALSE(contains(html, "\xff"));
  CHECK(contains(html, "&lt;/title&gt;"));
  CHECK(count(html, "<h1>") == 1);
}

TEST_CASE("an empty report, and odd numbers") {
  Report empty("", "");
  CHECK(malformed(empty.html()) == "");
  CHECK_FALSE(contains(empty.html(), "id=\"curves\""));
  Report report("", "odd");
  const double infinity = std::numeric_limits<double>::infinity();
  report.scalar("one", 5, 3.0);
  for (int step = 0; step < 4; ++step) report.scalar("lost", step, step % 2 == 0 ? std::nan("") : infinity);
  report.scalar("flat/a", 1, 0.0);
  report.scalar("flat/a", 2, 0.0);
  report.scalar("huge", 1, -1.7e308);
  report.scalar("huge", std::int64_t{1} << 62, 1.7e308);
  report.scalar("tiny", 1, 1e-300);
  report.scalar("tiny", 2, 2e-300);
  report.mistake({"nan", "a", "b", std::nan("")});
  train::ConfusionMatrix nothing(3);
  report.confusion(nothing);
  const std::string html = report.html();
  CHECK(malformed(html) == "");
  CHECK(contains(html, "4 NaN or infinite"));
  CHECK_FALSE(contains(html, "\"nan"));
  CHECK_FALSE(contains(html, "\"inf"));
  for (const char* none : {"Lnan", "Mnan", " nan", "-nan", "Linf", "Minf", " infL", " infM", "-inf"})
    CHECK_FALSE(contains(html, none));
  CHECK_FALSE(contains(html, "id=\"confusion\""));  // nothing was counted
}

TEST_CASE("long runs, many classes and long texts stay readable") {
  Report report("", "long");
  for (std::int64_t step = 1; step <= 200000; ++step)
    report.scalar("loss/train", step, 1.0 / static_cast<double>(step));
  train::ConfusionMatrix confusion(300);
  for (std::int64_t c = 0; c < 300; ++c) {
    confusion.update(c, c, 100);
    confusion.update((c + 1) % 300, c, c);
  }
  report.confusion(confusion);
  std::vector<std::string> words(200, "word");
  report.attention("long", words, words, full({2, 200, 200}, 0.005));
  for (int i = 0; i < 100; ++i)
    report.mistake({std::string(5000, 'x'), fmt::format("mistake {}", i), "", static_cast<double>(i)});
  const std::string html = report.html();
  CHECK(malformed(html) == "");
  CHECK(html.size() < 3'000'000);
  CHECK(contains(html, "Drawn are 40 of 300 classes, those with most mistakes."));
  CHECK(contains(html, "The first 48 words of 200."));
  CHECK(contains(html, "head 2"));
  CHECK(contains(html, ">mistake 99</td>"));        // the worst is there
  CHECK_FALSE(contains(html, ">mistake 69</td>"));  // the 31st is not
  CHECK(contains(html, "200k</text>"));
  report.clear_mistakes();
  CHECK_FALSE(contains(report.html(), "id=\"mistakes\""));
}

TEST_CASE("what does not fit is refused") {
  Report report("", "");
  CHECK(test::kind_of([&] { report.confusion(train::ConfusionMatrix(3), {"a", "b"}); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { report.attention("", {"a"}, {"b"}, zeros({1, 2})); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { report.attention("", {"a"}, {"b"}, zeros({1})); }) == ErrorKind::shape);
  CHECK(test::kind_of([&] { report.attention("", {"a"}, {"b"}, zeros({1, 1, 1, 1})); }) == ErrorKind::shape);
}

TEST_CASE("a report is written whole, over reports alone, and never ends a run") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "report.html").string();
  Report report(path, "one");
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(report.write());
  CHECK(contains(test::read_file(path), "<h1>one</h1>"));
  Report(path, "two").write();
  CHECK(contains(test::read_file(path), "<h1>two</h1>"));

  const std::string other = (directory / "corpus.tsv").string();
  test::write_file(other, "words\tlabel\n");
  CHECK(test::error_text(ErrorKind::io, [&] { Report foreign(other, ""); }).find("is no report") != std::string::npos);
  CHECK(test::read_file(other) == "words\tlabel\n");

  Report lost((directory / "gone" / "report.html").string(), "");
  CHECK_FALSE(lost.write());  // says so once, on standard error
  CHECK_FALSE(lost.write());
  std::filesystem::create_directory(directory / "gone");
  CHECK(lost.write());
  Report nowhere("", "");
  CHECK(nowhere.write());
}

TEST_CASE("curves survive a checkpoint, and a resumed run has each step once") {
  Report first("", "run");
  for (int step = 1; step <= 3000; ++step) first.scalar("loss/train", step, 1.0 / step);
  first.scalar("loss/dev", 1000, 0.5);
  first.scalar("accuracy", 1000, std::nan(""));
  first.best_step(1000);
  first.note("resumed at step 7");
  Report second("", "run");
  second.load_state(first.state());
  CHECK(second.state() == first.state());
  const auto curves = [](const Report& report) {
    const std::string html = report.html();
    return html.substr(html.find("<section id=\"curves\">"),
                       html.find("<section id=\"memory\">") - html.find("<section id=\"curves\">"));
  };
  CHECK(curves(second) == curves(first));

  // The run went on to step 400, but its checkpoint is that of step 300.
  Report resumed("", "run"), straight("", "run");
  for (int step = 1; step <= 500; ++step) straight.scalar("loss", step, step);
  for (int step = 1; step <= 400; ++step) resumed.scalar("loss", step, step);
  for (int step = 301; step <= 500; ++step) resumed.scalar("loss", step, step);
  CHECK(resumed.state() == straight.state());
  for (const char* bad : {"", "{}", "[]", "{\"charts\":[{}],\"notes\":[]}", "{\"charts\":[],\"notes\":[1]}"})
    CHECK(test::kind_of([&] { second.load_state(bad); }) == ErrorKind::io);
  CHECK(second.state() == first.state());
}
