#include "saw/autograd/kernels/depthwise_conv.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "saw/autograd/memory.h"
#include "saw/autograd/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/depthwise_conv.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/row-inl.h"
#include "saw/autograd/kernels/tile_matmul-inl.h"

#ifndef SAW_AUTOGRAD_KERNELS_DEPTHWISE_CONV_CPP_
#define SAW_AUTOGRAD_KERNELS_DEPTHWISE_CONV_CPP_
namespace saw::kernels {
namespace {

/// In scratch memory the channels are cut into strips, each a matrix with rows of this width: a whole number of vectors
/// for every target, and a cache line of floats, so that neighbouring rows fill different sets of the cache.
constexpr std::int64_t strip_width = 16;

/// result[r] = start[r] + Σⱼ factors[j] · source[offsets[j] + r], each term a row of channels. This is all three
/// kernels: j runs over the taps and r over positions, or the other way round for the gradient of the weight.
template <class T>
struct Correlation {
  std::int64_t count;  // of terms
  const T* factors;
  std::int64_t factor_step, factor_strip;
  const T* source;
  std::int64_t source_strip;
  const std::int64_t* offsets;  // in elements
  bool adjacent;                // each term lies one row behind the term before
  std::int64_t rows;
  const T* start;
  std::int64_t start_row, start_strip;
  T* result;
  std::int64_t result_row, result_strip;
  std::int64_t columns;  // of the result; the other operands have whole strips
};

/// `columns` channels of rows that lie from_row elements apart, to strips.
template <class T>
struct RowCopy {
  const T* from;
  std::int64_t from_row;
  T* to;
  std::int64_t to_strip;
  std::int64_t rows, columns;
};

}  // namespace
}  // namespace saw::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

// How many rows of sums, and how many factors of adjacent terms, are held in registers: there are 32 of them, or 16.
constexpr int correlation_rows = 8;
#if HWY_TARGET == HWY_AVX3
constexpr int correlation_terms = 8;
#else
constexpr int correlation_terms = 4;
#endif

/// sums[row − k] += factors[k] · x for all k.
template <int row, int rows, int terms, class V>
HWY_INLINE void add_products(const V (&factors)[terms], V x, V (&sums)[rows]) {
  for (int k = 0; k < terms; ++k)
    if (row - k >= 0 && row - k < rows) sums[row - k] = hn::MulAdd(factors[k], x, sums[row - k]);
}

/// sums[r] += Σₖ factors[k] · source[r + k] for r < rows and k < terms, k in order: each row of the source is loaded
/// once and meets all factors. (Folds instead of a loop over rows, so that the arrays stay in registers.)
template <int rows, int terms, class D, class V, class T, int... row>
HWY_INLINE void add_adjacent(D d, const V (&factors)[terms], const T* source, V (&sums)[rows],
                             std::integer_sequence<int, row...> /*rows + terms − 1*/) {
  (add_products<row>(factors, hn::Load(d, source + row * strip_width), sums), ...);
}

/// `rows` rows of the result times the vector of channels at `lane` of a strip; with `part`, only `lanes` of its lanes
/// exist.
template <int rows, bool part, class T>
HWY_INLINE void correlation_tile(const Correlation<T>& c, std::int64_t strip, std::int64_t lane, std::int64_t row,
                                 std::size_t lanes) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  V sums[rows];
  const T* start = c.start + strip * c.start_strip + row * c.start_row + lane;
  for (int r = 0; r < rows; ++r) sums[r] = hn::Load(d, start + r * c.start_row);
  const T* HWY_RESTRICT factor = c.factors + strip * c.factor_strip + lane;
  const T* HWY_RESTRICT source = c.source + strip * c.source_strip + row * strip_width + lane;
  const std::int64_t* HWY_RESTRICT offsets = c.offsets;
  const std::int64_t count = c.count, factor_step = c.factor_step;
  std::int64_t j = 0;
  if (c.adjacent)
    for (; j + correlation_terms <= count; j += correlation_terms) {
      V factors[correlation_terms];
      for (int k = 0; k < correlation_terms; ++k) factors[k] = hn::Load(d, factor + k * factor_step);
      add_adjacent(d, factors, source + offsets[j], sums,
                   std::make_integer_sequence<int, rows + correlation_terms - 1>());
      factor += correlation_terms * factor_step;
    }
  for (; j < count; ++j) {
    const T* HWY_RESTRICT term = source + offsets[j];
    const V f = hn::Load(d, factor);
    for (int r = 0; r < rows; ++r) sums[r] = hn::MulAdd(f, hn::Load(d, term + r * strip_width), sums[r]);
    factor += factor_step;
  }
  T* result = c.result + strip * c.result_strip + row * c.result_row + lane;
  for (int r = 0; r < rows; ++r, result += c.result_row) {
    if (part)
      store_part(d, sums[r], result, lanes);
    else
      hn::StoreU(sums[r], d, result);
  }
}

