#include "saw/autograd/kernels/recurrent.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/gemm.h"
#include "saw/autograd/kernels/recurrent_schedule.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "saw/autograd/kernels/recurrent.cpp"
#include "hwy/foreach_target.h"  // compiles what follows once per target
#include "hwy/highway.h"
//
#include "saw/autograd/kernels/recurrent_cells-inl.h"
#include "saw/autograd/kernels/targets.h"
#include "saw/autograd/kernels/tile_matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saw::kernels::HWY_NAMESPACE {

template <class T>
std::int64_t vector_lanes() {
  return static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
}

/// C (m, width) (+)= A (m, k) · a panel of one to three vectors of columns, whose rows lie one after the other.
template <class T>
void multiply_block(std::int64_t m, std::int64_t k, const T* a, std::int64_t a_row, const T* panel, std::int64_t width,
                    T* c, std::int64_t c_row, bool accumulate) {
  const TileProduct<T> product{m, width, k, a, a_row, 1, panel, width, c, c_row, accumulate};
  switch (width / vector_lanes<T>()) {
    case 1:
      return column_panel<1, false>(product, 0, 0);
    case 2:
      return column_panel<2, false>(product, 0, 0);
    default:
      return column_panel<3, false>(product, 0, 0);
  }
}

}  // namespace saw::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saw::kernels {
namespace {

/// Multiply-adds that are worth a task of their own.
constexpr std::int64_t task_work = 400'000;

// ---- columns in blocks, and matrices packed by them ----

/// Columns cut into blocks of up to three vectors, nearly equal in width; the last block may be filled in part.
class Blocks {
 public:
  Blocks(std::int64_t columns, std::int64_t lanes)
      : columns_(columns), lanes_(lanes), vectors_((columns + lanes - 1) / lanes), count_((vectors_ + 2) / 3) {}
  std::int64_t count() const { return count_; }
  std::int64_t begin(std::int64_t block) const { return vectors_ * block / count_ * lanes_; }
  /// With and without what is missing in the last vector.
  std::int64_t width(std::int64_t block) const { return begin(block + 1) - begin(block); }
  std::int64_t size(std::int64_t block) const { return std::min(begin(block + 1), columns_) - begin(block); }
  std::int64_t padded() const { return vectors_ * lanes_; }

 private:
  std::int64_t columns_, lanes_, vectors_, count_;
};

/// `parts` matrices (depth, columns) side by side, each block with its rows one after the other and zeros behind the
/// last column; the parts of a block are neighbours.
template <class T>
class Packed {
 public:
  Packed(std::int64_t parts, std::int64_t depth, std::int64_t columns)
      : blocks(columns, SAW_FOR_TARGET(vector_lanes<T>)()),
        parts_(parts),
        depth_(depth),
        memory_(static_cast<std::size_t>(std::max<std::int64_t>(1, parts * depth * blocks.padded()))) {}

  /// The transpose of a stored matrix (parts · columns, depth).
  void pack_transposed(const T* stored) {
    for_blocks([&](std::int64_t block, std::int64_t part) {
      const T* from = stored + (part * columns() + blocks.begin(block)) * depth_;
      SAW_FOR_TARGET(transpose_tile<T>)
      (from, depth_, blocks.size(block), depth_, panel(block, part), blocks.width(block));
    });
  }
  /// A stored matrix (depth, columns); one part.
  void pack(const T* stored) {
    for_blocks([&](std::int64_t block, std::int64_t part) {
      const std::int64_t size = blocks.size(block), width = blocks.width(block);
      const T* from = stored + blocks.begin(block);
      T* to = panel(block, part);
      for (std::int64_t k = 0; k < depth_; ++k, from += columns(), to += width) {
        std::copy_n(from, size, to);
        std::fill(to + size, to + width, T{0});
      }
    });
  }
  T* panel(std::int64_t block, std::int64_t part) {
    return memory_.data() + (blocks.begin(block) * parts_ + blocks.width(block) * part) * depth_;
  }
  std::int64_t depth() const { return depth_; }

  Blocks blocks;

