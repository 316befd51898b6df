#pragma once

// Files of torch.save, by hand: pickles opcode by opcode, and what they lie in.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/read_files.h"
#include "data/zip_bytes.h"
#include "saw/data/pytorch.h"

namespace test::pytorch {

// A file that torch.save wrote.
inline std::string golden(const std::string& name) { return directory() / "golden" / "pytorch" / name; }

inline std::vector<float> counted(std::size_t n, float scale = 1.0F) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = scale * static_cast<float>(i);
  return values;
}

struct Files : ReadFiles<decltype(&saw::data::load_pytorch)> {
  Files() : ReadFiles("t.pt", saw::data::load_pytorch) {}
};

inline std::string text(std::string_view value) {
  return std::string("X") + bytes_of(static_cast<std::uint32_t>(value.size())) + std::string(value);
}

inline std::string integer(std::int64_t value) { return "\x8a\x08" + bytes_of(value); }

inline std::string tuple(const std::vector<std::int64_t>& values) {
  std::string result = "(";
  for (const std::int64_t value : values) result += integer(value);
  return result + "t";
}

inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

struct TensorPickle {
  std::string type = "FloatStorage";
  std::string key = "0";
  std::int64_t count = 6;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape = {2, 3};
  std::vector<std::int64_t> strides = {3, 1};
  std::string view = "";  // the sixth part of the persistent id in old files
};

inline std::string storage(const TensorPickle& t) {
  return std::string("(") + text("storage") + global("torch", t.type) + text(t.key) + text("cpu") + integer(t.count) +
         t.view + "tQ";
}

inline std::string tensor_pickle(const TensorPickle& t) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage(t) + integer(t.offset) + tuple(t.shape) +
         tuple(t.strides) + "\x89" + global("collections", "OrderedDict") + ")RtR";
}

inline std::string pickle(const std::string& opcodes) { return "\x80\x02" + opcodes + "."; }

// An archive of that pickle, with six floats as storage "0".
inline std::string archive(const std::string& opcodes, std::vector<ZipEntry> more = {}) {
  std::vector<ZipEntry> entries{{"a/data.pkl", pickle(opcodes)}, {"a/data/0", bytes_of(counted(6))}};
  entries.insert(entries.end(), more.begin(), more.end());
  return zip_bytes(entries);
}

inline std::string legacy(const std::string& opcodes, const std::string& keys, const std::string& content) {
  return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + pickle("M\xe9\x03") + pickle("}") +
         pickle(opcodes) + pickle(keys) + content;
}

}  // namespace test::pytorch
