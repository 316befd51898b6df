#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// Runs a program's body; the exit status for main.
///
///   int main() {
///     return train::run_program("tagger", [] { … });
///   }
///
/// A saw::Error (or another exception) becomes one line on standard error, printable(), that begins with the program's
/// name, and status 1; Stopped (signals.h) becomes its conventional status and no line. Standard output that cannot be
/// written at the end is an error, too. Neither a closed nor a full standard error changes the status.
///
/// Before the body runs, standard input, output and error that are closed are opened on /dev/null, so that no file
/// which the program opens gets their numbers, and with them the program's text; and a write beyond the limit of a
/// file's size becomes an error that can be reported (SIGXFSZ is ignored), as on a full disk.
int run_program(const char* program, const std::function<void()>& body);

/// A text as one line that can be shown on a terminal, whatever is in it: line ends become spaces, other control
/// characters and what is not UTF-8 become `\x1b`, and of a text of more than `longest` bytes only the beginning and
/// the end are there.
std::string printable(std::string_view text, std::size_t longest = 2000);

/// Writes a line, printable() and whole, to standard output and flushes it. What cannot be written is lost: a report is
/// not worth an exception.
void say(std::string_view line);

}  // namespace train
}  // namespace saw
