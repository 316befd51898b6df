#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList binary_samples() { return {}; }

}  // namespace samples
