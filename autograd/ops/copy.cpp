#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/view.h"

#include <type_traits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/linear.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/tape/op_info.h"

namespace saw {
namespace {

/// A contiguous copy without history.
Tensor copy_of(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  strided_copy(x.dtype(), x.data(x.dtype()), x.strides(), y.mutable_data(x.dtype()), y.strides(), x.shape());
  return y;
}

Sample same_elements(const char* name, const Tensor& x, Sample::Function run) {
  return {.name = name, .inputs = {x}, .run = std::move(run), .reference = [](const TensorList& in) {
            return TensorList{rearranged(in[0], in[0].shape(), [](const Shape& i) { return i; })};
          }};
}

std::vector<Sample> copy_samples(SampleMaker& make, Tensor (*copy)(const Tensor&)) {
  const auto run = [copy](const TensorList& in) { return TensorList{copy(in[0])}; };
  return {same_elements("matrix", make.normal({3, 4}), run), same_elements("three axes", make.normal({2, 3, 4}), run),
          same_elements("scalar", make.normal({}), run), same_elements("empty", make.normal({2, 0}), run),
          same_elements("bool", make.conditions({2, 3}), run)};
}

std::vector<Sample> contiguous_samples(SampleMaker& make) { return copy_samples(make, contiguous); }
std::vector<Sample> clone_samples(SampleMaker& make) { return copy_samples(make, clone); }

/// The mistake that ops without arguments can meet.
void check_defined(const char* op, const Tensor& x) {
  if (!x.defined()) fail(ErrorKind::argument, "{}: the tensor is undefined; expected one with data", op);
}

std::vector<ErrorSample> contiguous_errors() {
  return {{"undefined", [] { contiguous(Tensor()); }, ErrorKind::argument, "contiguous: the tensor is undefined"}};
}
std::vector<ErrorSample> clone_errors() {
  return {{"undefined", [] { clone(Tensor()); }, ErrorKind::argument, "clone: the tensor is undefined"}};
}
std::vector<ErrorSample> to_errors() {
  return {{"undefined", [] { to(Tensor(), float64); }, ErrorKind::argument, "to: the tensor is undefined"}};
}

const OpInfo contiguous_info{"contiguous", "x, with row-major memory", true, contiguous_samples, contiguous_errors};
const OpInfo clone_info{"clone", "x, with memory of its own", true, clone_samples, clone_errors};

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

std::vector<Sample> to_samples(SampleMaker& make) {
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

const OpInfo to_info{"to", "x in another dtype", true, to_samples, to_errors};

}  // namespace

Tensor contiguous(const Tensor& x) {
  check_defined("contiguous", x);
  if (x.is_contiguous()) return x;
  return record_linear(contiguous_info, x, copy_of(x), [](const Tensor& g) { return g; });
}

Tensor clone(const Tensor& x) {
  check_defined("clone", x);
  return record_linear(clone_info, x, copy_of(x), [](const Tensor& g) { return g; });
}

Tensor to(const Tensor& x, DType dtype) {
  check_defined("to", x);
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype);
  strided_convert(x.dtype(), x.data(x.dtype()), x.strides(), dtype, y.mutable_data(dtype), y.strides(), x.shape());
  if (!is_floating(dtype)) return record_constant(to_info, y);
  return record_linear(to_info, x, y, [original = x.dtype()](const Tensor& g) { return to(g, original); });
}

OpList copy_ops() { return {&contiguous_info, &clone_info, &to_info}; }

}  // namespace saw
