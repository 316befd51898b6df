#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "saw/data/internal/pytorch_document.h"

namespace saw {
namespace data {

/// How many first bytes of a file tell which form it has.
inline constexpr std::size_t pytorch_beginning = 512;

/// Whether a file that begins so is a zip archive.
bool is_zip(std::string_view beginning);
/// Where, in a file of the old form, the magic number ends; none for a file of another form.
std::optional<std::size_t> end_of_legacy_magic(std::string_view beginning);

/// Reads a file of torch.save in one of its two forms into `document`, and returns what it holds. Throws Error(io).
PytorchDocument::Index read_pytorch_zip(const std::string& path, PytorchDocument& document);
PytorchDocument::Index read_pytorch_legacy(const std::string& path, PytorchDocument& document);

/// Whether a zip archive is one of torch.jit.save.
bool is_torchscript_archive(const std::string& path);

}  // namespace data
}  // namespace saw
