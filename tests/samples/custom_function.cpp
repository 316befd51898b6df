#include "saw/autograd/custom_function.h"
#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

CustomFunction cube() {
  return {.name = "cube",
          .forward = [](const TensorList& in) { return in[0] * in[0] * in[0]; },
          .backward = [](const TensorList& in, const Tensor&,
                         const Tensor& g) { return TensorList{g * in[0] * in[0] * 3.0}; }};
}

std::vector<Sample> samples_of_custom(SampleMaker& make) {
  return {{.name = "cube",
           .inputs = {make.normal({2, 3})},
           .run = [](const TensorList& in) { return TensorList{cube()(in)}; },
           .reference = [](const TensorList& in) { return TensorList{pow(in[0], 3.0)}; }}};
}

std::vector<ErrorSample> custom_errors() {
  return {{"no forward", [] { CustomFunction{}({}); }, ErrorKind::argument, "custom_function"}};
}

}  // namespace

SampleList custom_function_samples() { return {{"custom_function", samples_of_custom, custom_errors}}; }

}  // namespace samples
