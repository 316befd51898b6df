#include "saw/data/manifest.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using Strings = std::vector<std::string>;

namespace {

// Columns separated by bars, for legibility.
std::string table(std::string text) {
  for (char& c : text)
    if (c == '|') c = '\t';
  return text;
}

data::SpeakerData read(const test::TemporaryDirectory& directory, const std::string& text) {
  test::write_file(directory / "m.tsv", table(text));
  return data::read_manifest((directory / "m.tsv").string());
}

std::string error_of(const std::string& text) {
  const test::TemporaryDirectory directory;
  const std::string error = test::error_text(ErrorKind::io, [&] { read(directory, text); });
  const std::string folder = directory.path().string() + "/";
  CHECK(error.starts_with(folder));
  return error.substr(folder.size());
}

}  // namespace

TEST_CASE("manifest: columns in any order, speakers numbered by their sorted names") {
  const test::TemporaryDirectory directory;
  const data::SpeakerData data = read(directory,
                                      "speaker|seconds|path|group|split\n"
                                      "zoe|0.5|a/1.wav|s1|train\n"
                                      "anna|0.25|/sounds/2.wav||dev\n"
                                      "zoe|1|ä 3.wav|s2|test\n"
                                      "anna|1|4.wav||\n");
  CHECK(data.speakers == Strings{"anna", "zoe"});
  REQUIRE(data.utterances.size() == 4);
  const data::Utterance& first = data.utterances[0];
  CHECK(first.path == (directory / "a/1.wav").string());
  CHECK(first.name == "a/1.wav");
  CHECK(first.speaker == 1);
  CHECK(first.frames == -1);
  CHECK(first.split == "train");
  CHECK(first.group == "s1");
  CHECK(data.utterances[1].path == "/sounds/2.wav");
  CHECK(data.utterances[1].speaker == 0);
  CHECK(data.utterances[1].group.empty());
  CHECK(data.utterances[2].path == (directory / "ä 3.wav").string());
  CHECK(data.utterances[3].split.empty());
}

TEST_CASE("manifest: carriage returns, a byte order mark, empty lines and a missing last line end do not matter") {
  const test::TemporaryDirectory directory;
  const data::SpeakerData data = read(directory, "\xEF\xBB\xBFpath|speaker\r\n1.wav|anna\r\n\r\n2.wav|zoe");
  CHECK(data.speakers == Strings{"anna", "zoe"});
  REQUIRE(data.utterances.size() == 2);
  CHECK(data.utterances[1].name == "2.wav");
  CHECK(data.utterances[1].split.empty());
}

TEST_CASE("manifest: errors name file and line") {
  const std::string header = "path|speaker|split\n";
  CHECK(error_of("") == "m.tsv: the table is empty; expected a header line with path and speaker");
  CHECK(error_of(header) == "m.tsv: the table has no row");
  CHECK(error_of("path|name\n").starts_with("m.tsv:1: no column named speaker; got \"path\\x09name\"; expected "));
  CHECK(error_of("file|speaker\n").starts_with("m.tsv:1: no column named path;"));
  CHECK(error_of("path|speaker|path\n") == "m.tsv:1: two columns named path");
  CHECK(error_of(header + "1.wav|anna\n") ==
        "m.tsv:2: wrong number of fields; got 2; expected 3 as in the header, separated by tabs");
  CHECK(error_of(header + "1.wav|anna|train|x\n").starts_with("m.tsv:2: wrong number of fields; got 4;"));
  CHECK(error_of(header + "\n|anna|train\n") == "m.tsv:3: the path is empty");
  CHECK(error_of(header + "1.wav||train\n") == "m.tsv:2: the speaker is empty");
  CHECK(error_of(header + "1.wav|anna|valid\n") ==
        "m.tsv:2: unknown split; got \"valid\"; expected train, dev, test or nothing");
  CHECK(error_of(header + "1.wav|anna|train\n2.wav|zoe|dev\n1.wav|zoe|dev\n") ==
        "m.tsv:4: a path is given twice; got \"1.wav\"; first on line 2");
  CHECK(error_of(header + "1.wav|an\xFFna|train\n") ==
        "m.tsv:2: invalid UTF-8; got byte 0xff in column 9; hint: convert the file to UTF-8");
  CHECK(error_of(header + std::string("1.w\0v|anna|train\n", 17)) == "m.tsv:2: a NUL byte in column 4");
  CHECK(test::error_text(ErrorKind::io, [] { data::read_manifest("/nowhere/m.tsv"); }).starts_with("/nowhere/m.tsv: "));
}

TEST_CASE("speaker tree: folders are speakers, folders below them groups") {
  const test::TemporaryDirectory directory;
  for (const char* name : {"zoe/b.WAV", "zoe/a.flac", "anna/video1/1.ogg", "anna/video1/2.ogg", "anna/video2/1.ogg",
                           "anna/notes.txt", "README", "bob/nothing.txt"}) {
    std::filesystem::create_directories((directory / name).parent_path());
    test::write_file(directory / name, "x");
  }
  const data::SpeakerData data = data::read_speaker_tree(directory.path().string());
  CHECK(data.speakers == Strings{"anna", "zoe"});
  Strings names, groups;
  std::vector<std::int64_t> speakers;
  for (const data::Utterance& utterance : data.utterances) {
    CHECK(utterance.path == (directory / utterance.name).string());
    names.push_back(utterance.name);
    groups.push_back(utterance.group);
    speakers.push_back(utterance.speaker);
  }
  CHECK(names == Strings{"anna/video1/1.ogg", "anna/video1/2.ogg", "anna/video2/1.ogg", "zoe/a.flac", "zoe/b.WAV"});
  CHECK(groups == Strings{"anna/video1", "anna/video1", "anna/video2", "", ""});
  CHECK(speakers == std::vector<std::int64_t>{0, 0, 0, 1, 1});
}

TEST_CASE("speaker tree: errors") {
  const test::TemporaryDirectory directory;
  const std::string root = directory.path().string();
  const auto error = [](const std::string& path) {
    return test::error_text(ErrorKind::io, [&] { data::read_speaker_tree(path); });
  };
  CHECK(error(root) == root + ": no sound file in it; expected <speaker>/…/<file>.wav, .flac, .ogg, …");
  CHECK(error(root + "/nothing").starts_with(root + "/nothing: cannot read the folders; "));
  test::write_file(directory / "1.wav", "x");
  CHECK(error(root) ==
        root + "/1.wav: a sound file outside of any speaker's folder; expected " + root + "/<speaker>/…");
  std::filesystem::remove(directory / "1.wav");
  std::filesystem::create_directory(directory / "an\xFFna");
  test::write_file(directory / "an\xFFna" / "1.wav", "x");
  CHECK(error(root) == root + ": a name that is not UTF-8; got \"an\\xffna/1.wav\"");
}
