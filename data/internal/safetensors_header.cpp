#include "saw/data/internal/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/shape.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

// Takes the JSON event by event: a document tree would keep only the last of repeated keys, and would grow with
// whatever a hostile file nests into it.
class Handler : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Handler(const std::string& path) : path_(path) {}

  SafetensorsHeader finish() && { return std::move(header_); }

  bool start_object(std::size_t) override {
    switch (state_) {
      case State::start:
        return go(State::header);
      case State::entry_or_metadata:
        if (key_ == safetensors_metadata_key) return go(State::metadata);
        header_.entries.emplace_back().name = key_;
        has_dtype_ = has_shape_ = has_offsets_ = false;
        return go(State::entry);
      default:
        unexpected("an object");
    }
  }

  bool key(std::string& key) override {
    switch (state_) {
      case State::header:
        if (key == safetensors_metadata_key) {
          if (has_metadata_) reject("{} is given twice", safetensors_metadata_key);
          has_metadata_ = true;
        }
        key_ = key;
        return go(State::entry_or_metadata);
      case State::metadata:
        if (header_.metadata.contains(key)) reject("metadata {} is given twice", quote(key));
        key_ = key;
        return go(State::metadata_value);
      default:  // an entry: objects occur nowhere else
        if (key == "dtype") return once(has_dtype_, State::dtype, key);
        if (key == "shape") return once(has_shape_, State::shape_start, key);
        if (key == "data_offsets") return once(has_offsets_, State::offsets_start, key);
        reject("tensor {} has a field {}; expected dtype, shape and data_offsets", name(), quote(key));
    }
  }

  bool string(std::string& value) override {
    switch (state_) {
      case State::metadata_value:
        header_.metadata.emplace(key_, value);
        return go(State::metadata);
      case State::dtype:
        header_.entries.back().dtype = value;
        return go(State::entry);
      default:
        unexpected("a string");
    }
  }

  bool start_array(std::size_t) override {
    if (state_ == State::shape_start) return go(State::shape);
    if (state_ == State::offsets_start) return go(State::offsets);
    unexpected("an array");
  }

  bool number_unsigned(std::uint64_t value) override {
    SafetensorsEntry* entry = header_.entries.empty() ? nullptr : &header_.entries.back();
    switch (state_) {
      case State::shape:
        if (entry->shape.size() == Shape::max_rank)
          reject("tensor {} has too many dimensions; expected at most {}", name(), std::size_t{Shape::max_rank});
        entry->shape.push_back(value);
        return true;
      case State::offsets:
        if (offsets_ == 2) reject("tensor {}: data_offsets has more than two numbers", name());
        (offsets_ == 0 ? entry->begin : entry->end) = value;
        ++offsets_;
        return true;
      default:
        unexpected("a number");
    }
  }

  bool end_array() override {
    if (state_ == State::offsets) {
      if (offsets_ != 2) reject("tensor {}: data_offsets; got {} numbers; expected 2", name(), offsets_);
      offsets_ = 0;
    }
    return go(State::entry);
  }

  bool end_object() override {
    switch (state_) {
      case State::entry:
        if (!has_dtype_ || !has_shape_ || !has_offsets_)
          reject("tensor {} has no {}", name(), !has_dtype_ ? "dtype" : !has_shape_ ? "shape" : "data_offsets");
        return go(State::header);
      case State::metadata:
        return go(State::header);
      default:
        return go(State::done);
    }
  }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a truth value"); }
  bool number_integer(std::int64_t) override { unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { unexpected("a number that is no integer of 64 bits"); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    // Of the library's own text, what people can use: not the name and number of its error, not the bytes it read.
    std::string_view text = error.what();
    text.remove_prefix(std::min(text.find(": syntax error"), text.size()));
    fail(ErrorKind::io, "{}: not a safetensors file: the header is not JSON at its byte {}{}", path_, position,
         text.substr(0, text.find("; last read")));
  }

 private:
  enum class State {
    start,
    header,
    entry_or_metadata,
    metadata,
    metadata_value,
    entry,
    dtype,
    shape_start,
    shape,
    offsets_start,
    offsets,
    done
  };

  template <class... Arguments>
  [[noreturn]] void reject(fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    fail(ErrorKind::io, "{}: not a safetensors file: {}", path_,
         fmt::format(text, std::forward<Arguments>(arguments)...));
  }

  [[noreturn]] void unexpected(const char* got) const {
    switch (state_) {
      case State::metadata_value:
        reject("metadata {}; got {}; expected a string", quote(key_), got);
      case State::entry_or_metadata:
        reject("{}; got {}; expected an object", quote(key_), got);
      case State::dtype:
        reject("tensor {}: dtype; got {}; expected a string", name(), got);
      case State::shape_start:
      case State::shape:
        reject("tensor {}: shape; got {}; expected an array of sizes", name(), got);
      case State::offsets_start:
      case State::offsets:
        reject("tensor {}: data_offsets; got {}; expected [begin, end]", name(), got);
      default:
        reject("the header; got {}; expected an object", got);
    }
  }

  bool go(State state) {
    state_ = state;
    return true;
  }

  bool once(bool& had, State state, const std::string& field) {
    if (had) reject("tensor {} has {} twice", name(), field);
    had = true;
    return go(state);
  }

  std::string name() const { return quote(header_.entries.back().name); }

  const std::string& path_;
  SafetensorsHeader header_;
  State state_ = State::start;
  std::string key_;
  int offsets_ = 0;  // numbers of data_offsets read so far
  bool has_metadata_ = false, has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& path) {
  if (const auto at = find_invalid_utf8(json))
    fail(ErrorKind::io, "{}: not a safetensors file: invalid UTF-8 in the header at its byte {}", path, *at);
  if (!json.starts_with('{'))
    fail(ErrorKind::io, "{}: not a safetensors file: the header does not begin with {{; got {}", path,
         quote(json.substr(0, 1)));
  // The parser takes a zero byte for the end of its input.
  if (const auto zero = json.find('\0'); zero != json.npos)
    fail(ErrorKind::io, "{}: not a safetensors file: a zero byte in the header at its byte {}", path, zero);
  Handler handler(path);
  nlohmann::json::sax_parse(json.begin(), json.end(), &handler);
  SafetensorsHeader header = std::move(handler).finish();

  std::vector<const std::string*> names;
  names.reserve(header.entries.size());
  for (const SafetensorsEntry& entry : header.entries) names.push_back(&entry.name);
  const auto less = [](const std::string* a, const std::string* b) { return *a < *b; };
  const auto equal = [](const std::string* a, const std::string* b) { return *a == *b; };
  std::sort(names.begin(), names.end(), less);
  const auto repeated = std::adjacent_find(names.begin(), names.end(), equal);
  if (repeated != names.end())
    fail(ErrorKind::io, "{}: not a safetensors file: tensor {} is given twice", path, quote(**repeated));
  return header;
}

std::string write_safetensors_header(const SafetensorsHeader& header) {
  nlohmann::json json = nlohmann::json::object();
  if (!header.metadata.empty()) json[safetensors_metadata_key] = header.metadata;
  for (const SafetensorsEntry& entry : header.entries) {
    json[entry.name] = {
        {"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", std::vector{entry.begin, entry.end}}};
  }
  std::string text = json.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace data
}  // namespace saw
