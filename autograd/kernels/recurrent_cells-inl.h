// Per target: what the cells of recurrent nets compute of their sums, forward and backward, for a run of units of all
// sequences of one step.

#if defined(SAW_AUTOGRAD_KERNELS_RECURRENT_CELLS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SAW_AUTOGRAD_KERNELS_RECURRENT_CELLS_INL_H_
#undef SAW_AUTOGRAD_KERNELS_RECURRENT_CELLS_INL_H_
#else
#define SAW_AUTOGRAD_KERNELS_RECURRENT_CELLS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
//
#include "saw/autograd/kernels/functions-inl.h"
#include "saw/autograd/kernels/number-inl.h"
#include "saw/autograd/kernels/recurrent_step.h"
#include "saw/autograd/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// ---- forward ----

template <class T>
void lstm_units(const ForwardUnits<T>& f) {
  const hn::ScalableTag<T> d;
  const std::int64_t units = f.layer->units;
  for (std::int64_t i = 0; i < f.count; ++i) {
    const std::int64_t row = f.rows[i];
    const T* x = f.layer->input + row * 4 * units + f.begin;
    const T* sum = f.sums + i * f.sums_pitch;
    T* cell = f.cell + i * f.cell_pitch + f.begin;
    T* after = f.after + i * f.after_pitch + f.begin;
    T* kept = f.results->kept == nullptr ? nullptr : f.results->kept + row * 4 * units + f.begin;
    T* cells = f.results->cells == nullptr ? nullptr : f.results->cells + row * units + f.begin;
    T* result = f.layer->projection != nullptr ? nullptr : f.results->rows + row * units + f.begin;
    for_row(d, static_cast<std::size_t>(f.size), [&](auto at) HWY_ATTR {
      const auto gate = [&](std::int64_t k) HWY_ATTR {
        return Vec<T>(at.load(x + k * units)) + Vec<T>(at.load(sum + k * f.sums_width));
      };
      const Vec<T> in = sigmoid(gate(0)), forget = sigmoid(gate(1)), fresh = tanh(gate(2)), out = sigmoid(gate(3));
      const Vec<T> c = mul_add(forget, Vec<T>(at.load(cell)), in * fresh);
      const Vec<T> h = out * tanh(c);
      at.store(c.raw, cell);
      at.store(h.raw, after);
      if (result != nullptr) at.store(h.raw, result);
      if (cells != nullptr) at.store(c.raw, cells);
      if (kept == nullptr) return;
      at.store(in.raw, kept);
      at.store(forget.raw, kept + units);
      at.store(fresh.raw, kept + 2 * units);
      at.store(out.raw, kept + 3 * units);
    });
  }
}

template <class T>
void gru_units(const ForwardUnits<T>& f) {
  const hn::ScalableTag<T> d;
  const std::int64_t units = f.layer->units;
  const T* bias = f.layer->bias == nullptr ? nullptr : f.layer->bias + f.begin;
  for (std::int64_t i = 0; i < f.count; ++i) {
    const std::int64_t row = f.rows[i];
    const T* x = f.layer->input + row * 3 * units + f.begin;
    const T* sum = f.sums + i * f.sums_pitch;
    const T* before = f.before + i * f.before_pitch + f.begin;
    T* after = f.after + i * f.after_pitch + f.begin;
    T* kept = f.results->kept == nullptr ? nullptr : f.results->kept + row * 4 * units + f.begin;
    T* result = f.results->rows + row * units + f.begin;
    for_row(d, static_cast<std::size_t>(f.size), [&](auto at) HWY_ATTR {
      const auto product = [&](std::int64_t k) HWY_ATTR {
        const Vec<T> p(at.load(sum + k * f.sums_width));
        return bias == nullptr ? p : p + Vec<T>(at.load(bias + k * units));
      };
      const Vec<T> reset = sigmoid(Vec<T>(at.load(x)) + product(0));
      const Vec<T> keep = sigmoid(Vec<T>(at.load(x + units)) + product(1));
      const Vec<T> of_state = product(2);
      const Vec<T> fresh = tanh(mul_add(reset, of_state, Vec<T>(at.load(x + 2 * units))));
      const Vec<T> h = mul_add(keep, Vec<T>(at.load(before)) - fresh, fresh);
      at.store(h.raw, after);
      at.store(h.raw, result);
      if (kept == nullptr) return;
      at.store(reset.raw, kept);
      at.store(keep.raw, kept + units);
      at.store(fresh.raw, kept + 2 * units);
      at.store(of_state.raw, kept + 3 * units);
    });
  }
}

