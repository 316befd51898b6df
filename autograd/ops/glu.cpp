#include "saw/autograd/ops/glu.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/glu.h"
#include "saw/autograd/ops/activation.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

Tensor glu_reference(const Tensor& x) {
  const std::int64_t width = x.size(-1);
  return slice(x, -1, 0, width / 2) * sigmoid(slice(x, -1, width / 2, width));
}

std::vector<Sample> glu_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [](const TensorList& in) { return TensorList{glu(in[0])}; },
                  .reference = [](const TensorList& in) { return TensorList{glu_reference(in[0])}; }};
  };
  return {sample("rows", make.normal({3, 8})),
          sample("one axis", make.normal({6})),
          sample("three axes, longer than a vector", make.normal({2, 3, 38})),
          sample("gates open and shut", make.uniform({2, 20}, -30.0, 30.0)),
          sample("one channel", make.normal({4, 2})),
          sample("no rows", make.normal({0, 4})),
          sample("no channels", make.normal({3, 0}))};
}

std::vector<ErrorSample> glu_errors() {
  return {{"no axis", [] { glu(scalar(1.0)); }, ErrorKind::shape, "glu: the input has no axis to halve"},
          {"odd",
           [] {
             glu(zeros({2, 3}));
           },
           ErrorKind::shape, "glu: the last axis has no halves; got shape (2, 3)"},
          {"integers",
           [] {
             glu(zeros({2, 4}, int64));
           },
           ErrorKind::dtype, "glu: needs floating point"}};
}

const OpInfo glu_info{"glu", "a · σ(b) for the halves a, b of the last axis", true, glu_samples, glu_errors};

/// d of an input (…, 2d).
std::int64_t half_width(const Tensor& x) { return x.shape().back() / 2; }
std::int64_t count_rows(const Tensor& x) { return x.numel() == 0 ? 0 : x.numel() / x.shape().back(); }

}  // namespace

Tensor glu(const Tensor& x) {
  if (x.rank() == 0)
    fail(ErrorKind::shape, "glu: the input has no axis to halve; got shape {}; expected (…, 2d)", x.shape());
  if (x.shape().back() % 2 != 0)
    fail(ErrorKind::shape, "glu: the last axis has no halves; got shape {}; expected an even size", x.shape());
  if (!is_floating(x.dtype()))
    fail(ErrorKind::dtype, "glu: needs floating point elements; got {}; expected float32 or float64", x.dtype());
  Shape shape = x.shape();
  shape.back() /= 2;
  const Tensor y = Tensor::empty(shape, x.dtype()), rows = x.detach().contiguous();
  dispatch_floating("glu", x.dtype(), [&]<class T>() {
    kernels::glu(rows.data<T>(), count_rows(x), half_width(x), y.mutable_data<T>());
  });
  return record(glu_info, {x}, y, [&] {
    return Gradient{.saved = {x},
                    .backward = [](const BackwardContext& context) -> TensorList {
                      const Tensor input = context.saved(0).contiguous(), dy = context.grad_output().contiguous();
                      const Tensor dx = Tensor::empty(input.shape(), input.dtype());
                      dispatch_floating("glu", input.dtype(), [&]<class T>() {
                        kernels::glu_backward(input.data<T>(), dy.data<T>(), count_rows(input), half_width(input),
                                              dx.mutable_data<T>());
                      });
                      return {dx};
                    },
                    .reference = [](const TensorList& in) { return TensorList{glu_reference(in[0])}; }};
  });
}

OpList glu_ops() { return {&glu_info}; }

}  // namespace saw
