#pragma once

#include <string>
#include <string_view>

namespace saw {
namespace data {

/// `text` as an error message shows what came from a file: in quotation marks, on one line, at most about 60
/// characters.
std::string quote(std::string_view text);

}  // namespace data
}  // namespace saw
