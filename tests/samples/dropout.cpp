#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList dropout_samples() { return {}; }

}  // namespace samples
