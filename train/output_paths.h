#pragma once

#include <string>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// A path, and the option by which a person gave it: {"--metrics", "run.jsonl"}. An empty path was not given.
struct NamedPath {
  std::string option;  ///< as it is written, for messages
  std::string path;    ///< as given
};

/// Whether two paths lead to one file: by the same name, through symbolic links, or as hard links. Neither has to
/// exist.
bool is_same_file(const std::string& a, const std::string& b);

/// To be called before anything is opened for writing: throws Error(argument) where an output is the same file as an
/// input, replaces a file in a folder that is one, or is the same as another output or one of the folders; Error(io)
/// for one that is a folder, cannot be written, or lies in a folder that does not exist (unless it is one of `folders`,
/// which are to be made, or in one). Devices and pipes may be given twice.
///
///   train::check_outputs({{"--train", options.train}}, {{"--metrics", options.metrics}}, {{"--save", options.save}});
///
/// Nothing is opened, made or changed.
void check_outputs(const std::vector<NamedPath>& inputs, const std::vector<NamedPath>& outputs,
                   const std::vector<NamedPath>& folders = {});

/// What a file holds, in few characters ("crc 1a2b3c4d, 1200 bytes"), for options whose files must not change between
/// the beginning of a run and its resumption. Of a folder only the names and sizes of the files in it count: it may be
/// large. Throws Error(io).
std::string fingerprint(const std::string& path);

}  // namespace train
}  // namespace saw
