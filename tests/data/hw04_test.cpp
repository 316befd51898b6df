#include "saw/data/hw04.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <limits>

#include "saw/autograd/ops.h"
#include "saw/data/frame_batches.h"
#include "saw/data/pytorch.h"
#include "support/errors.h"
#include "support/files.h"
#include "support/tensors.h"

using namespace saw;
using Strings = std::vector<std::string>;

namespace {

const std::string good_metadata = R"({"n_mels": 3, "speakers": {
  "id2": [{"feature_path": "uttr-a.pt", "mel_len": 4}, {"feature_path": "uttr-b.pt", "mel_len": 2}],
  "id1": [{"feature_path": "uttr-c.pt", "mel_len": 5, "note": "fields that nobody knows do not matter"}]}})";
const std::string good_testdata = R"({"n_mels": 3, "utterances": [{"feature_path": "uttr-d.pt", "mel_len": 1}]})";
const std::string good_mapping = R"({"speaker2id": {"id1": 1, "id2": 0}, "id2speaker": {"1": "id1", "0": "id2"}})";

Tensor frames(std::int64_t count, float first = 0.5f) {
  const Tensor tensor = Tensor::empty({count, 3}, float32);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) tensor.mutable_data<float>()[i] = first + static_cast<float>(i);
  return tensor;
}

// A folder as HW04's, its features in place.
struct Folder : test::TemporaryDirectory {
  explicit Folder(const std::string& metadata = good_metadata, const std::string& testdata = good_testdata,
                  const std::string& mapping = good_mapping) {
    write("metadata.json", metadata);
    if (!testdata.empty()) write("testdata.json", testdata);
    if (!mapping.empty()) write("mapping.json", mapping);
    for (const auto& [name, count] : {std::pair("uttr-a.pt", 4), {"uttr-b.pt", 2}, {"uttr-c.pt", 5}, {"uttr-d.pt", 1}})
      data::save_pytorch((*this / name).string(), frames(count));
  }
  void write(const std::string& name, const std::string& text) const { test::write_file(*this / name, text); }
  data::Hw04Folder read(const data::Hw04Options& options = {}) const {
    return data::read_hw04(path().string(), options);
  }
  // The error without the folder's name.
  std::string error() const {
    const std::string text = test::error_text(ErrorKind::io, [&] { read(); });
    CHECK(text.starts_with(path().string() + "/"));
    return text.substr(std::min(text.size(), path().string().size() + 1));
  }
};

std::string metadata_error(const std::string& text) { return Folder(text).error(); }
std::string mapping_error(const std::string& text) { return Folder(good_metadata, good_testdata, text).error(); }

}  // namespace

TEST_CASE("hw04: the three tables") {
  const Folder folder;
  for (const char* name : {"wav2mel.pt", "log_melspectrogram.pt", "sox_effects.pt"}) folder.write(name, "TorchScript");
  const data::Hw04Folder read = folder.read();
  CHECK(read.n_mels == 3);
  CHECK(read.data.speakers == Strings{"id2", "id1"});
  CHECK(read.skipped.empty());
  Strings names, splits;
  std::vector<std::int64_t> speakers, lengths;
  for (const data::Utterance& utterance : read.data.utterances) {
    CHECK(utterance.path == (folder / utterance.name).string());
    CHECK(data::read_features(utterance, 3).shape() == Shape{utterance.frames, 3});
    names.push_back(utterance.name);
    splits.push_back(utterance.split);
    speakers.push_back(utterance.speaker);
    lengths.push_back(utterance.frames);
  }
  // Speaker by speaker in the order of their names, each one's utterances as they stand in the file.
  CHECK(names == Strings{"uttr-c.pt", "uttr-a.pt", "uttr-b.pt", "uttr-d.pt"});
  CHECK(splits == Strings{"train", "train", "train", "test"});
  CHECK(speakers == std::vector<std::int64_t>{1, 0, 0, -1});
  CHECK(lengths == std::vector<std::int64_t>{5, 4, 2, 1});
}

TEST_CASE("hw04: testdata.json and mapping.json may be missing") {
  const data::Hw04Folder read = Folder(good_metadata, "", "").read();
  CHECK(read.data.speakers == Strings{"id1", "id2"});
  CHECK(read.data.utterances.size() == 3);
  CHECK(read.data.utterances[0].speaker == 0);
  // A mapping may know speakers of whom there is nothing here.
  const data::Hw04Folder more =
      Folder(good_metadata, "",
             R"({"speaker2id": {"x": 0, "id1": 1, "id2": 2}, "id2speaker": {"0": "x", "1": "id1", "2": "id2"}})")
          .read();
  CHECK(more.data.speakers == Strings{"x", "id1", "id2"});
}

