#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

SampleList embedding_samples() { return {}; }

}  // namespace samples