template <int rows, bool part, class T>
HWY_INLINE void correlation_tile_of(int wanted, const Correlation<T>& c, std::int64_t strip, std::int64_t lane,
                                    std::int64_t row, std::size_t lanes) {
  if constexpr (rows > 1) {
    if (wanted < rows) return correlation_tile_of<rows - 1, part>(wanted, c, strip, lane, row, lanes);
  }
  correlation_tile<rows, part>(c, strip, lane, row, lanes);
}

/// All rows of a vector of channels. The rows are dealt out evenly, so that no tile is left with a single one.
template <bool part, class T>
HWY_NOINLINE void correlate_vector(const Correlation<T>& c, std::int64_t column, std::size_t lanes) {
  const std::int64_t strip = column / strip_width, lane = column % strip_width;
  const std::int64_t tiles = (c.rows + correlation_rows - 1) / correlation_rows;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t begin = c.rows * tile / tiles, end = c.rows * (tile + 1) / tiles;
    correlation_tile_of<correlation_rows, part>(static_cast<int>(end - begin), c, strip, lane, begin, lanes);
  }
}

template <class T>
void correlate(const Correlation<T>& c) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::int64_t column = 0;
  for (; column + lanes <= c.columns; column += lanes) correlate_vector<false>(c, column, 0);
  if (column < c.columns) correlate_vector<true>(c, column, static_cast<std::size_t>(c.columns - column));
}

template <class T>
void copy_rows(const RowCopy<T>& copy) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = copy.columns / lanes * lanes;
  const T* HWY_RESTRICT from = copy.from;
  T* HWY_RESTRICT to = copy.to;
  const auto place = [&](std::int64_t column) {
    return to + column / strip_width * copy.to_strip + column % strip_width;
  };
  for (std::int64_t row = 0; row < copy.rows; ++row, from += copy.from_row, to += strip_width) {
    for (std::int64_t i = 0; i < whole; i += lanes) hn::Store(hn::LoadU(d, from + i), d, place(i));
    if (whole < copy.columns)  // zeros in the lanes above
      hn::Store(load_part(d, from + whole, static_cast<std::size_t>(copy.columns - whole)), d, place(whole));
  }
}

