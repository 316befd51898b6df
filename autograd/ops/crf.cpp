#include "saw/autograd/ops/crf.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/kernels/crf.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/internal/segment_rows.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/op_info.h"
#include "saw/autograd/tape/record.h"

namespace saw {
namespace {

// ---- the reference ----

constexpr double forbidden = -1e30;  // stands for −∞, whose differences would be NaN

Tensor without_infinities(const Tensor& x) {
  return masked_fill(x, equal(x, -std::numeric_limits<double>::infinity()), forbidden);
}

/// log Σ exp(score) over all labellings of each segment, by the recursion over its rows: (B).
Tensor log_partition(const Tensor& emissions, const TensorList& in, const Segments& segments) {
  const Tensor transitions = without_infinities(in[1]), begin = without_infinities(in[2]),
               end = without_infinities(in[3]);
  TensorList totals;
  for (std::int64_t b = 0; b < segments.count(); ++b) {
    if (segments.length(b) == 0) {
      totals.push_back(zeros({}, emissions.dtype()));
      continue;
    }
    Tensor ahead = begin + select(emissions, 0, segments.begin(b));  // (labels)
    for (std::int64_t t = segments.begin(b) + 1; t < segments.end(b); ++t)
      ahead = logsumexp(ahead.unsqueeze(1) + transitions, {0}) + select(emissions, 0, t);
    totals.push_back(logsumexp(ahead + end, {0}));
  }
  return totals.empty() ? zeros({0}, emissions.dtype()) : stack(totals);
}

/// `targets` has −1 for any label.
Tensor crf_loss_reference(const TensorList& in, const Tensor& targets, const Segments& segments) {
  const Tensor emissions = without_infinities(in[0]);
  const Tensor column = targets.unsqueeze(1);  // (N, 1)
  const Tensor others =
      logical_and(not_equal(arange(in[0].size(1)).unsqueeze(0), column), greater_equal(column, 0.0));  // (N, labels)
  const Tensor fitting = log_partition(masked_fill(emissions, others, forbidden), in, segments);
  const Tensor losses = log_partition(emissions, in, segments) - fitting;
  // Where no labelling at all is possible, both are as low.
  const Tensor impossible = logical_or(greater(losses, -0.1 * forbidden), less(fitting, 0.1 * forbidden));
  return masked_fill(losses, impossible, std::numeric_limits<double>::infinity());
}

// ---- checks ----

void check_scores(const char* op, const Tensor& emissions, const Tensor& transitions, const Tensor& begin,
                  const Tensor& end, const Segments& segments) {
  if (emissions.rank() != 2 || emissions.size(1) < 1)
    fail(ErrorKind::shape, "{}: emissions have the wrong shape; got {}; expected (N, labels) with a label at least", op,
         emissions.shape());
  if (!is_floating(emissions.dtype()))
    fail(ErrorKind::dtype, "{}: emissions are no floating point numbers; got {}; expected float32 or float64", op,
         emissions.dtype());
  check_rows(op, emissions, segments);
  const std::int64_t labels = emissions.size(1);
  const auto check = [&](const char* what, const Tensor& x, const Shape& shape) {
    if (x.shape() != shape)
      fail(ErrorKind::shape, "{}: {} not fit the emissions; got {} for emissions {}; expected {}", op, what, x.shape(),
           emissions.shape(), shape);
    if (x.dtype() != emissions.dtype())
      fail(ErrorKind::dtype, "{}: {} not have the emissions' dtype; got {}; expected {}", op, what, x.dtype(),
           emissions.dtype());
  };
  check("transitions do", transitions, {labels, labels});
  check("begin does", begin, {labels});
  check("end does", end, {labels});
}

/// A contiguous copy with −1 for what is ignored. Throws for what is no label.
Tensor checked_targets(const Tensor& labels, const Tensor& emissions, std::int64_t ignore_index) {
  if (labels.dtype() != int64)
    fail(ErrorKind::dtype, "crf_loss: labels are numbers of classes; got {}; expected int64", labels.dtype());
  if (labels.shape() != Shape{emissions.size(0)})
    fail(ErrorKind::shape, "crf_loss: labels do not fit the emissions; got {} for emissions {}; expected {}",
         labels.shape(), emissions.shape(), Shape{emissions.size(0)});
  Tensor targets = labels.detach().clone();
  std::int64_t* values = targets.mutable_data<std::int64_t>();
  for (std::int64_t row = 0; row < targets.numel(); ++row) {
    if (values[row] == ignore_index)
      values[row] = -1;
    else if (values[row] < 0 || values[row] >= emissions.size(1))
      fail(ErrorKind::index, "crf_loss: label out of range; got {} in row {}; expected 0 … {} or ignore_index {}",
           values[row], row, emissions.size(1) - 1, ignore_index);
  }
  return targets;
}

bool any_ignored(const Tensor& targets) {
  const std::int64_t* values = targets.data<std::int64_t>();
  return std::any_of(values, values + targets.numel(), [](std::int64_t target) { return target < 0; });
}

// ---- the kernels ----

/// Tensors that the kernels read; contiguous, kept alive while they do.
struct Scores {
  Tensor emissions, transitions, begin, end;

  Scores(const Tensor& emissions_in, const Tensor& transitions_in, const Tensor& begin_in, const Tensor& end_in)
      : emissions(contiguous(emissions_in.detach())),
        transitions(contiguous(transitions_in.detach())),
        begin(contiguous(begin_in.detach())),
        end(contiguous(end_in.detach())) {}

