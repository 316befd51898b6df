#include "saw/autograd/ops/rotary.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/rotary.h"
#include "saw/autograd/ops/internal/attention_setting.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

const OpInfo rotary_info{"rotary", "pair i of the channels turned by p · base^(−2i/d)", true};

/// For every row its position's row of a table that has one for each of `positions`.
struct Turns {
  std::vector<std::int64_t> row;
  std::vector<std::int64_t> positions;
};

/// One row for every position between the first and the last where that makes a smaller table, else one for every row.
Turns turns_of(const std::vector<std::int64_t>& positions) {
  Turns turns;
  const auto rows = static_cast<std::int64_t>(positions.size());
  if (rows == 0) return turns;
  const auto [low, high] = std::minmax_element(positions.begin(), positions.end());
  const std::int64_t first = *low, range = *high - *low + 1;
  for (std::int64_t i = 0; i < rows; ++i)
    turns.row.push_back(range <= rows ? positions[static_cast<std::size_t>(i)] - first : i);
  for (std::int64_t i = 0; i < std::min(range, rows); ++i)
    turns.positions.push_back(range <= rows ? first + i : positions[static_cast<std::size_t>(i)]);
  return turns;
}

/// Cosine and sine of p · ω for many p: those of its multiple of 64 and of the rest, multiplied as complex numbers, so
/// that few of either need computing. What comes out depends on p alone.
class Circle {
 public:
  struct Point {
    double cosine, sine;
  };

  Circle(const std::vector<std::int64_t>& positions, double frequency) : frequency_(frequency) {
    std::int64_t last_block = -1;
    for (const std::int64_t p : positions) {
      // Neighbours share their block; positions that jump about have one each.
      if (p / 64 != last_block) blocks_.push_back(at(static_cast<double>(last_block = p / 64) * 64));
      Point& rest = rests_[p % 64];
      if (rest.cosine > 1) rest = at(static_cast<double>(p % 64));
    }
  }

  /// Calls f(i, point) for the positions in their order.
  template <class F>
  void for_each(const std::vector<std::int64_t>& positions, const F& f) const {
    std::int64_t last_block = -1;
    std::size_t block = 0;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      if (positions[i] / 64 != last_block) {
        if (last_block >= 0) ++block;
        last_block = positions[i] / 64;
      }
      const Point a = blocks_[block], b = rests_[positions[i] % 64];
      f(i, Point{a.cosine * b.cosine - a.sine * b.sine, a.sine * b.cosine + a.cosine * b.sine});
    }
  }

 private:
  static constexpr Point unknown{2, 0};
  Point at(double p) const { return {std::cos(p * frequency_), std::sin(p * frequency_)}; }

  double frequency_;
  std::vector<Point> blocks_;
  std::vector<Point> rests_ = std::vector<Point>(64, unknown);
};

/// Both tables of a rotary problem, (turns, width) each; `sign` −1 turns back.
template <class T>
struct Tables {
  Tensor cosines, sines;

  Tables(const std::vector<std::int64_t>& positions, std::int64_t width, const RotaryOptions& options, double sign,
         DType dtype)
      : cosines(Tensor::empty({static_cast<std::int64_t>(positions.size()), width}, dtype)),
        sines(Tensor::empty(cosines.shape(), dtype)) {
    T* c = cosines.mutable_data<T>();
    T* s = sines.mutable_data<T>();
    parallel_for(0, width / 2, 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t pair = begin; pair < end; ++pair) {
        const Circle circle(positions,
                            std::pow(options.base, -2.0 * static_cast<double>(pair) / static_cast<double>(width)));
        const std::int64_t first = options.interleaved ? 2 * pair : pair;
        const std::int64_t second = options.interleaved ? 2 * pair + 1 : pair + width / 2;
        circle.for_each(positions, [&](std::size_t i, Circle::Point point) {
          const std::int64_t row = static_cast<std::int64_t>(i) * width;
          c[row + first] = c[row + second] = static_cast<T>(point.cosine);
          s[row + first] = static_cast<T>(-sign * point.sine);
          s[row + second] = static_cast<T>(sign * point.sine);
        });
      }
    });
  }
};

/// x turned, or with sign −1 turned back, which is the gradient of the other; serves every order.
Tensor rotate(const Tensor& x, const Tensor& positions, const RotaryOptions& options, double sign) {
  const Tensor input = with_contiguous_width(x);
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  const Turns turns = turns_of(positions.to_vector<std::int64_t>());
  dispatch_floating("rotary", x.dtype(), [&]<class T>() {
    const Tables<T> tables(turns.positions, x.size(2), options, sign, x.dtype());
    kernels::rotary_forward(
        kernels::RotaryProblem<T>{x.size(0), x.size(1), x.size(2), head_rows<T>(input), options.interleaved,
                                  turns.row.data(), tables.cosines.template data<T>(), tables.sines.template data<T>()},
        y.mutable_data<T>());
  });
  return record(rotary_info, {x}, y, [&] {
    return Gradient::of_ops({positions}, [options, sign](const BackwardContext& context) -> TensorList {
      return {rotate(context.grad_output(), context.saved(0), options, -sign)};
    });
  });
}

}  // namespace

Tensor rotary(const Tensor& x, const Tensor& positions, const RotaryOptions& options) {
  dispatch_floating("rotary", x.dtype(), []<class T>() {});
  if (x.rank() != 3 || x.size(2) % 2 != 0)
    fail(ErrorKind::shape, "rotary: the input does not fit; got {}; expected (rows, heads, an even width)", x.shape());
  if (positions.dtype() != int64)
    fail(ErrorKind::dtype, "rotary: positions must be int64; got {}", to_string(positions.dtype()));
  if (positions.shape() != Shape{x.size(0)})
    fail(ErrorKind::shape, "rotary: there must be one position for every row; got positions {} for {}",
         positions.shape(), x.shape());
  if (!(options.base > 0) || !std::isfinite(options.base))
    fail(ErrorKind::argument, "rotary: the base must be positive and finite; got {}", options.base);
  for (const std::int64_t p : positions.to_vector<std::int64_t>())
    if (p < 0) fail(ErrorKind::index, "rotary: a position is negative; got {}", p);
  return rotate(x, positions, options, 1.0);
}

OpList rotary_ops() { return {&rotary_info}; }

}  // namespace saw