void correlate_float(const Correlation<float>& c) { correlate(c); }
void correlate_double(const Correlation<double>& c) { correlate(c); }
void copy_rows_float(const RowCopy<float>& copy) { copy_rows(copy); }
void copy_rows_double(const RowCopy<double>& copy) { copy_rows(copy); }
void transpose_float(const float* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, float* to,
                     std::int64_t to_row) {
  transpose_tile(from, from_row, rows, columns, to, to_row);
}
void transpose_double(const double* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, double* to,
                      std::int64_t to_row) {
  transpose_tile(from, from_row, rows, columns, to, to_row);
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

HWY_EXPORT(correlate_float);
HWY_EXPORT(correlate_double);
HWY_EXPORT(copy_rows_float);
HWY_EXPORT(copy_rows_double);
HWY_EXPORT(transpose_float);
HWY_EXPORT(transpose_double);

template <class T>
void correlate(const Correlation<T>& c) {
  if constexpr (std::is_same_v<T, float>)
    HWY_DYNAMIC_DISPATCH(correlate_float)(c);
  else
    HWY_DYNAMIC_DISPATCH(correlate_double)(c);
}

template <class T>
void copy_rows(const RowCopy<T>& copy) {
  if constexpr (std::is_same_v<T, float>)
    HWY_DYNAMIC_DISPATCH(copy_rows_float)(copy);
  else
    HWY_DYNAMIC_DISPATCH(copy_rows_double)(copy);
}

template <class T>
void transpose(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, T* to,
               std::int64_t to_row) {
  if constexpr (std::is_same_v<T, float>)
    HWY_DYNAMIC_DISPATCH(transpose_float)(from, from_row, rows, columns, to, to_row);
  else
    HWY_DYNAMIC_DISPATCH(transpose_double)(from, from_row, rows, columns, to, to_row);
}

// ---- panels of channels ----

/// The channels cut into panels of at most four strips, nearly equal in width: what a task works on at a time.
struct Panels {
  std::int64_t channels, count, strips;  // strips of a panel, fewer in the last

  explicit Panels(std::int64_t channels_) : channels(channels_) {
    const std::int64_t all = (channels + strip_width - 1) / strip_width;
    strips = all == 0 ? 1 : (all + (all + 3) / 4 - 1) / ((all + 3) / 4);
    count = (all + strips - 1) / strips;
  }
  std::int64_t width() const { return strips * strip_width; }
  std::int64_t begin(std::int64_t panel) const { return panel * width(); }
  std::int64_t size(std::int64_t panel) const { return std::min(width(), channels - begin(panel)); }
};

/// weight (channels, kernel) as strips of `kernel` rows, and behind each its bias, or zeros, as one row more.
template <class T>
class PackedWeight {
 public:
  PackedWeight(std::int64_t channels, std::int64_t kernel, const T* weight, const T* bias)
      : kernel_(kernel), rows_(static_cast<std::size_t>((channels + strip_width - 1) / strip_width * strip_size())) {
    parallel_for(0, (channels + strip_width - 1) / strip_width, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t column = begin * strip_width; column < std::min(end * strip_width, channels);
           column += strip_width) {
        const std::int64_t width = std::min(strip_width, channels - column);
        T* to = rows_.data() + column / strip_width * strip_size();
        transpose(weight + column * kernel, kernel, width, kernel, to, strip_width);
        T* last = to + kernel * strip_width;
        std::fill_n(last, strip_width, T{0});
        if (bias != nullptr) std::copy_n(bias + column, width, last);
      }
    });
  }
  std::int64_t strip_size() const { return (kernel_ + 1) * strip_width; }
  /// The taps and the bias of the strip that begins at channel `column`.
  const T* taps(std::int64_t column) { return rows_.data() + column / strip_width * strip_size(); }
  const T* bias(std::int64_t column) { return taps(column) + kernel_ * strip_width; }

 private:
  std::int64_t kernel_;
  Scratch<T> rows_;
};

// ---- blocks of rows ----

/// Rows that are worked on at a time: with the taps' reach they stay in the first cache.
constexpr std::int64_t block_rows = 64;

struct Block {
  std::size_t segment;
  std::int64_t begin, rows;  // positions in the segment
};

/// The blocks of all segments; `offsets` are those of the rows that are cut into blocks.
std::vector<Block> make_blocks(std::span<const std::int64_t> offsets) {
  std::vector<Block> blocks;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::int64_t length = offsets[s + 1] - offsets[s];
    for (std::int64_t begin = 0; begin < length; begin += block_rows)
      blocks.push_back({s, begin, std::min(block_rows, length - begin)});
  }
  return blocks;
}

/// A segment of the source, seen through a panel of its channels.
template <class T>
struct Source {
  const T* rows;
  std::int64_t row, length, columns;
};

