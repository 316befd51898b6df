#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace saw::train {

/// "<folder>/step-000000120.safetensors" for the kind "step".
std::string numbered_file(const std::string& folder, const char* kind, std::int64_t number);
/// The numbers of the files of that kind in a folder, ascending; none where there is no folder.
std::vector<std::int64_t> file_numbers(const std::string& folder, const char* kind);
/// Removes one, if it is there.
void remove_numbered_file(const std::string& folder, const char* kind, std::int64_t number);

}  // namespace saw::train
