#include "saw/train/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "saw/data/utf8.h"
#include "saw/train/signals.h"

namespace saw::train {
namespace {

void reserve_standard_descriptors() {
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is the one that is missing.
    if (::open("/dev/null", descriptor == 0 ? O_RDONLY : O_WRONLY) < 0) return;
  }
}

// Past the buffers of the standard library, none of which may throw while an error is on its way.
void write_to(int descriptor, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

int report(const char* program, const char* what) noexcept {
  std::fflush(stdout);
  try {
    write_to(STDERR_FILENO, fmt::format("{}: {}\n", program, printable(what)));
  } catch (const std::exception&) {
    write_to(STDERR_FILENO, what);
  }
  return 1;
}

}  // namespace

std::string printable(std::string_view text, std::size_t longest) {
  const auto escaped = [](std::string_view part) {
    std::string result;
    for (std::size_t at = 0; at < part.size();) {
      const std::size_t bytes = data::utf8_length(part.substr(at));
      const auto first = static_cast<unsigned char>(part[at]);
      const auto second = bytes == 2 ? static_cast<unsigned char>(part[at + 1]) : 0;
      if (first == '\n' || first == '\r' || first == '\t') {
        result += ' ';
      } else if (bytes == 0 || first < 0x20 || first == 0x7f) {
        result += fmt::format("\\x{:02x}", first);
      } else if (first == 0xc2 && second < 0xa0) {  // the control characters beyond ASCII
        result += fmt::format("\\x{:02x}\\x{:02x}", first, second);
      } else {
        result += part.substr(at, bytes);
      }
      at += bytes == 0 ? 1 : bytes;
    }
    return result;
  };
  if (text.size() <= longest) return escaped(text);
  const auto is_inside = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  std::size_t head = longest / 4 * 3, tail = text.size() - (longest - longest / 4 * 3);
  for (int i = 0; i < 3 && head > 0 && is_inside(head); ++i) --head;  // characters stay whole
  for (int i = 0; i < 3 && tail < text.size() && is_inside(tail); ++i) ++tail;
  return fmt::format("{} … ({} bytes) … {}", escaped(text.substr(0, head)), tail - head, escaped(text.substr(tail)));
}

void say(std::string_view line) {
  const std::string text = printable(line, line.size()) + '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

int run_program(const char* program, const std::function<void()>& body) {
  reserve_standard_descriptors();
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    body();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw std::runtime_error("standard output cannot be written");
    return 0;
  } catch (const Stopped& stopped) {
    std::fflush(stdout);
    return stopped.exit_status();
  } catch (const std::bad_alloc&) {
    return report(program, "out of memory");
  } catch (const std::exception& error) {
    return report(program, error.what());
  } catch (...) {
    return report(program, "an exception of unknown type");
  }
}

}  // namespace saw::train