TEST_CASE("hw04: damaged tables") {
  CHECK(
      metadata_error("") ==
      "metadata.json:1:1: not JSON; syntax error while parsing value - unexpected end of input; expected '[', '{', or "
      "a literal");
  CHECK(metadata_error("{\"n_mels\": 3,\n  \"speakers\": oops}").starts_with("metadata.json:2:15: not JSON; "));
  CHECK(metadata_error(good_metadata.substr(0, 60)).starts_with("metadata.json:2:"));
  CHECK(metadata_error("{\"n_mels\": 3, \"speakers\": {\"\xFF\": []}}").starts_with("metadata.json:1:29: not JSON; "));
  CHECK(metadata_error("[]") == "metadata.json: the file; got array; expected an object");
  CHECK(metadata_error(R"({"speakers": {}})") == "metadata.json: the file has no \"n_mels\"");
  CHECK(metadata_error(R"({"n_mels": 40.5, "speakers": {}})") ==
        "metadata.json: the file: \"n_mels\"; got 40.5; expected an integer");
  CHECK(metadata_error(R"({"n_mels": 0, "speakers": {}})") == "metadata.json: \"n_mels\"; got 0; expected at least 1");
  CHECK(metadata_error(R"({"n_mels": 18446744073709551615, "speakers": {}})").find("expected an integer") !=
        std::string::npos);
  CHECK(metadata_error(R"({"n_mels": 3, "speakers": []})") ==
        "metadata.json: the file: \"speakers\"; got array; expected an object");
  CHECK(metadata_error(R"({"n_mels": 3, "speakers": {"id1": {}}})") ==
        "metadata.json: speaker \"id1\"; got object; expected a list");
  CHECK(metadata_error(R"({"n_mels": 3, "speakers": {"id1": [], "id2": [], "id1": []}})") ==
        "metadata.json: \"id1\" is given twice");
  CHECK(metadata_error(R"({"n_mels": 3, "speakers": {"id1": [{"mel_len": 3}]}})") ==
        "metadata.json: speaker \"id1\", utterance 1 has no \"feature_path\"");
  CHECK(metadata_error(R"({"n_mels": 3, "speakers": {"id1": [{"feature_path": "", "mel_len": 3}]}})") ==
        "metadata.json: speaker \"id1\", utterance 1: \"feature_path\" is empty");
  CHECK(metadata_error(R"({"n_mels": 3, "speakers": {"id1": [{"feature_path": "uttr-a.pt", "mel_len": "3"}]}})") ==
        "metadata.json: speaker \"id1\", utterance 1: \"mel_len\"; got string; expected an integer");
  CHECK(metadata_error(R"({"n_mels": 3, "speakers": {"id1": [{"feature_path": "uttr-a.pt", "mel_len": 4}],
                                                      "id2": [{"feature_path": "uttr-a.pt", "mel_len": 4}]}})") ==
        "metadata.json: speaker \"id2\", utterance 1: a file is named twice; got \"uttr-a.pt\"");
  CHECK(metadata_error(std::string(100000, '[')).starts_with("metadata.json:1:100001: not JSON; "));
  CHECK(Folder(good_metadata, R"({"n_mels": 4, "utterances": []})").error() ==
        "testdata.json: \"n_mels\"; got 4; expected 3 as in metadata.json");
  CHECK(Folder(good_metadata, R"({"n_mels": 3})").error() == "testdata.json: the file has no \"utterances\"");
  CHECK(test::error_text(ErrorKind::io, [] { data::read_hw04("/nowhere"); }).starts_with("/nowhere/metadata.json: "));
}

TEST_CASE("hw04: a mapping that contradicts itself or lacks a speaker") {
  const auto mapping = [](const std::string& forth, const std::string& back) {
    return mapping_error(fmt::format(R"({{"speaker2id": {{{}}}, "id2speaker": {{{}}}}})", forth, back));
  };
  const std::string both = R"("id1": 0, "id2": 1)";
  CHECK(mapping_error("{}") == "mapping.json: the file has no \"speaker2id\"");
  CHECK(mapping(both, R"("0": "id2", "1": "id1")") ==
        "mapping.json: \"id2speaker\" and \"speaker2id\" contradict each other; got \"id2\" and \"id1\" for 0");
  CHECK(mapping(both, R"("0": "id1")") ==
        "mapping.json: \"id2speaker\" and \"speaker2id\" contradict each other; got 1 and 2 speakers");
  CHECK(mapping(both, R"("0": "id1", "2": "id2")") == "mapping.json: \"id2speaker\" has no \"1\"");
  CHECK(mapping(both, R"("0": "id1", "1": 7)") == "mapping.json: \"id2speaker\": \"1\"; got number; expected a string");
  CHECK(mapping(R"("id1": 0, "id2": 0)", R"("0": "id1", "1": "id2")") ==
        "mapping.json: \"speaker2id\": \"id1\" and \"id2\" have one number, 0");
  CHECK(mapping(R"("id1": 0, "id2": 2)", R"("0": "id1", "2": "id2")") ==
        "mapping.json: \"speaker2id\": \"id2\"; got 2; expected 0 to 1");
  CHECK(mapping(R"("id1": 0)", R"("0": "id1")") ==
        "mapping.json: \"speaker2id\" has no \"id2\", who is in metadata.json");
}

