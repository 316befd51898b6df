#pragma once

#include <map>
#include <string>

#include "saw/autograd/state_dict.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// The contents of a safetensors file.
struct SafetensorsFile {
  StateDict tensors;                            ///< in the order of their names
  std::map<std::string, std::string> metadata;  ///< what the file says about itself under "__metadata__"
};

/// Writes tensors (any layout; float32, float64, int64, bool) in the safetensors format, which PyTorch, NumPy and
/// others read and which cannot hold code. The same tensors and metadata give the same bytes, whatever the order they
/// come in. The file appears complete or not at all. Throws Error(argument) for an undefined tensor and for names that
/// are repeated, not UTF-8, or "__metadata__"; Error(io) where the file cannot be written.
void save_safetensors(const std::string& path, const StateDict& tensors,
                      const std::map<std::string, std::string>& metadata = {});

/// Reads a safetensors file. F32, F64, I64 and BOOL are read as they are; F16 and BF16 become float32; the other
/// integers become int64. Throws Error(io) "file: …" for a file that breaks any rule of the format (header length,
/// JSON, UTF-8, repeated names, sizes that overflow or do not fit, gaps, overlaps, bytes left over, bools other than 0
/// and 1), for other element types and for numbers beyond int64. The memory it takes is bounded by a small multiple of
/// the file's size, whatever the file says.
SafetensorsFile load_safetensors(const std::string& path);

}  // namespace data
}  // namespace saw
