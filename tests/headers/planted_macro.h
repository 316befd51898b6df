#pragma once

#include <climits>

#define GONE_AGAIN 1
#undef GONE_AGAIN
#define PLANTED 1
#undef INT_MAX
