// Bytes as text.

#include "saw/data/base64.h"

#include <doctest/doctest.h>

#include <string>

using saw::data::from_base64;
using saw::data::to_base64;

TEST_CASE("base64: the examples of RFC 4648") {
  CHECK(to_base64("") == "");
  CHECK(to_base64("f") == "Zg==");
  CHECK(to_base64("fo") == "Zm8=");
  CHECK(to_base64("foo") == "Zm9v");
  CHECK(to_base64("foob") == "Zm9vYg==");
  CHECK(to_base64("\xff\xfe\xfd") == "//79");
}

TEST_CASE("base64: every byte comes back, and nothing else is taken") {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes += static_cast<char>(byte);
    CHECK(from_base64(to_base64(bytes)) == bytes);
  }
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Z===", "====", "Zm9v!", "Zg==Zg==", "Zm 9", "Zm9vYg==\n"})
    CHECK_FALSE(from_base64(text).has_value());
}