/// Where source positions base + r·step + j·distance are put in scratch memory, so that for each term j the rows
/// r = 0, 1, … lie one below the other. Terms whose positions fall on the same remainder by `step` share their rows, if
/// they overlap at all.
class WindowLayout {
 public:
  /// For at most so many rows and terms.
  WindowLayout(std::int64_t step, std::int64_t distance, std::int64_t rows, std::int64_t terms)
      : step_(step), distance_(distance), classes_(step / std::gcd(step, distance)) {
    shift_ = distance / std::gcd(step, distance);
    shared_ = shift_ <= rows;
    const std::int64_t apart = shared_ ? shift_ : rows;
    class_rows_ = rows + ((terms + classes_ - 1) / classes_ - 1) * apart;
    for (std::int64_t j = 0; j < terms; ++j)
      offsets_.push_back((j % classes_ * class_rows_ + j / classes_ * apart) * strip_width);
    strip_size_ = std::min(classes_, terms) * class_rows_ * strip_width;
  }

  std::int64_t strip_size() const { return strip_size_; }
  const std::int64_t* offsets() const { return offsets_.data(); }
  bool adjacent() const { return classes_ == 1 && shared_ && shift_ == 1; }

  /// Copies what `rows` rows of `terms` terms need; zeros where the segment has no position.
  template <class T>
  void gather(const Source<T>& source, std::int64_t base, std::int64_t rows, std::int64_t terms, T* to) const {
    for (std::int64_t j = 0; j < terms; ++j) {
      const std::int64_t position = base + j * distance_;
      T* place = to + offsets_[static_cast<std::size_t>(j)];
      if (!shared_) {
        copy_run(source, position, rows, place);
      } else if (j < classes_) {
        copy_run(source, position, rows + (terms - 1 - j) / classes_ * shift_, place);
      } else {
        break;
      }
    }
  }

 private:
  /// Positions position, position + step, ….
  template <class T>
  void copy_run(const Source<T>& source, std::int64_t position, std::int64_t rows, T* to) const {
    const auto reaching = [&](std::int64_t limit) {  // how many rows lie before `limit`
      return std::clamp<std::int64_t>((limit - position + step_ - 1) / step_, 0, rows);
    };
    const std::int64_t begin = position < 0 ? reaching(0) : 0;
    const std::int64_t end = position < source.length ? std::max(begin, reaching(source.length)) : begin;
    for (std::int64_t strip = 0; strip * strip_width < source.columns; ++strip) {
      T* strip_rows = to + strip * strip_size_;
      std::fill_n(strip_rows, begin * strip_width, T{0});
      std::fill_n(strip_rows + end * strip_width, (rows - end) * strip_width, T{0});
    }
    if (begin < end)
      copy_rows(RowCopy<T>{source.rows + (position + begin * step_) * source.row, step_ * source.row,
                           to + begin * strip_width, strip_size_, end - begin, source.columns});
  }

  std::int64_t step_, distance_;
  std::int64_t classes_;  // of terms that share rows
  std::int64_t shift_;    // rows between neighbours of a class
  bool shared_;
  std::int64_t class_rows_;
  std::int64_t strip_size_;
  std::vector<std::int64_t> offsets_;
};

/// Multiply-adds that are worth a task of their own.
constexpr std::int64_t task_work = 1'000'000;

// ---- sums over taps: y, and dx once per remainder by the stride ----

/// result[first + u·result_step] = bias + Σⱼ weight[tap + j·tap_step] · source[shift + u·step + j·distance].
struct TapSums {
  std::span<const std::int64_t> source_offsets, result_offsets;
  std::int64_t channels;
  std::int64_t tap, tap_step, taps;
  std::int64_t shift, step, distance;
  std::int64_t first, result_step;
};

