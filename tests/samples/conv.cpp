#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList conv_samples() { return {}; }

}  // namespace samples
