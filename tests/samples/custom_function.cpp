#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList custom_function_samples() { return {}; }

}  // namespace samples
