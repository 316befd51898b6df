#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList attention_samples() { return {}; }

}  // namespace samples