TEST_CASE("hw04: files that are missing or have no frames, and skip_bad") {
  const Folder folder(R"({"n_mels": 3, "speakers": {"id1": [{"feature_path": "uttr-a.pt", "mel_len": 4},
    {"feature_path": "uttr-x.pt", "mel_len": 4}, {"feature_path": "uttr-b.pt", "mel_len": 0}]}})",
                      R"({"n_mels": 3, "utterances": [{"feature_path": "sub", "mel_len": 1}]})", "");
  std::filesystem::create_directory(folder / "sub");
  CHECK(folder.error() == "uttr-x.pt: no such file; metadata.json names it");
  const data::Hw04Folder read = folder.read({.skip_bad = true});
  const std::string path = folder.path().string() + "/";
  CHECK(read.data.utterances.size() == 1);
  CHECK(read.data.speakers == Strings{"id1"});
  CHECK(read.skipped == Strings{path + "uttr-x.pt: no such file; metadata.json names it",
                                path + "uttr-b.pt: \"mel_len\"; got 0; expected at least 1",
                                path + "sub: not a regular file"});
}

TEST_CASE("hw04: features must be what the tables say") {
  const test::TemporaryDirectory directory;
  const std::string file = (directory / "u.pt").string();
  data::Utterance utterance;
  utterance.path = file;
  utterance.frames = 4;
  const auto read = [&](const Tensor& tensor) {
    data::save_pytorch(file, tensor);
    return data::read_features(utterance, 3);
  };
  const auto error = [&](const Tensor& tensor) {
    const std::string text = test::error_text(ErrorKind::io, [&] { read(tensor); });
    CHECK(text.starts_with(file + ": "));
    return text.substr(std::min(text.size(), file.size() + 2));
  };
  CHECK(test::same_bits(read(frames(4)), frames(4)));
  CHECK(error(frames(5)) == "features; got float32 (5, 3); expected (4, 3), as \"mel_len\" says");
  CHECK(error(frames(4).to(float64)) == "features; got float64 (4, 3); expected float32 (mel_len, 3)");
  CHECK(error(frames(4).slice(1, 0, 2)) == "features; got float32 (4, 2); expected float32 (mel_len, 3)");
  CHECK(error(frames(4).reshape({12})) == "features; got float32 (12,); expected float32 (mel_len, 3)");
  CHECK(error(Tensor::empty({0, 3}, float32)) == "features; got float32 (0, 3); expected float32 (mel_len, 3)");
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Tensor bad = frames(4);
    bad.mutable_data<float>()[7] = value;
    CHECK(error(bad) == fmt::format("features; got {} in frame 2, band 1; expected finite numbers", value));
  }
  utterance.frames = -1;
  CHECK(read(frames(7)).size(0) == 7);
  test::write_file(file, "not a tensor");
  CHECK(test::error_text(ErrorKind::io, [&] { data::read_features(utterance, 3); }).starts_with(file + ": "));
}

TEST_CASE("hw04: what is written is what Python's json.dump with indent=4 writes, and is read again") {
  const Folder folder;
  const data::Hw04Folder read = folder.read();
  const test::TemporaryDirectory copy;
  data::write_hw04(copy.path().string(), read);
  CHECK(test::read_file(copy / "metadata.json") == R"({
    "n_mels": 3,
    "speakers": {
        "id2": [
            {
                "feature_path": "uttr-a.pt",
                "mel_len": 4
            },
            {
                "feature_path": "uttr-b.pt",
                "mel_len": 2
            }
        ],
        "id1": [
            {
                "feature_path": "uttr-c.pt",
                "mel_len": 5
            }
        ]
    }
})");
  CHECK(test::read_file(copy / "testdata.json") == R"({
    "n_mels": 3,
    "utterances": [
        {
            "feature_path": "uttr-d.pt",
            "mel_len": 1
        }
    ]
})");
  CHECK(test::read_file(copy / "mapping.json") == R"({
    "speaker2id": {
        "id2": 0,
        "id1": 1
    },
    "id2speaker": {
        "0": "id2",
        "1": "id1"
    }
})");
  for (const char* name : {"uttr-a.pt", "uttr-b.pt", "uttr-c.pt", "uttr-d.pt"})
    std::filesystem::copy(folder / name, copy / name);
  const data::Hw04Folder again = data::read_hw04(copy.path().string());
  CHECK(again.data.speakers == read.data.speakers);
  CHECK(again.data.utterances.size() == read.data.utterances.size());
}