template <class T>
void sum_over_taps(const TapSums& sums, const Panels& panels, PackedWeight<T>& weight, const T* source, T* result) {
  // The rows that get results, counted anew.
  std::vector<std::int64_t> offsets = {0};
  for (std::size_t s = 0; s + 1 < sums.result_offsets.size(); ++s) {
    const std::int64_t length = sums.result_offsets[s + 1] - sums.result_offsets[s];
    offsets.push_back(offsets.back() + (length > sums.first ? (length - 1 - sums.first) / sums.result_step + 1 : 0));
  }
  const std::vector<Block> blocks = make_blocks(offsets);
  const auto block_count = static_cast<std::int64_t>(blocks.size());
  if (block_count == 0 || panels.count == 0) return;
  const WindowLayout layout(sums.step, sums.distance, block_rows, sums.taps);
  const std::int64_t work = offsets.back() * panels.width() * (sums.taps + 4) / block_count + 1;
  parallel_for(0, block_count * panels.count, std::max<std::int64_t>(1, task_work / work),
               [&](std::int64_t task_begin, std::int64_t task_end) {
                 Scratch<T> gathered(static_cast<std::size_t>(panels.strips * layout.strip_size() + 1));
                 for (std::int64_t task = task_begin; task < task_end; ++task) {
                   const std::int64_t panel = task / block_count, column = panels.begin(panel);
                   const Block& block = blocks[static_cast<std::size_t>(task % block_count)];
                   const std::int64_t begin = sums.source_offsets[block.segment];
                   const Source<T> from{source + begin * sums.channels + column, sums.channels,
                                        sums.source_offsets[block.segment + 1] - begin, panels.size(panel)};
                   layout.gather(from, sums.shift + block.begin * sums.step, block.rows, sums.taps, gathered.data());
                   const std::int64_t place =
                       sums.result_offsets[block.segment] + sums.first + block.begin * sums.result_step;
                   correlate(Correlation<T>{.count = sums.taps,
                                            .factors = weight.taps(column) + sums.tap * strip_width,
                                            .factor_step = sums.tap_step * strip_width,
                                            .factor_strip = weight.strip_size(),
                                            .source = gathered.data(),
                                            .source_strip = layout.strip_size(),
                                            .offsets = layout.offsets(),
                                            .adjacent = layout.adjacent(),
                                            .rows = block.rows,
                                            .start = weight.bias(column),
                                            .start_row = 0,
                                            .start_strip = weight.strip_size(),
                                            .result = result + place * sums.channels + column,
                                            .result_row = sums.result_step * sums.channels,
                                            .result_strip = strip_width,
                                            .columns = panels.size(panel)});
                 }
               });
}

}  // namespace

template <class T>
void depthwise_conv(const DepthwiseConv& c, const T* x, const T* weight, const T* bias, T* y) {
  const Panels panels(c.channels);
  PackedWeight<T> packed(c.channels, c.kernel, weight, bias);
  sum_over_taps(TapSums{.source_offsets = c.source_offsets,
                        .result_offsets = c.result_offsets,
                        .channels = c.channels,
                        .tap = 0,
                        .tap_step = 1,
                        .taps = c.kernel,
                        .shift = -c.padding,
                        .step = c.stride,
                        .distance = c.dilation,
                        .first = 0,
                        .result_step = 1},
                panels, packed, x, y);
}

template <class T>
void depthwise_conv_input_gradient(const DepthwiseConv& c, const T* dy, const T* weight, T* dx) {
  const Panels panels(c.channels);
  PackedWeight<T> packed(c.channels, c.kernel, weight, nullptr);
  // Position r + i·stride of x got its value to result u by tap k where u·stride + k·dilation − padding = r + i·stride:
  // for each r every so manieth tap, each as far from the next as it comes before.
  const std::int64_t common = std::gcd(c.stride, c.dilation), tap_step = c.stride / common;
  for (std::int64_t r = 0; r < c.stride; ++r) {
    const auto distance = [&](std::int64_t tap) { return r + c.padding - tap * c.dilation; };
    std::int64_t last = c.kernel - 1;
    while (last >= 0 && last > c.kernel - 1 - tap_step && distance(last) % c.stride != 0) --last;
    const bool any = last >= 0 && distance(last) % c.stride == 0;
    sum_over_taps(TapSums{.source_offsets = c.result_offsets,
                          .result_offsets = c.source_offsets,
                          .channels = c.channels,
                          .tap = any ? last : 0,
                          .tap_step = -tap_step,
                          .taps = any ? last / tap_step + 1 : 0,
                          .shift = any ? distance(last) / c.stride : 0,
                          .step = 1,
                          .distance = c.dilation / common,
                          .first = r,
                          .result_step = c.stride},
                  panels, packed, dy, dx);
  }
}

