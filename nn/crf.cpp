#include "saw/nn/crf.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/literal.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/nn/internal/checked_sizes.h"

namespace saw::nn {
namespace {

constexpr float never = -std::numeric_limits<float>::infinity();

/// "B-PER" as 'B' and "PER"; "O" without a type.
struct ChunkLabel {
  char place;
  std::string_view type;

  explicit ChunkLabel(const std::string& label) : place(label.empty() ? '\0' : label[0]) {
    const bool is_known = std::string_view("BIOELSU").find(place) != std::string_view::npos;
    if (!is_known || (label.size() > 1 && (place == 'O' || label[1] != '-' || label.size() == 2)))
      fail(ErrorKind::argument,
           "bio_constraints: not a label of entities; got '{}'; expected O, B-X, I-X (E-X, L-X, S-X, U-X)", label);
    if (label.size() > 1) type = std::string_view(label).substr(2);
  }
  /// Has an entity before it, of which it is a part.
  bool continues() const { return place == 'I' || ends(); }
  bool ends() const { return place == 'E' || place == 'L'; }
  /// Leaves an entity open.
  bool opens() const { return place == 'B' || place == 'I'; }
};

/// x, or x + what is forbidden.
Tensor with(const Tensor& x, const Tensor& constraint) {
  return constraint.defined() ? x + to(constraint, x.dtype()) : x;
}

Tensor checked_constraint(const char* what, const Tensor& constraint, const Shape& shape) {
  if (!constraint.defined()) return {};
  if (constraint.shape() != shape || !is_floating(constraint.dtype()))
    fail(ErrorKind::shape, "ConditionalRandomField: the constraint of {} does not fit; got {} {}; expected {}", what,
         constraint.dtype(), constraint.shape(), shape);
  return constraint.detach().clone();
}

}  // namespace

CrfConstraints bio_constraints(const std::vector<std::string>& labels) {
  std::vector<ChunkLabel> chunks;
  for (const std::string& label : labels) chunks.emplace_back(label);
  const bool must_end = std::any_of(chunks.begin(), chunks.end(), [](const ChunkLabel& label) { return label.ends(); });
  std::vector<float> transitions, begin, end;
  for (const ChunkLabel& before : chunks) {
    begin.push_back(before.continues() ? never : 0.0F);
    end.push_back(must_end && before.opens() ? never : 0.0F);
    for (const ChunkLabel& after : chunks) {
      const bool same_entity = before.opens() && after.continues() && before.type == after.type;
      const bool broken = after.continues() || (must_end && before.opens());
      transitions.push_back(broken && !same_entity ? never : 0.0F);
    }
  }
  const auto size = static_cast<std::int64_t>(labels.size());
  return {.transitions = tensor(transitions, {size, size}), .begin = tensor(begin), .end = tensor(end)};
}

ConditionalRandomField::ConditionalRandomField(std::int64_t labels, const ConditionalRandomFieldOptions& options)
    : start_transitions(param("start_transitions",
                              {checked_positive("ConditionalRandomField", "the number of labels", labels)},
                              init::uniform(-0.1, 0.1))),
      end_transitions(param("end_transitions", {labels}, init::uniform(-0.1, 0.1))),
      transitions(param("transitions", {labels, labels}, init::uniform(-0.1, 0.1))),
      constraints_{checked_constraint("transitions", options.constraints.transitions, {labels, labels}),
                   checked_constraint("the begin", options.constraints.begin, {labels}),
                   checked_constraint("the end", options.constraints.end, {labels})} {}

ConditionalRandomField::Scores ConditionalRandomField::scores() const {
  return {with(transitions, constraints_.transitions), with(start_transitions, constraints_.begin),
          with(end_transitions, constraints_.end)};
}

Tensor ConditionalRandomField::forward(const Tensor& emissions, const Tensor& labels, const Segments& segments,
                                       const CrfLossOptions& options) const {
  const auto scope = enter(emissions);
  const Scores own = scores();
  const Tensor losses =
      crf_loss(emissions, own.transitions, own.begin, own.end, labels, segments, options.ignore_index);
  if (options.reduction == Reduction::none) return scope.output(losses);
  const Tensor total = sum(losses);
  const std::int64_t count = options.per_row ? segments.rows() : segments.count();
  if (options.reduction == Reduction::sum || count == 0) return scope.output(total);
  return scope.output(total / static_cast<double>(count));
}

BestLabels ConditionalRandomField::decode(const Tensor& emissions, const Segments& segments) const {
  const auto scope = enter();
  const NoGradGuard no_grad;
  const Scores own = scores();
  return crf_decode(emissions, own.transitions, own.begin, own.end, segments);
}

Tensor ConditionalRandomField::marginals(const Tensor& emissions, const Segments& segments) const {
  const auto scope = enter();
  const NoGradGuard no_grad;
  const Scores own = scores();
  return crf_marginals(emissions, own.transitions, own.begin, own.end, segments);
}

}  // namespace saw::nn