template <class T>
HWY_INLINE Vec<T> rectified(Vec<T> x) {
  return where(x < 0.0, 0.0, x);  // NaN stays
}

template <class T>
void plain_units(const ForwardUnits<T>& f) {
  const hn::ScalableTag<T> d;
  const std::int64_t units = f.layer->units;
  const bool relu = f.layer->cell == RecurrentCell::relu;
  for (std::int64_t i = 0; i < f.count; ++i) {
    const T* x = f.layer->input + f.rows[i] * units + f.begin;
    const T* sum = f.sums + i * f.sums_pitch;
    T* after = f.after + i * f.after_pitch + f.begin;
    T* result = f.results->rows + f.rows[i] * units + f.begin;
    for_row(d, static_cast<std::size_t>(f.size), [&](auto at) HWY_ATTR {
      const Vec<T> all = Vec<T>(at.load(x)) + Vec<T>(at.load(sum));
      const Vec<T> h = relu ? rectified(all) : tanh(all);
      at.store(h.raw, after);
      at.store(h.raw, result);
    });
  }
}

template <class T>
void forward_units(const ForwardUnits<T>& f) {
  switch (f.layer->cell) {
    case RecurrentCell::lstm:
      return lstm_units(f);
    case RecurrentCell::gru:
      return gru_units(f);
    default:
      return plain_units(f);
  }
}

// ---- backward ----

/// dy · s' of a sigmoid s, and of a tanh.
template <class T>
HWY_INLINE Vec<T> through_sigmoid(Vec<T> dy, Vec<T> s) {
  return dy * s * (1.0 - s);
}
template <class T>
HWY_INLINE Vec<T> through_tanh(Vec<T> dy, Vec<T> y) {
  return dy * (1.0 - y * y);
}

template <class T>
void lstm_backward_sequence(const BackwardUnits<T>& b, std::int64_t i) {
  const hn::ScalableTag<T> d;
  const std::int64_t units = b.layer->units, row = b.rows[i];
  const T* kept = b.results->kept + row * 4 * units;
  const T* cells = b.results->cells + row * units;
  const T* before = b.before[i];
  const T* upstream = b.upstream + i * b.upstream_pitch;
  T* dcell = b.dcell + i * b.dcell_pitch;
  T* dsums = b.dsums + i * b.dsums_pitch;
  T* dinput = b.gradients->input + row * 4 * units;
  T* unprojected = b.unprojected == nullptr ? nullptr : b.unprojected + row * units;
  for_row(d, static_cast<std::size_t>(units), [&](auto at) HWY_ATTR {
    const Vec<T> in(at.load(kept)), forget(at.load(kept + units)), fresh(at.load(kept + 2 * units)),
        out(at.load(kept + 3 * units));
    const Vec<T> squashed = tanh(Vec<T>(at.load(cells))), dh(at.load(upstream));
    const Vec<T> dc = Vec<T>(at.load(dcell)) + through_tanh(dh * out, squashed);
    const auto put = [&](Vec<T> value, std::int64_t k) HWY_ATTR {
      at.store(value.raw, dsums + k * units);
      at.store(value.raw, dinput + k * units);
    };
    put(through_sigmoid(dc * fresh, in), 0);
    put(through_sigmoid(dc * Vec<T>(at.load(before)), forget), 1);
    put(through_tanh(dc * in, fresh), 2);
    put(through_sigmoid(dh * squashed, out), 3);
    at.store((dc * forget).raw, dcell);
    if (unprojected != nullptr) at.store((out * squashed).raw, unprojected);
  });
}

