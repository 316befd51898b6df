#include "saw/data/content_hash.h"

#include <fmt/format.h>

#include "saw/data/internal/fnv.h"

namespace saw {
namespace data {

std::string content_hash(std::string_view bytes) { return fmt::format("{:016x}", Fnv().add(bytes).value()); }

}  // namespace data
}  // namespace saw
