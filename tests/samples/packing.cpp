#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList packing_samples() { return {}; }

}  // namespace samples
