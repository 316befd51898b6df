#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList copy_samples() { return {}; }

}  // namespace samples
