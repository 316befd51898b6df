#include "saw/train/internal/numbered_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

namespace saw::train {

namespace fs = std::filesystem;

std::string numbered_file(const std::string& folder, const char* kind, std::int64_t number) {
  return fmt::format("{}/{}-{:09}.safetensors", folder, kind, number);
}

std::vector<std::int64_t> file_numbers(const std::string& folder, const char* kind) {
  std::vector<std::int64_t> numbers;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const std::size_t begin = std::string_view(kind).size() + 1;
    std::int64_t number = -1;
    if (name.size() > begin) std::from_chars(name.data() + begin, name.data() + name.size(), number);
    if (number >= 0 && entry->path().string() == numbered_file(folder, kind, number)) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

void remove_numbered_file(const std::string& folder, const char* kind, std::int64_t number) {
  std::error_code error;
  fs::remove(numbered_file(folder, kind, number), error);
}

}  // namespace saw::train
