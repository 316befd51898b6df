#include "saw/data/line_reader.h"

#include <algorithm>
#include <array>
#include <istream>
#include <optional>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/byte_source.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {

struct LineReader::State {
  std::optional<ByteSource> file;
  std::istream* stream = nullptr;
  std::string name;
  LineOptions options;
  std::string line;
  std::int64_t number = 0;

  /// The next bytes of the line go to `add`; false where there are none, not even a line end.
  template <class Add>
  bool read(const Add& add) {
    return file ? read_file(add) : read_stream(add);
  }

 private:
  template <class Add>
  bool read_file(const Add& add) {
    if (file->ready().empty()) return false;
    for (std::string_view ready; !(ready = file->ready()).empty();) {
      const std::size_t end = std::min(ready.find('\n'), ready.size());
      add(ready.substr(0, end));
      file->skip(std::min(end + 1, ready.size()));
      if (end < ready.size()) break;
    }
    return true;
  }
  template <class Add>
  bool read_stream(const Add& add) {
    std::array<char, 4096> piece;
    for (bool any = false;; any = true) {
      stream->getline(piece.data(), piece.size());
      const auto count = static_cast<std::size_t>(stream->gcount());
      if (stream->bad()) fail(ErrorKind::io, "{}: cannot be read", name);
      if (stream->eof()) {
        add(std::string_view(piece.data(), count));
        return any || count > 0;
      }
      const bool ends = !stream->fail();  // else the line goes on behind the piece
      if (!ends && count == 0) return any;
      add(std::string_view(piece.data(), ends ? count - 1 : count));
      if (ends) return true;
      stream->clear();
    }
  }
};

LineReader::LineReader(const std::string& path, const LineOptions& options) : state_(std::make_unique<State>()) {
  state_->file.emplace(path);
  state_->name = path;
  state_->options = options;
}

LineReader::LineReader(std::istream& stream, std::string name, const LineOptions& options)
    : state_(std::make_unique<State>()) {
  state_->stream = &stream;
  state_->name = std::move(name);
  state_->options = options;
}

LineReader::~LineReader() = default;
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;

bool LineReader::next() {
  State& in = *state_;
  in.line.clear();
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(in.options.longest, 0));
  bool too_long = false;
  // One byte more than allowed, for a carriage return, and three for a byte order mark.
  const std::size_t room = limit + (in.number == 0 ? 4 : 1);
  const bool any = in.read([&](std::string_view bytes) {
    const std::size_t count = std::min(bytes.size(), room - in.line.size());
    in.line += bytes.substr(0, count);
    too_long = too_long || count < bytes.size();
  });
  if (!any) return false;
  ++in.number;
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (in.number == 1 && in.line.starts_with(byte_order_mark)) in.line.erase(0, byte_order_mark.size());
  if (!too_long && in.line.ends_with('\r')) in.line.pop_back();
  if (too_long || in.line.size() > limit)
    fail(ErrorKind::io, "{}:{}: the line is too long; got {} …; expected at most {} bytes", in.name, in.number,
         quote(std::string_view(in.line).substr(0, 40)), limit);
  if (in.options.any_bytes) return true;
  if (const std::size_t at = in.line.find('\0'); at != in.line.npos)
    fail(ErrorKind::io, "{}:{}: a NUL byte in column {}", in.name, in.number, at + 1);
  if (const auto at = find_invalid_utf8(in.line))
    fail(ErrorKind::io, "{}:{}: invalid UTF-8; got byte 0x{:02x} in column {}; hint: convert the file to UTF-8",
         in.name, in.number, static_cast<unsigned char>(in.line[*at]), *at + 1);
  return true;
}

const std::string& LineReader::line() const { return state_->line; }

std::int64_t LineReader::number() const { return state_->number; }

void LineReader::reject(std::string_view what) const {
  fail(ErrorKind::io, "{}:{}: {}; got {}", state_->name, state_->number, what, quote(state_->line));
}

}  // namespace data
}  // namespace saw
