#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList depthwise_conv_samples() { return {}; }

}  // namespace samples