 private:
  std::int64_t columns() const { return blocks.begin(blocks.count() - 1) + blocks.size(blocks.count() - 1); }
  template <class F>
  void for_blocks(F f) {
    const std::int64_t elements = std::max<std::int64_t>(1, depth_ * blocks.padded() / blocks.count());
    parallel_for(0, blocks.count() * parts_, std::max<std::int64_t>(1, 32768 / elements),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) f(i / parts_, i % parts_);
                 });
  }

  std::int64_t parts_, depth_;
  Scratch<T> memory_;
};

/// Rows that begin at cache lines, not all in the same few places of the cache.
template <class T>
std::int64_t pitch_of(std::int64_t columns) {
  constexpr std::int64_t line = 64 / sizeof(T);
  return ((columns + line - 1) / line | 1) * line;
}

template <class T>
void copy_or_zero(const T* from, std::int64_t row, std::int64_t size, T* to) {
  if (from == nullptr)
    std::fill_n(to, size, T{0});
  else
    std::copy_n(from + row * size, size, to);
}

/// Calls f(begin, end) for blocks of columns; on several threads where a step has work for them and this thread is not
/// one of several already.
template <class T, class F>
void for_columns(const Packed<T>& packed, std::int64_t work_per_column, F f) {
  const std::int64_t work = work_per_column * packed.blocks.padded() / packed.blocks.count() + 1;
  parallel_for(0, packed.blocks.count(), std::max<std::int64_t>(1, task_work / work), f);
}

// ---- forward ----

template <class T>
class ForwardGroup {
 public:
  ForwardGroup(const RecurrentLayer<T>& layer, const RecurrentResults<T>& results, const RecurrentSchedule& schedule,
               Packed<T>& weight, Packed<T>* projection, std::int64_t group)
      : layer_(layer),
        results_(results),
        schedule_(schedule),
        weight_(weight),
        projection_(projection),
        first_(schedule.group_begin(group)),
        count_(schedule.group_end(group) - first_),
        pitch_(pitch_of<T>(layer.width)),
        cell_pitch_(pitch_of<T>(layer.units)),
        states_(static_cast<std::size_t>(2 * count_ * pitch_)),
        cells_(static_cast<std::size_t>(count_ * cell_pitch_)),
        unprojected_(static_cast<std::size_t>(projection == nullptr ? 1 : count_ * cell_pitch_)),
        before_(states_.data()),
        after_(states_.data() + count_ * pitch_) {}

