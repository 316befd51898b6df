#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList matmul_samples() { return {}; }

}  // namespace samples
