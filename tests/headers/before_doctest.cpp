#include "saw/saw.h"

#include <doctest/doctest.h>

// Test frameworks are rich in short macros (CHECK, INFO, FAIL); saw's headers bear being read before them …
TEST_CASE("saw.h before doctest.h") { CHECK(true); }