template <class T>
void depthwise_conv_weight_gradient(const DepthwiseConv& c, const T* x, const T* dy, T* dweight) {
  const Panels panels(c.channels);
  const std::vector<Block> blocks = make_blocks(c.result_offsets);
  const auto block_count = static_cast<std::int64_t>(blocks.size());
  // At most 16 partial sums, each over enough rows to be worth its memory.
  const std::int64_t group = std::max<std::int64_t>(8, (block_count + 15) / 16);
  const std::int64_t groups = std::max<std::int64_t>(1, (block_count + group - 1) / group);
  const std::int64_t strip_size = c.kernel * strip_width, panel_size = panels.strips * strip_size;
  Scratch<T> partial(static_cast<std::size_t>(panels.count * groups * panel_size + 1));
  // What a tap sums over lies a stride apart; the next tap's rows lie a dilation further on.
  const WindowLayout layout(c.dilation, c.stride, c.kernel, block_rows);
  parallel_for(0, panels.count * groups, 1, [&](std::int64_t task_begin, std::int64_t task_end) {
    Scratch<T> gathered(static_cast<std::size_t>(panels.strips * layout.strip_size()));
    Scratch<T> gradients(static_cast<std::size_t>(panels.width() * block_rows));
    for (std::int64_t task = task_begin; task < task_end; ++task) {
      const std::int64_t panel = task / groups, first = task % groups * group, column = panels.begin(panel);
      T* sums = partial.data() + task * panel_size;
      std::fill_n(sums, panel_size, T{0});
      for (std::int64_t i = first; i < std::min(first + group, block_count); ++i) {
        const Block& block = blocks[static_cast<std::size_t>(i)];
        const std::int64_t begin = c.source_offsets[block.segment];
        const Source<T> from{x + begin * c.channels + column, c.channels, c.source_offsets[block.segment + 1] - begin,
                             panels.size(panel)};
        layout.gather(from, block.begin * c.stride - c.padding, c.kernel, block.rows, gathered.data());
        copy_rows(RowCopy<T>{dy + (c.result_offsets[block.segment] + block.begin) * c.channels + column, c.channels,
                             gradients.data(), block_rows * strip_width, block.rows, panels.size(panel)});
        correlate(Correlation<T>{.count = block.rows,
                                 .factors = gradients.data(),
                                 .factor_step = strip_width,
                                 .factor_strip = block_rows * strip_width,
                                 .source = gathered.data(),
                                 .source_strip = layout.strip_size(),
                                 .offsets = layout.offsets(),
                                 .adjacent = layout.adjacent(),
                                 .rows = c.kernel,
                                 .start = sums,
                                 .start_row = strip_width,
                                 .start_strip = strip_size,
                                 .result = sums,
                                 .result_row = strip_width,
                                 .result_strip = strip_size,
                                 .columns = panels.size(panel)});
      }
    }
  });
  parallel_for(0, panels.count, 8, [&](std::int64_t panel_begin, std::int64_t panel_end) {
    for (std::int64_t panel = panel_begin; panel < panel_end; ++panel) {
      T* sums = partial.data() + panel * groups * panel_size;
      for (std::int64_t i = 1; i < groups; ++i)
        for (std::int64_t at = 0; at < panel_size; ++at) sums[at] += sums[i * panel_size + at];
      for (std::int64_t lane = 0; lane < panels.size(panel); lane += strip_width)
        transpose(sums + lane * c.kernel, strip_width, c.kernel, std::min(strip_width, panels.size(panel) - lane),
                  dweight + (panels.begin(panel) + lane) * c.kernel, c.kernel);
    }
  });
}

#define SAW_INSTANTIATE(T)                                                                      \
  template void depthwise_conv<T>(const DepthwiseConv&, const T*, const T*, const T*, T*);      \
  template void depthwise_conv_input_gradient<T>(const DepthwiseConv&, const T*, const T*, T*); \
  template void depthwise_conv_weight_gradient<T>(const DepthwiseConv&, const T*, const T*, T*);
SAW_INSTANTIATE(float)
SAW_INSTANTIATE(double)
#undef SAW_INSTANTIATE

}  // namespace saw::kernels
#endif
