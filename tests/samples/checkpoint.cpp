#include "saw/autograd/checkpoint.h"
#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Tensor gated(const TensorList& in) { return tanh(in[0]) * in[1]; }

std::vector<Sample> samples_of_checkpoint(SampleMaker& make) {
  return {{.name = "two inputs",
           .inputs = {make.normal({3, 4}), make.normal({3, 4})},
           .run = [](const TensorList& in) { return TensorList{checkpoint(gated, in)}; },
           .reference = [](const TensorList& in) { return TensorList{gated(in)}; }}};
}

std::vector<ErrorSample> checkpoint_errors() {
  return {{"no function", [] { checkpoint({}, {}); }, ErrorKind::argument, "checkpoint: the function is empty"}};
}

}  // namespace

SampleList checkpoint_samples() { return {{"checkpoint", samples_of_checkpoint, checkpoint_errors}}; }

}  // namespace samples
