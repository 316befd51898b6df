#include <type_traits>
#include <utility>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Sample same_elements(const char* name, const Tensor& x, Sample::Function run) {
  return {.name = name, .inputs = {x}, .run = std::move(run), .reference = [](const TensorList& in) {
            return TensorList{rearranged(in[0], in[0].shape(), [](const Shape& i) { return i; })};
          }};
}

std::vector<Sample> samples_of_copying(SampleMaker& make, Tensor (*copy)(const Tensor&)) {
  const auto run = [copy](const TensorList& in) { return TensorList{copy(in[0])}; };
  return {same_elements("matrix", make.normal({3, 4}), run), same_elements("three axes", make.normal({2, 3, 4}), run),
          same_elements("scalar", make.normal({}), run), same_elements("empty", make.normal({2, 0}), run),
          same_elements("bool", make.conditions({2, 3}), run)};
}

std::vector<Sample> samples_of_contiguous(SampleMaker& make) { return samples_of_copying(make, contiguous); }

std::vector<Sample> samples_of_clone(SampleMaker& make) { return samples_of_copying(make, clone); }

std::vector<ErrorSample> contiguous_errors() {
  return {{"undefined", [] { contiguous(Tensor()); }, ErrorKind::argument, "contiguous: the tensor is undefined"}};
}

std::vector<ErrorSample> clone_errors() {
  return {{"undefined", [] { clone(Tensor()); }, ErrorKind::argument, "clone: the tensor is undefined"}};
}

std::vector<ErrorSample> to_errors() {
  return {{"undefined", [] { to(Tensor(), float64); }, ErrorKind::argument, "to: the tensor is undefined"}};
}

Tensor to_reference(const Tensor& x, DType dtype) {
  Tensor y = Tensor::empty(x.shape(), dtype);
  dispatch_all(x.dtype(), [&]<class From>() {
    const std::vector<From> values = x.to_vector<From>();
    dispatch_all(dtype, [&]<class To>() {
      To* out = y.mutable_data<To>();
      for (std::size_t i = 0; i < values.size(); ++i)
        out[i] = std::is_same_v<To, bool> ? static_cast<To>(values[i] != From{}) : static_cast<To>(values[i]);
    });
  });
  return y;
}

std::vector<Sample> samples_of_to(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, DType dtype) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [dtype](const TensorList& in) { return TensorList{to(in[0], dtype)}; },
                  .reference = [dtype](const TensorList& in) { return TensorList{to_reference(in[0], dtype)}; }};
  };
  return {sample("same", make.normal({2, 3}), make.dtype()),
          // to float32 the differences of gradcheck would drown in rounding
          sample("to float64", make.normal({2, 3}), float64), sample("to int64", make.uniform({3, 4}, -9, 9), int64),
          sample("to bool", make.integers({3, 4}, 0, 2), boolean),
          sample("from int64", make.integers({3, 4}, -9, 9), make.dtype()),
          sample("from bool", make.conditions({5}), make.dtype()), sample("scalar", make.integers({}, 0, 9), float64),
          sample("empty", make.normal({0, 2}), int64)};
}

}  // namespace

SampleList copy_samples() {
  return {{"contiguous", samples_of_contiguous, contiguous_errors},
          {"clone", samples_of_clone, clone_errors},
          {"to", samples_of_to, to_errors}};
}

}  // namespace samples