  template <class T>
  kernels::Crf<T> problem(const Segments& segments) const {
    return {emissions.data<T>(),       transitions.data<T>(), begin.data<T>(),  end.data<T>(),
            segments.offsets().data(), segments.count(),      emissions.size(1)};
  }
};

/// What the forward pass keeps of all labellings, or of those that fit the targets; undefined where nobody needs it.
struct Paths {
  Tensor ahead, arrival;

  static Paths like(const Tensor& emissions) {
    return {Tensor::empty(emissions.shape(), emissions.dtype()), Tensor::empty(emissions.shape(), emissions.dtype())};
  }
  template <class T>
  kernels::CrfPaths<T> rows() const {
    if (!ahead.defined()) return {};
    // Shared with the forward pass, which alone writes.
    return {const_cast<T*>(ahead.data<T>()), const_cast<T*>(arrival.data<T>())};
  }
};

enum Saved : std::size_t {
  saved_emissions,
  saved_transitions,
  saved_begin,
  saved_end,
  saved_losses,
  saved_all,
  saved_arrival,
  saved_fitting,
  saved_fitting_arrival,
};

TensorList crf_loss_gradients(const BackwardContext& context, const Tensor& targets, const Segments& segments) {
  const Scores scores(context.saved(saved_emissions), context.saved(saved_transitions), context.saved(saved_begin),
                      context.saved(saved_end));
  const Paths all{context.saved(saved_all), context.saved(saved_arrival)};
  const Paths fitting{context.saved(saved_fitting), context.saved(saved_fitting_arrival)};
  const Tensor losses = context.saved(saved_losses), dlosses = context.grad_output().contiguous();
  const auto like = [](const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()); };
  TensorList gradients{like(scores.emissions), like(scores.transitions), like(scores.begin), like(scores.end)};
  dispatch_floating("crf_loss", losses.dtype(), [&]<class T>() {
    kernels::crf_backward(scores.problem<T>(segments), targets.data<std::int64_t>(), all.rows<T>(), fitting.rows<T>(),
                          losses.data<T>(), dlosses.data<T>(),
                          {gradients[0].mutable_data<T>(), gradients[1].mutable_data<T>(),
                           gradients[2].mutable_data<T>(), gradients[3].mutable_data<T>()});
  });
  return gradients;
}

const OpInfo crf_loss_info{"crf_loss", "−log p(labels) of each segment under a linear-chain CRF", true};
const OpInfo crf_decode_info{"crf_decode", "the labels with the largest score under a linear-chain CRF, and it", false};
const OpInfo crf_marginals_info{"crf_marginals", "p(label of row) under a linear-chain CRF", false};

}  // namespace

Tensor crf_loss(const Tensor& emissions, const Tensor& transitions, const Tensor& begin, const Tensor& end,
                const Tensor& labels, const Segments& segments, std::int64_t ignore_index) {
  check_scores("crf_loss", emissions, transitions, begin, end, segments);
  const Tensor targets = checked_targets(labels, emissions, ignore_index);
  const Scores scores(emissions, transitions, begin, end);
  const Paths all = Paths::like(scores.emissions);
  const Paths fitting = any_ignored(targets) ? Paths::like(scores.emissions) : Paths();
  const Tensor losses = Tensor::empty({segments.count()}, emissions.dtype());
  dispatch_floating("crf_loss", emissions.dtype(), [&]<class T>() {
    kernels::crf_forward(scores.problem<T>(segments), targets.data<std::int64_t>(), all.rows<T>(), fitting.rows<T>(),
                         losses.mutable_data<T>());
  });
  return record(crf_loss_info, {emissions, transitions, begin, end}, losses, [&] {
    const auto kernel = [targets, segments](const BackwardContext& context) {
      return crf_loss_gradients(context, targets, segments);
    };
    const auto reference = [targets, segments](const TensorList& in) {
      return TensorList{crf_loss_reference(in, targets, segments)};
    };
    return Gradient::with_reference(
        {emissions, transitions, begin, end, losses, all.ahead, all.arrival, fitting.ahead, fitting.arrival}, kernel,
        reference);
  });
}

BestLabels crf_decode(const Tensor& emissions, const Tensor& transitions, const Tensor& begin, const Tensor& end,
                      const Segments& segments) {
  check_scores("crf_decode", emissions, transitions, begin, end, segments);
  const Scores scores(emissions, transitions, begin, end);
  const Tensor labels = Tensor::empty({emissions.size(0)}, int64);
  const Tensor best = Tensor::empty({segments.count()}, emissions.dtype());
  dispatch_floating("crf_decode", emissions.dtype(), [&]<class T>() {
    kernels::crf_decode(scores.problem<T>(segments), labels.mutable_data<std::int64_t>(), best.mutable_data<T>());
  });
  return {record_constant(crf_decode_info, labels), record_constant(crf_decode_info, best)};
}

Tensor crf_marginals(const Tensor& emissions, const Tensor& transitions, const Tensor& begin, const Tensor& end,
                     const Segments& segments) {
  check_scores("crf_marginals", emissions, transitions, begin, end, segments);
  const Scores scores(emissions, transitions, begin, end);
  const Tensor marginals = Tensor::empty(emissions.shape(), emissions.dtype());
  dispatch_floating("crf_marginals", emissions.dtype(), [&]<class T>() {
    kernels::crf_marginals(scores.problem<T>(segments), marginals.mutable_data<T>());
  });
  return record_constant(crf_marginals_info, marginals);
}

OpList crf_ops() { return {&crf_loss_info, &crf_decode_info, &crf_marginals_info}; }

}  // namespace saw
