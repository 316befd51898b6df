#include <doctest/doctest.h>

#include "saw/saw.h"

// … and after them.
TEST_CASE("saw.h after doctest.h") { CHECK(true); }
