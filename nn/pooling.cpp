#include "saw/nn/pooling.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/unary.h"
#include "saw/nn/internal/checked_sizes.h"

#include <limits>

namespace saw::nn {

Tensor MeanPooling::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(segment_mean(x, segments));
}

Tensor MaxPooling::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(segment_max(x, segments));
}

StatisticsPooling::StatisticsPooling(double epsilon) : epsilon_(epsilon) {
  if (!(epsilon > 0.0))
    fail(ErrorKind::argument, "StatisticsPooling: epsilon must be positive; got {}; a deviation of 0 has no gradient",
         epsilon);
}

Tensor StatisticsPooling::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  const Tensor mean = segment_mean(x, segments);  // (B, width)
  // Around the mean and not as E[x²] − E[x]², which loses all digits where the mean is large.
  const Tensor variance = segment_mean(square(x - segment_expand(mean, segments)), segments);
  const Tensor deviation = sqrt(clamp(variance, epsilon_, std::numeric_limits<double>::infinity()));
  return scope.output(cat({mean, deviation}, 1));
}

SelfAttentionPooling::SelfAttentionPooling(std::int64_t width)
    : attention_(child<Linear>("attention", checked_positive("SelfAttentionPooling", "width", width), 1,
                               LinearOptions{.bias = false})) {}

Tensor SelfAttentionPooling::attend(const Tensor& x, const Segments& segments) const {
  return segment_softmax(attention_.forward(x), segments);  // (N, 1)
}

Tensor SelfAttentionPooling::forward(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  return scope.output(segment_sum(x * attend(x, segments), segments));
}

Tensor SelfAttentionPooling::weights(const Tensor& x, const Segments& segments) const {
  const auto scope = enter(x);
  const NoGradGuard no_grad;
  return attend(x, segments).squeeze(1);
}

}  // namespace saw::nn
