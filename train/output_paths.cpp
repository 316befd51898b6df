#include "saw/train/output_paths.h"

#include <unistd.h>
#include <zlib.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/train/program.h"

namespace saw::train {
namespace {

namespace fs = std::filesystem;

/// The place a path leads to, with links followed also where there is nothing at their end.
fs::path place(const std::string& path) {
  std::error_code error;
  fs::path result = fs::absolute(path, error);
  for (int links = 0; links < 40 && fs::is_symlink(fs::symlink_status(result, error)); ++links) {
    const fs::path target = fs::read_symlink(result, error);
    if (error) break;
    result = target.is_absolute() ? target : result.parent_path() / target;
  }
  const fs::path resolved = fs::weakly_canonical(result, error);
  return error ? result.lexically_normal() : resolved;
}

bool is_device(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

bool is_in(const fs::path& path, const fs::path& folder) {
  auto at = path.begin();
  for (const auto& part : folder) {
    if (part.empty()) continue;
    if (at == path.end() || *at != part) return false;
    ++at;
  }
  return true;
}

/// Names and sizes of all files in a folder, in order.
std::string listed(const std::string& folder) {
  std::vector<std::string> lines;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    if (!entry->is_regular_file(unknown)) continue;
    lines.push_back(
        fmt::format("{}\t{}\n", entry->path().lexically_relative(folder).string(), entry->file_size(unknown)));
  }
  if (error) fail(ErrorKind::io, "{}: cannot read the folder; {}", folder, error.message());
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, ""));
}

void check_writable(const NamedPath& output, const std::vector<NamedPath>& folders) {
  const std::string shown = printable(output.path, 300);
  std::error_code error;
  if (fs::is_directory(output.path, error))
    fail(ErrorKind::io, "{}: {}: cannot be written; it is a folder", output.option, shown);
  const auto reject = [&](int code) {
    fail(ErrorKind::io, "{}: {}: cannot be written; {}", output.option, shown, std::generic_category().message(code));
  };
  if (fs::exists(output.path, error)) {
    if (::access(output.path.c_str(), W_OK) != 0) reject(errno);
    return;
  }
  const fs::path parent = place(output.path).parent_path();
  for (const NamedPath& folder : folders)
    if (!folder.path.empty() && is_in(parent, place(folder.path))) return;
  if (!fs::is_directory(parent, error)) reject(fs::exists(parent, error) ? ENOTDIR : ENOENT);
  if (::access(parent.c_str(), W_OK) != 0) reject(errno);
}

}  // namespace

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  if (fs::exists(a, error) && fs::exists(b, error)) return fs::equivalent(a, b, error) && !error;
  return place(a) == place(b);
}

void check_outputs(const std::vector<NamedPath>& inputs, const std::vector<NamedPath>& outputs,
                   const std::vector<NamedPath>& folders) {
  const auto clash = [](const NamedPath& output, const NamedPath& other, const char* why) {
    if (output.path.empty() || other.path.empty() || is_device(output.path) || !is_same_file(output.path, other.path))
      return;
    fail(ErrorKind::argument, "{}: {}: the same file as {}, {}", output.option, printable(output.path, 300),
         other.option, why);
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].path.empty()) continue;
    for (const NamedPath& input : inputs) {
      clash(outputs[i], input, "which would be overwritten");
      std::error_code error;
      if (fs::is_directory(input.path, error) && fs::exists(outputs[i].path, error) && !is_device(outputs[i].path) &&
          is_in(place(outputs[i].path), place(input.path)))
        fail(ErrorKind::argument, "{}: {}: is part of {}, and would be overwritten", outputs[i].option,
             printable(outputs[i].path, 300), input.option);
    }
    for (const NamedPath& folder : folders) clash(outputs[i], folder, "a folder that is made");
    for (std::size_t k = 0; k < i; ++k) clash(outputs[i], outputs[k], "which is written, too");
    check_writable(outputs[i], folders);
  }
}

std::string fingerprint(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    const std::string names = listed(path);
    const uLong crc = ::crc32_z(0, reinterpret_cast<const Bytef*>(names.data()), names.size());
    return fmt::format("folder with names and sizes of crc {:08x}", crc);
  }
  if (fs::exists(path, error) && !fs::is_regular_file(path, error)) return path;  // a pipe cannot be read twice
  data::InputFile file(path);
  std::string buffer(1 << 20, '\0');
  uLong crc = ::crc32_z(0, nullptr, 0);
  for (std::size_t count; (count = file.read_some(buffer.data(), buffer.size())) > 0;)
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(buffer.data()), count);
  return fmt::format("crc {:08x}, {} bytes", crc, file.size());
}

}  // namespace saw::train