  void run() {
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::int64_t sequence = schedule_.sequence(first_ + i);
      copy_or_zero(layer_.first_hidden, sequence, layer_.width, before_ + i * pitch_);
      copy_or_zero(layer_.first_cell, sequence, layer_.units, cells_.data() + i * cell_pitch_);
    }
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count_));
    std::int64_t alive = count_;
    for (std::int64_t t = 0;; ++t) {
      while (alive > 0 && schedule_.length(first_ + alive - 1) <= t) finish(--alive);
      if (alive == 0) return;
      for (std::int64_t i = 0; i < alive; ++i) rows[static_cast<std::size_t>(i)] = schedule_.row(first_ + i, t);
      step(rows.data(), alive);
      std::swap(before_, after_);
    }
  }

 private:
  /// Writes down the last state of a sequence.
  void finish(std::int64_t i) {
    const std::int64_t sequence = schedule_.sequence(first_ + i);
    std::copy_n(before_ + i * pitch_, layer_.width, results_.last_hidden + sequence * layer_.width);
    if (results_.last_cell != nullptr)
      std::copy_n(cells_.data() + i * cell_pitch_, layer_.units, results_.last_cell + sequence * layer_.units);
  }

  void step(const std::int64_t* rows, std::int64_t alive) {
    const std::int64_t gates = recurrent_sums(layer_.cell);
    T* const after = projection_ == nullptr ? after_ : unprojected_.data();
    const std::int64_t after_pitch = projection_ == nullptr ? pitch_ : cell_pitch_;
    for_columns(weight_, alive * gates * layer_.width, [&](std::int64_t begin, std::int64_t end) {
      alignas(64) T sums[most_in_group * 4 * 3 * 64 / sizeof(T)];  // rows, gates, vectors
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t width = weight_.blocks.width(block), sums_pitch = gates * width;
        for (std::int64_t gate = 0; gate < gates; ++gate) SAW_FOR_TARGET(multiply_block<T>)
        (alive, layer_.width, before_, pitch_, weight_.panel(block, gate), width, sums + gate * width, sums_pitch,
         false);
        SAW_FOR_TARGET(forward_units<T>)
        ({.layer = &layer_,
          .results = &results_,
          .rows = rows,
          .count = alive,
          .begin = weight_.blocks.begin(block),
          .size = weight_.blocks.size(block),
          .sums = sums,
          .sums_pitch = sums_pitch,
          .sums_width = width,
          .before = before_,
          .before_pitch = pitch_,
          .after = after,
          .after_pitch = after_pitch,
          .cell = cells_.data(),
          .cell_pitch = cell_pitch_});
      }
    });
    if (projection_ != nullptr) project(rows, alive);
  }

  void project(const std::int64_t* rows, std::int64_t alive) {
    for_columns(*projection_, alive * layer_.units, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t column = projection_->blocks.begin(block);
        SAW_FOR_TARGET(multiply_block<T>)
        (alive, layer_.units, unprojected_.data(), cell_pitch_, projection_->panel(block, 0),
         projection_->blocks.width(block), after_ + column, pitch_, false);
        for (std::int64_t i = 0; i < alive; ++i)
          std::copy_n(after_ + i * pitch_ + column, projection_->blocks.size(block),
                      results_.rows + rows[i] * layer_.width + column);
      }
    });
  }

  const RecurrentLayer<T>& layer_;
  const RecurrentResults<T>& results_;
  const RecurrentSchedule& schedule_;
  Packed<T>& weight_;
  Packed<T>* projection_;
  std::int64_t first_, count_, pitch_, cell_pitch_;
  Scratch<T> states_, cells_, unprojected_;
  T *before_, *after_;
};

// ---- backward ----

template <class T>
class BackwardGroup {
 public:
  /// `total` (N, width) and `unprojected` (N, units) are kept for the gradient of the projection; null without one.
  BackwardGroup(const RecurrentLayer<T>& layer, const RecurrentResults<const T>& results,
                const RecurrentUpstream<T>& upstream, const RecurrentGradients<T>& gradients,
                const RecurrentSchedule& schedule, Packed<T>& weight, Packed<T>* projection, T* total, T* unprojected,
                std::int64_t group)
      : layer_(layer),
        results_(results),
        upstream_(upstream),
        gradients_(gradients),
        schedule_(schedule),
        weight_(weight),
        projection_(projection),
        total_(total),
        unprojected_(unprojected),
        first_(schedule.group_begin(group)),
        count_(schedule.group_end(group) - first_),
        pitch_(pitch_of<T>(layer.width)),
        cell_pitch_(pitch_of<T>(layer.units)),
        sums_pitch_(pitch_of<T>(recurrent_sums(layer.cell) * layer.units)),
        dhidden_(static_cast<std::size_t>(count_ * pitch_)),
        dcell_(static_cast<std::size_t>(count_ * cell_pitch_)),
        dsums_(static_cast<std::size_t>(count_ * sums_pitch_)),
        dunprojected_(static_cast<std::size_t>(projection == nullptr ? 1 : count_ * cell_pitch_)),
        zeros_(static_cast<std::size_t>(std::max(layer.units, layer.width))) {
    std::fill_n(zeros_.data(), zeros_.size(), T{0});
  }

