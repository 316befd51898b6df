#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList relative_attention_samples() { return {}; }

}  // namespace samples