TEST_CASE("hw04: names outside of ASCII, control characters and empty lists are written as Python does") {
  const test::TemporaryDirectory directory;
  data::Hw04Folder folder;
  folder.data.speakers = {"zo\u00EB \U0001F600\t\x7F\"\\/"};
  data::write_hw04(directory.path().string(), folder);
  CHECK(test::read_file(directory / "metadata.json") ==
        "{\n    \"n_mels\": 40,\n    \"speakers\": {\n        \"zo\\u00eb \\ud83d\\ude00\\t\\u007f\\\"\\\\/\": []\n    "
        "}\n}");
  CHECK(test::read_file(directory / "testdata.json") == "{\n    \"n_mels\": 40,\n    \"utterances\": []\n}");
  CHECK(data::read_hw04(directory.path().string()).data.speakers == folder.data.speakers);
}

TEST_CASE("hw04: the mapping of the assignment's 600 speakers has the assignment's size") {
  const test::TemporaryDirectory directory;
  data::Hw04Folder folder;
  for (int i = 0; i < 600; ++i) folder.data.speakers.push_back(fmt::format("id{:05}", 10 + 15 * i));
  data::write_hw04(directory.path().string(), folder);
  CHECK(std::filesystem::file_size(directory / "mapping.json") == 29834);
}

TEST_CASE("hw04: what cannot be written") {
  const test::TemporaryDirectory directory;
  const auto error = [&](ErrorKind kind, const std::string& speaker, const data::Utterance& utterance) {
    data::Hw04Folder folder;
    folder.data.speakers = {speaker};
    folder.data.utterances = {utterance};
    return test::error_text(kind, [&] { data::write_hw04(directory.path().string(), folder); });
  };
  data::Utterance utterance;
  utterance.frames = 3;
  CHECK(error(ErrorKind::argument, "a", utterance) == "write_hw04: an utterance has no name");
  utterance.name = "utt\xFF";
  CHECK(error(ErrorKind::argument, "a", utterance) ==
        "write_hw04: name of an utterance is not UTF-8; got \"utt\\xff\"");
  utterance.name = "utterance";
  CHECK(error(ErrorKind::argument, "", utterance) == "write_hw04: a speaker has no name");
  utterance.speaker = 1;
  CHECK(error(ErrorKind::argument, "a", utterance) == "write_hw04: speaker of \"utterance\"; got 1; expected 0 to 0");
  utterance.frames = -1;
  CHECK(error(ErrorKind::argument, "a", utterance) ==
        "write_hw04: frames of \"utterance\"; got -1; expected at least 1");
  CHECK(
      test::error_text(ErrorKind::io, [] { data::write_hw04("/nowhere", {}); }).starts_with("/nowhere/mapping.json: "));
}

TEST_CASE("hw04: predictions have the layout and the size of the assignment's") {
  const test::TemporaryDirectory directory;
  const std::string file = (directory / "output.csv").string();
  using Rows = std::vector<std::pair<std::string, std::string>>;
  data::write_predictions(file, Rows{{"uttr-1.pt", "id00001"}, {"a,b", "say \"so\""}, {"two\nlines", " x"}, {"", "é"}});
  CHECK(test::read_file(file) ==
        "Id,Category\r\nuttr-1.pt,id00001\r\n\"a,b\",\"say \"\"so\"\"\"\r\n\"two\nlines\", x\r\n,é\r\n");
  data::write_predictions(file, Rows(8000, {"uttr-0123456789abcdef0123456789abcdef.pt", "id00464"}));
  CHECK(std::filesystem::file_size(file) == 400013);
  CHECK(test::error_text(ErrorKind::io, [] {
          data::write_predictions("/nowhere/output.csv", {});
        }).starts_with("/nowhere/output.csv: "));
}

TEST_CASE("hw04: one damaged file does not end the training") {
  const Folder folder;
  folder.write("uttr-b.pt", "damaged");
  const data::Hw04Folder read = folder.read();
  const auto source = [&](std::int64_t utterance) {
    return data::read_features(read.data.utterances[static_cast<std::size_t>(utterance)], read.n_mels);
  };
  data::FrameBatches batches(4, source, {.batch = 3, .crop = 2, .skip_bad = true});
  for (int i = 0; i < 5; ++i) CHECK(batches.next().segments.count() == 3);
  REQUIRE(batches.skipped().size() == 1);
  CHECK(batches.skipped()[0].utterance == 2);
  CHECK(batches.skipped()[0].reason.starts_with((folder / "uttr-b.pt").string() + ": "));
}