  void run() {
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::int64_t sequence = schedule_.sequence(first_ + i);
      copy_or_zero(upstream_.last_hidden, sequence, layer_.width, dhidden_.data() + i * pitch_);
      copy_or_zero(upstream_.last_cell, sequence, layer_.units, dcell_.data() + i * cell_pitch_);
    }
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count_));
    std::vector<const T*> before(static_cast<std::size_t>(count_));
    std::int64_t alive = 0;
    for (std::int64_t t = schedule_.length(first_) - 1; t >= 0; --t) {
      while (alive < count_ && schedule_.length(first_ + alive) > t) ++alive;
      for (std::int64_t i = 0; i < alive; ++i) {
        rows[static_cast<std::size_t>(i)] = schedule_.row(first_ + i, t);
        before[static_cast<std::size_t>(i)] = state_before(first_ + i, t);
      }
      step(rows.data(), before.data(), alive);
    }
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::int64_t sequence = schedule_.sequence(first_ + i);
      if (gradients_.first_hidden != nullptr)
        std::copy_n(dhidden_.data() + i * pitch_, layer_.width, gradients_.first_hidden + sequence * layer_.width);
      if (gradients_.first_cell != nullptr)
        std::copy_n(dcell_.data() + i * cell_pitch_, layer_.units, gradients_.first_cell + sequence * layer_.units);
    }
  }

 private:
  /// What the cell's formula wants of the step before: c of an lstm, h of a gru.
  const T* state_before(std::int64_t place, std::int64_t t) {
    const bool lstm = layer_.cell == RecurrentCell::lstm;
    const T* const all = lstm ? results_.cells : results_.rows;
    const T* const first = lstm ? layer_.first_cell : layer_.first_hidden;
    if (t > 0) return all + schedule_.row(place, t - 1) * layer_.units;
    return first == nullptr ? zeros_.data() : first + schedule_.sequence(place) * layer_.units;
  }

  void step(const std::int64_t* rows, const T* const* before, std::int64_t alive) {
    SAW_FOR_TARGET(add_upstream<T>)
    (upstream_.rows, rows, alive, layer_.width, dhidden_.data(), pitch_, total_);
    if (projection_ != nullptr)
      multiply(*projection_, alive, dhidden_.data(), pitch_, dunprojected_.data(), cell_pitch_, false);
    const BackwardUnits<T> units{
        .layer = &layer_,
        .results = &results_,
        .gradients = &gradients_,
        .rows = rows,
        .before = before,
        .upstream = projection_ == nullptr ? dhidden_.data() : dunprojected_.data(),
        .upstream_pitch = projection_ == nullptr ? pitch_ : cell_pitch_,
        .dhidden = dhidden_.data(),
        .dhidden_pitch = pitch_,
        .dcell = dcell_.data(),
        .dcell_pitch = cell_pitch_,
        .dsums = dsums_.data(),
        .dsums_pitch = sums_pitch_,
        .unprojected = unprojected_,
    };
    parallel_for(0, alive, std::max<std::int64_t>(1, 8192 / layer_.units), [&](std::int64_t begin, std::int64_t end) {
      SAW_FOR_TARGET(backward_units<T>)(units, begin, end);
    });
    multiply(weight_, alive, dsums_.data(), sums_pitch_, dhidden_.data(), pitch_, layer_.cell == RecurrentCell::gru);
  }

  void multiply(Packed<T>& matrix, std::int64_t alive, const T* a, std::int64_t a_row, T* c, std::int64_t c_row,
                bool accumulate) {
    for_columns(matrix, alive * matrix.depth(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) SAW_FOR_TARGET(multiply_block<T>)
      (alive, matrix.depth(), a, a_row, matrix.panel(block, 0), matrix.blocks.width(block),
       c + matrix.blocks.begin(block), c_row, accumulate);
    });
  }

  const RecurrentLayer<T>& layer_;
  const RecurrentResults<const T>& results_;
  const RecurrentUpstream<T>& upstream_;
  const RecurrentGradients<T>& gradients_;
  const RecurrentSchedule& schedule_;
  Packed<T>& weight_;
  Packed<T>* projection_;
  T *total_, *unprojected_;
  std::int64_t first_, count_, pitch_, cell_pitch_, sums_pitch_;
  Scratch<T> dhidden_, dcell_, dsums_, dunprojected_, zeros_;
};

