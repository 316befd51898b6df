#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// One utterance of a speaker data set.
struct Utterance {
  std::string path = {};     ///< of its sound or feature file
  std::string name = {};     ///< as the data set calls it (HW04: feature_path)
  std::int64_t speaker = 0;  ///< number of the speaker; −1: not known
  std::int64_t frames = -1;  ///< how many the data set says it has; −1: it does not say
  std::string split = {};    ///< "train", "dev", "test", or empty
  std::string group = {};    ///< session, video, …; empty: not known
};

/// Utterances and the names of their speakers.
struct SpeakerData {
  std::vector<std::string> speakers = {};  ///< by number
  std::vector<Utterance> utterances = {};  ///< by number
};

/// Reads a tab-separated table with a header line that has at least `path` (relative to the table's directory) and
/// `speaker`, and optionally `split` and `group`; other columns are left alone. Speakers are numbered in the order of
/// their sorted names. Throws Error(io) `file:line: …` for a missing column, a row of another length, an empty name, a
/// path that is given twice, a split other than train, dev and test.
SpeakerData read_manifest(const std::string& path);

/// The sound files (by their extension: aif, aiff, au, flac, mp3, oga, ogg, opus, w64, wav) of a tree whose first level
/// of folders is the speakers: speaker/…/file. A folder between, as VoxCeleb's videos, is the group. Utterances come in
/// the order of their paths, speakers in that of their names. Throws Error(io) for a tree that cannot be read, that has
/// no sound file, or that has one outside of any speaker's folder.
SpeakerData read_speaker_tree(const std::string& directory);

}  // namespace data
}  // namespace saw
