#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/byte_source.h"
#include "saw/data/internal/quote.h"

namespace saw {
namespace data {

/// The lines of a file or of text in memory, read piece by piece: memory is that of the longest line. Byte order marks,
/// carriage returns before line feeds and a missing last line end are no matter.
class LineSource {
 public:
  /// `from`: a path (std::string) or text (std::string_view).
  template <class Source>
  LineSource(const Source& from, std::string name, std::int64_t longest)
      : source_(from), name_(std::move(name)), longest_(longest) {
    if (source_.ready().starts_with("\xEF\xBB\xBF")) source_.skip(3);
  }

  /// Goes to the next line; false at the end. Throws Error(io) for a line that is too long.
  bool next() {
    line_.clear();
    ++number_;
    if (source_.ready().empty()) return false;
    for (;;) {
      const std::string_view ready = source_.ready();
      if (ready.empty()) break;
      const std::size_t end = std::min(ready.find('\n'), ready.size());
      line_ += ready.substr(0, end);
      if (static_cast<std::int64_t>(line_.size()) > longest_)
        fail(ErrorKind::io, "{}:{}: a line of more than {} bytes; got {}", name_, number_, longest_, quote(line_));
      source_.skip(std::min(end + 1, ready.size()));
      if (end < ready.size()) break;
    }
    if (line_.ends_with('\r')) line_.pop_back();
    return true;
  }
  const std::string& line() const { return line_; }
  std::int64_t number() const { return number_; }
  const std::string& name() const { return name_; }

 private:
  ByteSource source_;
  std::string name_;
  std::int64_t longest_;
  std::string line_;
  std::int64_t number_ = 0;
};

}  // namespace data
}  // namespace saw
