#include "saw/optim/optimizer.h"

#include <cmath>
#include <limits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/tape/internal/replaced.h"
#include "saw/optim/internal/named.h"
#include "saw/optim/internal/pieces.h"

namespace saw {
namespace optim {
namespace {

Tensor integer(std::int64_t value) { return tensor(std::vector<std::int64_t>{value}, {}); }
std::int64_t integer(const Tensor& scalar) { return *scalar.data<std::int64_t>(); }

void* element_at(void* memory, std::int64_t element, DType dtype) {
  return static_cast<char*>(memory) + static_cast<std::size_t>(element) * size_of(dtype);
}
const void* element_at(const void* memory, std::int64_t element, DType dtype) {
  return static_cast<const char*>(memory) + static_cast<std::size_t>(element) * size_of(dtype);
}

}  // namespace

// ---- construction ----

void Optimizer::check_option(const char* option, double value, double low, double high) const {
  if (!(value >= low && value < high)) {
    if (high == std::numeric_limits<double>::infinity())
      fail(ErrorKind::argument, "{}: {} is out of range; got {}; expected at least {}", name_, option, value, low);
    fail(ErrorKind::argument, "{}: {} is out of range; got {}; expected at least {} and less than {}", name_, option,
         value, low, high);
  }
}

void Optimizer::check_option(const char* option, double value) const {
  check_option(option, value, 0.0, std::numeric_limits<double>::infinity());
}

void Optimizer::add_group(const Parameters& parameters, double learning_rate, const std::vector<StateTensor>& state) {
  check_option("learning_rate", learning_rate);
  const std::size_t group = learning_rates_.size();
  learning_rates_.push_back(learning_rate);
  declared_.push_back(state);
  group_of_.resize(group_of_.size() + parameters.size(), group);
  parameters_.append(parameters);
}

void Optimizer::finish() {
  const std::vector<std::string> names = unique_names(name_, parameters_);
  check_parameters(name_, parameters_, names);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& parameter = parameters_[i];
    if (!parameter.is_leaf())
      fail(ErrorKind::argument, "{}: parameter \"{}\" of shape {} is the result of an op; expected a leaf", name_,
           names[i], parameter.shape());
    Entry entry{.name = names[i], .group = group_of_[i], .parameter = parameter, .step = 0, .state = {}};
    const std::vector<StateTensor>& declared = declared_[entry.group];
    if (declared.size() > entry.state.size())
      fail(ErrorKind::internal, "{}: an optimizer has at most {} tensors of state per parameter", name_,
           entry.state.size());
    for (std::size_t s = 0; s < declared.size(); ++s)
      if (!declared[s].name.empty()) entry.state[s] = full(parameter.shape(), declared[s].initial, parameter.dtype());
    entries_.push_back(std::move(entry));
  }
}

// ---- stepping ----

void Optimizer::add_piece(const Piece& piece) {
  whole_.push_back(piece);
  ends_.push_back((ends_.empty() ? 0 : ends_.back()) + piece.size);
}

/// A piece for each row that the gradient has; the parameter's other rows and their state rest.
void Optimizer::add_rows(const Piece& table, const SparseGradient& gradient) {
  const std::vector<std::int64_t> indices = gradient.indices.to_vector<std::int64_t>();
  if (indices.empty()) return;
  const std::int64_t width = gradient.rows.numel() / static_cast<std::int64_t>(indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    Piece row = table;
    row.size = width;
    row.gradient = element_at(table.gradient, static_cast<std::int64_t>(i) * width, table.dtype);
    row.parameter = element_at(table.parameter, indices[i] * width, table.dtype);
    for (void*& state : row.state)
      if (state != nullptr) state = element_at(state, indices[i] * width, table.dtype);
    add_piece(row);
  }
}

void Optimizer::zero_grad() {
  for (const Entry& entry : entries_) entry.parameter.zero_grad();
}

void Optimizer::check_gradients() const {
  std::size_t with_gradient = 0, frozen = 0;
  for (const Entry& entry : entries_) {
    if (is_replaced(entry.parameter))
      fail(ErrorKind::autograd,
           "{}.step: parameter \"{}\" of shape {} is no longer in its model: to() or tie() has put another in its "
           "place; "
           "make the optimizer after them",
           name_, entry.name, entry.parameter.shape());
    if (!is_elementwise() && sparse_grad(entry.parameter).defined())
      fail(ErrorKind::autograd, "{}.step: parameter \"{}\" has a sparse gradient; expected a whole matrix", name_,
           entry.name);
    if (!entry.parameter.requires_grad()) ++frozen;
    if (entry.parameter.grad().defined() || sparse_grad(entry.parameter).defined()) ++with_gradient;
  }
  if (with_gradient > 0) return;
  if (frozen == entries_.size())
    fail(ErrorKind::autograd, "{}.step: all of the {} parameter(s) are frozen; expected one that requires a gradient",
         name_, entries_.size());
  fail(ErrorKind::autograd,
       "{}.step: none of the {} parameter(s) has a gradient; was backward() forgotten, or zero_grad() called after it, "
       "or is the loss of another model?",
       name_, entries_.size());
}

void Optimizer::update(const Piece& /*piece*/) const {
  fail(ErrorKind::internal, "{}: an elementwise optimizer must have update()", name_);
}
void Optimizer::update_whole(const Whole& /*whole*/) const {
  fail(ErrorKind::internal, "{}: an optimizer that is not elementwise must have update_whole()", name_);
}

void Optimizer::step() {
  check_gradients();
  const NoGradGuard no_grad;
  whole_.clear();
  ends_.clear();
  gradients_.clear();
  for (Entry& entry : entries_) {
    const SparseGradient sparse = sparse_grad(entry.parameter);
    const Tensor gradient = sparse.defined() ? sparse.rows : entry.parameter.grad();
    if (!gradient.defined()) continue;
    if (!is_elementwise()) {
      update_whole({.group = entry.group,
                    .learning_rate = learning_rates_[entry.group],
                    .step = ++entry.step,
                    .gradient = gradient.detach(),
                    .parameter = entry.parameter,
                    .state = entry.state});
      continue;
    }
    const DType dtype = entry.parameter.dtype();
    gradients_.push_back(gradient.detach().contiguous());
    Piece piece{.group = entry.group,
                .learning_rate = learning_rates_[entry.group],
                .step = ++entry.step,
                .size = entry.parameter.numel(),
                .dtype = dtype,
                .gradient = gradients_.back().data(dtype),
                .parameter = entry.parameter.mutable_data(dtype),
                .state = {}};
    for (std::size_t s = 0; s < entry.state.size(); ++s)
      if (entry.state[s].defined()) piece.state[s] = entry.state[s].mutable_data(dtype);
    if (sparse.defined()) {
      add_rows(piece, sparse);
    } else {
      add_piece(piece);
    }
  }
  ++step_count_;
  for_pieces(ends_, [&](std::int64_t, std::size_t i, std::int64_t begin, std::int64_t end) {
    Piece piece = whole_[i];
    piece.size = end - begin;
    piece.gradient = element_at(piece.gradient, begin, piece.dtype);
    piece.parameter = element_at(piece.parameter, begin, piece.dtype);
    for (void*& state : piece.state)
      if (state != nullptr) state = element_at(state, begin, piece.dtype);
    update(piece);
  });
  gradients_.clear();  // the leaves own their gradients alone again
}

// ---- learning rates ----

double Optimizer::learning_rate(std::size_t group) const {
  if (group >= learning_rates_.size())
    fail(ErrorKind::argument, "{}: there is no group {}; it has {}, counted from 0", name_, group,
         learning_rates_.size());
  return learning_rates_[group];
}

void Optimizer::set_learning_rate(double learning_rate) {
  check_option("learning_rate", learning_rate);
  for (double& rate : learning_rates_) rate = learning_rate;
}

void Optimizer::set_learning_rate(std::size_t group, double learning_rate) {
  this->learning_rate(group);  // throws for a group that is not there
  check_option("learning_rate", learning_rate);
  learning_rates_[group] = learning_rate;
}

// ---- state ----

/// The state as handles to the tensors themselves.
StateDict Optimizer::described_state() const {
  StateDict state{{"step_count", integer(step_count_)}};
  for (std::size_t group = 0; group < learning_rates_.size(); ++group)
    state.emplace_back(fmt::format("learning_rate.{}", group), scalar(learning_rates_[group], float64));
  for (const Entry& entry : entries_) {
    state.emplace_back("step." + entry.name, integer(entry.step));
    const std::vector<StateTensor>& declared = declared_[entry.group];
    for (std::size_t s = 0; s < declared.size(); ++s)
      if (entry.state[s].defined()) state.emplace_back(declared[s].name + "." + entry.name, entry.state[s]);
  }
  return state;
}

StateDict Optimizer::state_dict() const {
  StateDict state = described_state();
  for (auto& [name, value] : state) value = value.clone();
  return state;
}

void Optimizer::load_state_dict(const StateDict& state) {
  const NoGradGuard no_grad;
  const std::string who = name_ + ".load_state_dict";
  const StateDict expected = described_state();
  const TensorList loaded = matching(who, expected, state);
  for (std::size_t i = 0; i < loaded.size(); ++i) {  // everything is checked before anything changes
    if (loaded[i].dtype() == int64) loaded_count(who, expected[i].first, loaded[i]);
    if (i >= 1 && i <= learning_rates_.size()) loaded_rates(who, expected[i].first, loaded[i]);
  }
  auto next = loaded.begin();
  step_count_ = integer(*next++);
  for (double& rate : learning_rates_) rate = (next++)->item();
  for (Entry& entry : entries_) {
    entry.step = integer(*next++);
    for (const Tensor& tensor : entry.state)
      if (tensor.defined()) tensor.copy_(*next++);
  }
}

}  // namespace optim
}  // namespace saw
