#include "saw/autograd/ops/dropout.h"

#include <algorithm>
#include <cmath>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/random.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

constexpr std::int64_t grain = 1 << 14;  // elements per chunk; whole blocks of four words, whole bytes of bits

/// Everything a mask depends on.
struct Draw {
  double probability;
  bool rescale;
  std::uint64_t seed, stream;

  double scale() const { return rescale && probability < 1 ? 1.0 / (1.0 - probability) : 1.0; }
  /// Words below it are dropped; 2³² for probability 1.
  std::uint64_t threshold() const { return static_cast<std::uint64_t>(std::llround(probability * 0x1p32)); }
  bool drops_all() const { return threshold() > 0xFFFFFFFFu; }
  kernels::KeepMask mask() const { return {seed, stream, static_cast<std::uint32_t>(threshold())}; }
};

Draw checked_draw(const char* op, double probability, bool rescale, Generator& generator) {
  // The negation catches NaN too.
  if (!(probability >= 0 && probability <= 1))
    fail(ErrorKind::argument, "{}: the probability must lie in [0, 1]; got {}", op, probability);
  return {probability, rescale, generator.seed(), generator.next_stream()};
}

const OpInfo dropout_info{"dropout", "x / (1 − p) with probability 1 − p, else 0", true};

/// x·scale where the bits of `kept` are set, else 0: drawn into `kept` where it is new, else read from it. Linear in x,
/// and so its own gradient.
Tensor dropped(const Tensor& x, const Draw& draw, Tensor kept = {}) {
  const Tensor source = contiguous(x.detach());
  Tensor y = draw.drops_all() ? zeros(x.shape(), x.dtype()) : Tensor::empty(x.shape(), x.dtype());
  const bool is_new = !kept.defined();
  // One word more than there are bits: vectors of bits are read eight bytes at a time.
  if (is_new && !draw.drops_all() && needs_record({x})) kept = Tensor::empty({x.numel() / 64 + 2}, int64);
  dispatch_floating("dropout", x.dtype(), [&]<class T>() {
    if (draw.drops_all()) return;
    const T* in = source.data<T>();
    T* out = y.mutable_data<T>();
    const T scale = static_cast<T>(draw.scale());
    const auto* bits = kept.defined() ? reinterpret_cast<const std::uint8_t*>(kept.data<std::int64_t>()) : nullptr;
    auto* drawn =
        is_new && kept.defined() ? reinterpret_cast<std::uint8_t*>(kept.mutable_data<std::int64_t>()) : nullptr;
    parallel_for(0, x.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      if (is_new)
        kernels::keep_scaled(draw.mask(), begin, end - begin, in + begin, scale, out + begin,
                             drawn != nullptr ? drawn + begin / 8 : nullptr);
      else
        kernels::keep_scaled(bits + begin / 8, end - begin, in + begin, scale, out + begin);
    });
  });
  return record(dropout_info, {x}, y, [&] {
    return Gradient::of_ops({kept}, [draw](const BackwardContext& context) -> TensorList {
      return {dropped(context.grad_output(), draw, context.saved(0))};
    });
  });
}

const OpInfo row_dropout_info{"row_dropout", "x[r, …] kept with probability 1 − p, else 0", true};

Tensor rows_dropped(const Tensor& x, const Draw& draw) {
  const Tensor source = contiguous(x.detach());
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating("row_dropout", x.dtype(), [&]<class T>() {
    if (x.numel() == 0) return;
    const std::int64_t rows = x.shape()[0], columns = x.numel() / rows;
    const RandomStream stream(draw.seed, draw.stream);
    const T* in = source.data<T>();
    T* out = y.mutable_data<T>();
    const T scale = static_cast<T>(draw.scale());
    parallel_for(0, rows, std::max<std::int64_t>(1, grain / columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const auto element = static_cast<std::uint64_t>(row);
        const bool kept = stream.block(element / 4)[element % 4] >= draw.threshold();
        const T* from = in + row * columns;
        T* to = out + row * columns;
        for (std::int64_t c = 0; c < columns; ++c) to[c] = kept ? from[c] * scale : T{0};
      }
    });
  });
  return record(row_dropout_info, {x}, y, [&] {
    return Gradient::of_ops({}, [draw](const BackwardContext& context) -> TensorList {
      return {rows_dropped(context.grad_output(), draw)};
    });
  });
}

}  // namespace

Tensor dropout(const Tensor& x, double probability) { return dropout(x, probability, default_generator()); }

Tensor dropout(const Tensor& x, double probability, Generator& generator) {
  const Draw draw = checked_draw("dropout", probability, true, generator);
  return probability == 0 && is_floating(x.dtype()) ? x : dropped(x, draw);
}

Tensor row_dropout(const Tensor& x, double probability, bool rescale, Generator& generator) {
  if (x.rank() < 1) fail(ErrorKind::shape, "row_dropout: needs rows (N, …); got a scalar");
  const Draw draw = checked_draw("row_dropout", probability, rescale, generator);
  return probability == 0 && is_floating(x.dtype()) ? x : rows_dropped(x, draw);
}

OpList dropout_ops() { return {&dropout_info, &row_dropout_info}; }

}  // namespace saw
