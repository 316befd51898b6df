#include "saw/nn/sequential.h"

#include "saw/autograd/base/internal/check.h"

namespace saw::nn {

Tensor Sequential::forward(const Tensor& x) const {
  const auto scope = enter(x);
  Tensor result = x;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].needs_segments)
      fail(ErrorKind::argument, "Sequential: module {} ({}) looks across positions; hint: forward(x, segments)", i,
           steps_[i].module->type_name());
    result = steps_[i].run(result, nullptr);
  }
  return scope.output(result);
}

Tensor Sequential::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  Tensor result = x;
  Segments now = segments;
  for (const Step& step : steps_) {
    result = step.run(result, &now);
    if (step.output_segments) now = step.output_segments(now);
  }
  return scope.output(result);
}

Segments Sequential::output_segments(const Segments& segments) const {
  Segments now = segments;
  for (const Step& step : steps_)
    if (step.output_segments) now = step.output_segments(now);
  return now;
}

Module& Sequential::operator[](std::size_t i) const {
  if (i >= steps_.size())
    fail(ErrorKind::argument, "Sequential: there is no module {}; it has {}, counted from 0", i, steps_.size());
  return *steps_[i].module;
}

void Sequential::fail_type(std::size_t i, const std::type_info& wanted) const {
  fail(ErrorKind::argument, "Sequential: module {} is another; got {}; expected {}", i, (*this)[i].type_name(),
       type_name_of(wanted));
}

}  // namespace saw::nn