template <class T>
void gru_backward_sequence(const BackwardUnits<T>& b, std::int64_t i) {
  const hn::ScalableTag<T> d;
  const std::int64_t units = b.layer->units, row = b.rows[i];
  const T* kept = b.results->kept + row * 4 * units;
  const T* before = b.before[i];
  T* dhidden = b.dhidden + i * b.dhidden_pitch;
  T* dsums = b.dsums + i * b.dsums_pitch;
  T* dinput = b.gradients->input + row * 3 * units;
  T* dproduct = b.gradients->product + row * 3 * units;
  for_row(d, static_cast<std::size_t>(units), [&](auto at) HWY_ATTR {
    const Vec<T> reset(at.load(kept)), keep(at.load(kept + units)), fresh(at.load(kept + 2 * units)),
        of_state(at.load(kept + 3 * units));
    const Vec<T> dh(at.load(dhidden));
    const Vec<T> dfresh = through_tanh(dh * (1.0 - keep), fresh);
    const Vec<T> dkeep = through_sigmoid(dh * (Vec<T>(at.load(before)) - fresh), keep);
    const Vec<T> dreset = through_sigmoid(dfresh * of_state, reset);
    const auto put = [&](Vec<T> of_input, Vec<T> of_product, std::int64_t k) HWY_ATTR {
      at.store(of_input.raw, dinput + k * units);
      at.store(of_product.raw, dproduct + k * units);
      at.store(of_product.raw, dsums + k * units);
    };
    put(dreset, dreset, 0);
    put(dkeep, dkeep, 1);
    put(dfresh, dfresh * reset, 2);
    at.store((dh * keep).raw, dhidden);
  });
}

template <class T>
void plain_backward_sequence(const BackwardUnits<T>& b, std::int64_t i) {
  const hn::ScalableTag<T> d;
  const std::int64_t units = b.layer->units, row = b.rows[i];
  const bool relu = b.layer->cell == RecurrentCell::relu;
  const T* result = b.results->rows + row * units;
  const T* upstream = b.upstream + i * b.upstream_pitch;
  T* dsums = b.dsums + i * b.dsums_pitch;
  T* dinput = b.gradients->input + row * units;
  for_row(d, static_cast<std::size_t>(units), [&](auto at) HWY_ATTR {
    const Vec<T> y(at.load(result)), dh(at.load(upstream));
    const Vec<T> dsum = relu ? where(y > 0.0, dh, 0.0) : through_tanh(dh, y);
    at.store(dsum.raw, dsums);
    at.store(dsum.raw, dinput);
  });
}

/// All units of the sequences begin … end − 1.
template <class T>
void backward_units(const BackwardUnits<T>& b, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) switch (b.layer->cell) {
      case RecurrentCell::lstm:
        lstm_backward_sequence(b, i);
        break;
      case RecurrentCell::gru:
        gru_backward_sequence(b, i);
        break;
      default:
        plain_backward_sequence(b, i);
        break;
    }
}

/// The upstream gradients of this step's rows added to what comes from the step after it; `total`, where there is one,
/// keeps the sum.
template <class T>
void add_upstream(const T* upstream, const std::int64_t* rows, std::int64_t count, std::int64_t width, T* dhidden,
                  std::int64_t pitch, T* total) {
  const hn::ScalableTag<T> d;
  for (std::int64_t i = 0; i < count; ++i, dhidden += pitch) {
    const T* from = upstream == nullptr ? nullptr : upstream + rows[i] * width;
    T* keep = total == nullptr ? nullptr : total + rows[i] * width;
    for_row(d, static_cast<std::size_t>(width), [&](auto at) HWY_ATTR {
      Vec<T> sum(at.load(dhidden));
      if (from != nullptr) sum = sum + Vec<T>(at.load(from));
      at.store(sum.raw, dhidden);
      if (keep != nullptr) at.store(sum.raw, keep);
    });
  }
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
