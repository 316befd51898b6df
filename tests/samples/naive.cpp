#include "samples/naive.h"

#include <cmath>
#include <map>

#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/shape.h"
#include "saw/autograd/ops/view.h"

namespace samples {

using saw::DType;
using saw::Segments;
using saw::Shape;
using saw::Tensor;

std::vector<double> doubles_of(const Tensor& x) {
  return saw::dispatch_floating("samples", x.dtype(), [&]<class T>() {
    const std::vector<T> values = x.detach().to_vector<T>();
    return std::vector<double>(values.begin(), values.end());
  });
}

Tensor from_doubles(const std::vector<double>& values, const Shape& shape, DType dtype) {
  Tensor result = Tensor::empty(shape, dtype);
  saw::dispatch_floating("samples", dtype, [&]<class T>() {
    T* out = result.mutable_data<T>();
    for (std::size_t i = 0; i < values.size(); ++i) out[i] = static_cast<T>(values[i]);
  });
  return result;
}

Tensor naive_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NaiveNorm& norm) {
  std::vector<double> values = doubles_of(x);
  const std::int64_t columns = x.shape().back();
  const std::vector<double> scale = weight.defined() ? doubles_of(weight) : std::vector<double>();
  const std::vector<double> offset = bias.defined() ? doubles_of(bias) : std::vector<double>();
  const auto set_of = [&](std::size_t i) {
    const auto at = static_cast<std::int64_t>(i);
    return norm.set_of(at / columns, at % columns);
  };
  struct Moments {  // so wide that the mean of equal numbers is that number
    long double sum = 0, squares = 0, count = 0;
  };
  std::map<std::int64_t, Moments> sets;
  for (std::size_t i = 0; i < values.size(); ++i) {
    Moments& moments = sets[set_of(i)];
    moments.sum += values[i];
    moments.count += 1;
  }
  const auto centred = [&](std::size_t i, const Moments& moments) {
    return norm.centred ? values[i] - moments.sum / moments.count : static_cast<long double>(values[i]);
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    Moments& moments = sets[set_of(i)];
    moments.squares += centred(i, moments) * centred(i, moments);
  }
  std::vector<double> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Moments& moments = sets[set_of(i)];
    const std::size_t column = i % static_cast<std::size_t>(columns);
    result[i] = static_cast<double>(centred(i, moments) / std::sqrt(moments.squares / moments.count + norm.epsilon));
    if (!scale.empty()) result[i] *= scale[column];
    if (!offset.empty()) result[i] += offset[column];
  }
  return from_doubles(result, x.shape(), x.dtype());
}

Tensor naive_conv1d(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
                    const NaiveConv& conv) {
  const std::vector<double> rows = doubles_of(x), taps = doubles_of(weight);
  const std::int64_t in = x.size(1), out = weight.size(0), width = weight.size(1), kernel = weight.size(2);
  const std::vector<double> offset =
      bias.defined() ? doubles_of(bias) : std::vector<double>(static_cast<std::size_t>(out), 0.0);
  std::vector<double> result;
  std::int64_t count = 0;
  for (std::int64_t s = 0; s < segments.count(); ++s) {
    const std::int64_t length = segments.length(s);
    const std::int64_t last = length + conv.padding_right - 1 - (kernel - 1) * conv.dilation;  // the last start
    for (std::int64_t start = -conv.padding_left; length > 0 && start <= last; start += conv.stride, ++count)
      for (std::int64_t o = 0; o < out; ++o) {
        double sum = offset[static_cast<std::size_t>(o)];
        const std::int64_t first = o / (out / conv.groups) * width;  // channel of x
        for (std::int64_t tap = 0; tap < kernel; ++tap) {
          const std::int64_t t = start + tap * conv.dilation;
          if (t < 0 || t >= length) continue;
          for (std::int64_t c = 0; c < width; ++c)
            sum += taps[static_cast<std::size_t>((o * width + c) * kernel + tap)] *
                   rows[static_cast<std::size_t>((segments.begin(s) + t) * in + first + c)];
        }
        result.push_back(sum);
      }
  }
  return from_doubles(result, {count, out}, x.dtype());
}

Tensor naive_product(const Tensor& a, const Tensor& b) {
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  Shape batch_a = a.shape(), batch_b = b.shape();
  for (int i = 0; i < 2; ++i) {
    batch_a.erase(batch_a.size() - 1);
    batch_b.erase(batch_b.size() - 1);
  }
  const Shape batch = saw::broadcast_shapes("matmul", batch_a, batch_b);
  const auto full = [&](const Tensor& x, std::int64_t rows, std::int64_t columns) {
    Shape shape = batch;
    shape.push_back(rows);
    shape.push_back(columns);
    return doubles_of(saw::expand(x.detach(), shape));
  };
  const std::vector<double> left = full(a, m, k), right = full(b, k, n);
  std::vector<double> result(static_cast<std::size_t>(batch.numel() * m * n), 0.0);
  for (std::int64_t s = 0; s < batch.numel(); ++s)
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t p = 0; p < k; ++p)
          result[static_cast<std::size_t>((s * m + i) * n + j)] += left[static_cast<std::size_t>((s * m + i) * k + p)] *
                                                                   right[static_cast<std::size_t>((s * k + p) * n + j)];
  Shape shape = batch;
  shape.push_back(m);
  shape.push_back(n);
  return from_doubles(result, shape, a.dtype());
}

}  // namespace samples
