#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/tape/tensor.h"
#include "saw/data/manifest.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// A folder of speech features as the speaker assignment (HW04) of National Taiwan University's machine learning course
/// hands it out:
///
///   metadata.json  {"n_mels": 40, "speakers": {"id00012": [{"feature_path": "uttr-….pt", "mel_len": 512}, …], …}}
///   testdata.json  {"n_mels": 40, "utterances": [{"feature_path": "uttr-….pt", "mel_len": 731}, …]}
///   mapping.json   {"speaker2id": {"id00012": 0, …}, "id2speaker": {"0": "id00012", …}}
///   uttr-….pt      one float32 tensor (mel_len, n_mels) each
///
/// testdata.json and mapping.json may be missing. What else lies in the folder is left alone (HW04's has the programs
/// that made the features, three TorchScript modules).
struct Hw04Folder {
  std::int64_t n_mels = 40;  ///< features of a frame
  SpeakerData
      data;  ///< split "train": metadata.json; split "test", speaker −1: testdata.json; with path, name and frames
  std::vector<std::string> skipped = {};  ///< "path: what is wrong", with skip_bad
};

/// What becomes of bad utterances.
struct Hw04Options {
  bool skip_bad = false;  ///< leave utterances out that have no file or no frames instead of throwing
};

/// Reads what the folder says about its utterances; no features yet. Speakers are numbered as in mapping.json, without
/// one in the order of their sorted names. Throws Error(io) that begins with the file (`file:line:column` for damaged
/// JSON): a field that is missing or of another type, a file that is missing or named twice, mel_len below 1, n_mels
/// that differ, a mapping that contradicts itself or lacks a speaker.
Hw04Folder read_hw04(const std::string& directory, const Hw04Options& options = {});

/// The features of an utterance: (frames, n_mels) float32. Throws Error(io) that begins with the path for anything else
/// in the file, for another number of frames than `utterance.frames` (if that is not negative), and for NaN and
/// infinity.
Tensor read_features(const Utterance& utterance, std::int64_t n_mels);

/// Writes the three JSON files, byte for byte as Python's json.dump(…, indent=4) would; metadata.json comes last, so
/// that where it is, the folder is complete. Utterances whose split is "test" go to testdata.json, the others to
/// metadata.json. Throws Error(argument) for an utterance without name or frames, a training utterance without speaker,
/// a name that is not UTF-8; Error(io) where the directory cannot be written.
void write_hw04(const std::string& directory, const Hw04Folder& folder);

/// Writes the assignment's answers, a table `Id,Category` in CSV with CRLF line ends, quoted where Python's csv.writer
/// would: the name of each test utterance and the speaker it is given. Appears whole or not at all; throws Error(io).
void write_predictions(const std::string& path, std::span<const std::pair<std::string, std::string>> rows);

}  // namespace data
}  // namespace saw
