#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList unary_samples() { return {}; }

}  // namespace samples
