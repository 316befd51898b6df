#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// What a line may be.
struct LineOptions {
  std::int64_t longest = 1 << 20;  ///< bytes, the line end not counted
  bool any_bytes = false;          ///< take NUL bytes and what is not UTF-8, too
};

/// The lines of a file, or of a stream such as standard input, one after the other. Memory is that of the longest line
/// that is allowed, however long the file's are. A byte order mark at the beginning, carriage returns before line feeds
/// and a missing last line end are no matter; empty lines are lines. From a stream no more is taken than the line that
/// next() gives, and a line of a terminal is there as soon as it is written.
///
///   for (data::LineReader lines("texts.txt", {.longest = 10000}); lines.next();) use(lines.line());
///
/// next() throws Error(io) `name:line: …` for a line that is too long, that has a NUL byte or is not UTF-8. Called
/// again it goes on with the line behind it, so bad lines can be left out and counted.
class LineReader {
 public:
  /// Opens a file or pipe. Throws Error(io) where it cannot be read.
  explicit LineReader(const std::string& path, const LineOptions& options = {});
  /// The stream must outlive the reader; `name` is what messages call it.
  LineReader(std::istream& stream, std::string name, const LineOptions& options = {});
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

  /// Goes to the next line; false at the end.
  bool next();
  /// The line, without its end.
  const std::string& line() const;
  /// Its number, from 1.
  std::int64_t number() const;

  /// Throws Error(io) `name:line: what; got "…"`, for a line that the caller cannot use.
  [[noreturn]] void reject(std::string_view what) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace data
}  // namespace saw
