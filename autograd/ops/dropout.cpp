#include "saw/autograd/ops/dropout.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/random.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

constexpr std::int64_t grain = 1 << 14;  // elements per chunk; whole blocks of four words

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

/// Element i kept as the stream's element i / columns says; the oracle.
Tensor dropout_reference(const Tensor& x, const Draw& draw, std::int64_t columns) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const RandomStream stream(draw.seed, draw.stream);
  dispatch_floating("dropout", x.dtype(), [&]<class T>() {
    const std::vector<T> values = x.to_vector<T>();
    T* out = y.mutable_data<T>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto element = static_cast<std::uint64_t>(i) / static_cast<std::uint64_t>(columns);
      const bool kept = stream.block(element / 4)[element % 4] >= draw.threshold();
      out[i] = kept ? static_cast<T>(values[i] * static_cast<T>(draw.scale())) : T{0};
    }
  });
  return y;
}

// ---- dropout ----

std::vector<Sample> dropout_samples(SampleMaker& make) {
  // A generator made anew in every call: the mask must be the same each time.
  const auto sample = [](const char* name, const Tensor& x, double probability) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [probability](const TensorList& in) {
                        Generator generator(7, 3);
                        return TensorList{dropout(in[0], probability, generator)};
                      },
                  .reference =
                      [probability](const TensorList& in) {
                        return TensorList{dropout_reference(in[0], {probability, true, 7, 3}, 1)};
                      }};
  };
  return {sample("half", make.normal({5, 7}), 0.5),  sample("a third", make.normal({3, 4, 3}), 1.0 / 3.0),
          sample("never", make.normal({2, 3}), 0.0), sample("always", make.normal({2, 3}), 1.0),
          sample("scalar", make.normal({}), 0.2),    sample("empty", make.normal({0, 3}), 0.5),
          sample("long", make.normal({3, 700}), 0.1)};
}

std::vector<ErrorSample> dropout_errors() {
  return {{"negative", [] { dropout(zeros({2}), -0.1); }, ErrorKind::argument, "dropout: the probability"},
          {"above 1", [] { dropout(zeros({2}), 1.5); }, ErrorKind::argument, "dropout: the probability"},
          {"nan", [] { dropout(zeros({2}), std::nan("")); }, ErrorKind::argument, "dropout: the probability"},
          {"dtype", [] { dropout(zeros({2}, int64), 0.5); }, ErrorKind::dtype, "dropout: needs floating point"}};
}

const OpInfo dropout_info{"dropout", "x / (1 − p) with probability 1 − p, else 0", true, dropout_samples,
                          dropout_errors};

/// Linear in x, and so its own gradient.
Tensor dropped(const Tensor& x, const Draw& draw) {
  const Tensor source = contiguous(x.detach());
  Tensor y = draw.drops_all() ? zeros(x.shape(), x.dtype()) : Tensor::empty(x.shape(), x.dtype());
  dispatch_floating("dropout", x.dtype(), [&]<class T>() {
    if (draw.drops_all()) return;
    const T* in = source.data<T>();
    T* out = y.mutable_data<T>();
    parallel_for(0, x.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      kernels::keep_scaled(draw.mask(), begin, end - begin, in + begin, static_cast<T>(draw.scale()), out + begin);
    });
  });
  return record(dropout_info, {x}, y, [&] {
    Gradient gradient;
    gradient.backward = [draw](const BackwardContext& context) -> TensorList {
      return {dropped(context.grad_output(), draw)};
    };
    gradient.plain = true;
    return gradient;
  });
}

// ---- row_dropout ----

std::vector<Sample> row_dropout_samples(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, double probability, bool rescale) {
    std::int64_t columns = 1;
    for (std::size_t axis = 1; axis < x.rank(); ++axis) columns *= x.shape()[axis];
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [=](const TensorList& in) {
                        Generator generator(7, 5);
                        return TensorList{row_dropout(in[0], probability, rescale, generator)};
                      },
                  .reference =
                      [=](const TensorList& in) {
                        return TensorList{dropout_reference(in[0], {probability, rescale, 7, 5}, columns)};
                      }};
  };
  return {
      sample("rescaled", make.normal({9, 3}), 0.5, true),      sample("word dropout", make.normal({9, 3}), 0.3, false),
      sample("three axes", make.normal({6, 2, 2}), 0.5, true), sample("one axis", make.normal({11}), 0.5, true),
      sample("never", make.normal({3, 2}), 0.0, true),         sample("always", make.normal({3, 2}), 1.0, true),
      sample("empty", make.normal({0, 3}), 0.5, true)};
}

std::vector<ErrorSample> row_dropout_errors() {
  return {{"above 1",
           [] {
             Generator generator(1);
             row_dropout(zeros({2, 2}), 1.1, true, generator);
           },
           ErrorKind::argument, "row_dropout: the probability"},
          {"scalar",
           [] {
             Generator generator(1);
             row_dropout(zeros({}), 0.5, true, generator);
           },
           ErrorKind::shape, "row_dropout: needs rows"},
          {"dtype",
           [] {
             Generator generator(1);
             row_dropout(zeros({2, 2}, boolean), 0.5, true, generator);
           },
           ErrorKind::dtype, "row_dropout: needs floating point"}};
}

const OpInfo row_dropout_info{"row_dropout", "x[r, …] kept with probability 1 − p, else 0", true, row_dropout_samples,
                              row_dropout_errors};

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
    Gradient gradient;
    gradient.backward = [draw](const BackwardContext& context) -> TensorList {
      return {rows_dropped(context.grad_output(), draw)};
    };
    gradient.plain = true;
    return gradient;
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
