#include "saw/autograd/kernels/depthwise_conv.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/correlation.h"

namespace saw::kernels {
namespace {

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
        transpose_strip(weight + column * kernel, kernel, width, kernel, to, strip_width);
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
  // Result u saw position r + i·stride of x by tap k where u·stride + k·dilation − padding = r + i·stride. For each r
  // the taps of that kind lie tap_step apart; from one down to the next, u grows by dilation / common.
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
        transpose_strip(sums + lane * c.kernel, strip_width, c.kernel, std::min(strip_width, panels.size(panel) - lane),
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