/// h before each row's step, (N, width).
template <class T>
void hidden_before(const RecurrentLayer<T>& layer, const T* rows, T* before) {
  const auto offsets = layer.offsets;
  const std::int64_t width = layer.width;
  parallel_for(0, static_cast<std::int64_t>(offsets.size()) - 1, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t s = begin; s < end; ++s) {
      const std::int64_t first = offsets[static_cast<std::size_t>(s)], last = offsets[static_cast<std::size_t>(s) + 1];
      if (first == last) continue;
      const T* from = rows + (layer.reverse ? first + 1 : first) * width;
      T* to = before + (layer.reverse ? first : first + 1) * width;
      std::copy_n(from, (last - first - 1) * width, to);
      copy_or_zero(layer.first_hidden, s, width, before + (layer.reverse ? last - 1 : first) * width);
    }
  });
}

}  // namespace

template <class T>
void recurrent_forward(const RecurrentLayer<T>& layer, const RecurrentResults<T>& results) {
  const RecurrentSchedule schedule(layer);
  if (schedule.count() == 0) return;
  log_steps<T>(schedule, recurrent_sums(layer.cell) * layer.units, layer.width, true);
  Packed<T> weight(recurrent_sums(layer.cell), layer.width, layer.units);
  weight.pack_transposed(layer.weight);
  const bool projected = layer.projection != nullptr;
  Packed<T> projection(1, layer.units, projected ? layer.width : 1);
  if (projected) projection.pack_transposed(layer.projection);
  parallel_for(0, schedule.groups(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t group = begin; group < end; ++group)
      ForwardGroup<T>(layer, results, schedule, weight, projected ? &projection : nullptr, group).run();
  });
}

template <class T>
void recurrent_backward(const RecurrentLayer<T>& layer, const RecurrentResults<const T>& results,
                        const RecurrentUpstream<T>& upstream, const RecurrentGradients<T>& gradients) {
  const RecurrentSchedule schedule(layer);
  const std::int64_t sums = recurrent_sums(layer.cell) * layer.units, rows = layer.offsets.back();
  const bool projected = layer.projection != nullptr;
  const auto rows_of = [&](bool wanted, std::int64_t columns) {
    return static_cast<std::size_t>(wanted ? std::max<std::int64_t>(1, rows * columns) : 1);
  };
  Scratch<T> total(rows_of(projected, layer.width)), unprojected(rows_of(projected, layer.units));
  if (schedule.count() > 0) {
    log_steps<T>(schedule, layer.width, sums, false);
    Packed<T> weight(1, sums, layer.width);
    weight.pack(layer.weight);
    Packed<T> projection(1, projected ? layer.width : 1, layer.units);
    if (projected) projection.pack(layer.projection);
    parallel_for(0, schedule.groups(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t group = begin; group < end; ++group)
        BackwardGroup<T>(layer, results, upstream, gradients, schedule, weight, projected ? &projection : nullptr,
                         projected ? total.data() : nullptr, projected ? unprojected.data() : nullptr, group)
            .run();
    });
  }
  const T* const of_product = layer.cell == RecurrentCell::gru ? gradients.product : gradients.input;
  if (gradients.weight != nullptr) {
    Scratch<T> before(rows_of(true, layer.width));
    hidden_before(layer, results.rows, before.data());
    gemm_parallel(true, false, sums, layer.width, rows, of_product, sums, before.data(), layer.width, gradients.weight,
                  layer.width, false);
  }
  if (gradients.projection != nullptr)
    gemm_parallel(true, false, layer.width, layer.units, rows, total.data(), layer.width, unprojected.data(),
                  layer.units, gradients.projection, layer.units, false);
}

template void recurrent_forward(const RecurrentLayer<float>&, const RecurrentResults<float>&);
template void recurrent_forward(const RecurrentLayer<double>&, const RecurrentResults<double>&);
template void recurrent_backward(const RecurrentLayer<float>&, const RecurrentResults<const float>&,
                                 const RecurrentUpstream<float>&, const RecurrentGradients<float>&);
template void recurrent_backward(const RecurrentLayer<double>&, const RecurrentResults<const double>&,
                                 const RecurrentUpstream<double>&, const RecurrentGradients<double>&);

}  // namespace saw::kernels
#endif
