#include "saw/autograd/tape/indexing.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/kernels/copy.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/internal/rearranged.h"
#include "saw/autograd/ops/literal.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/internal/in_place.h"

namespace saw {

// An index is worked off in two steps. Integers, ranges, new axes and whole axes are views, made axis by axis. What is
// left are index tensors for some axes of that view: they are brought beside one another, those axes are seen as one,
// and index_select takes from it. As in NumPy, an integer beside an index tensor is an index tensor too, and index
// tensors that do not stand side by side put their common shape in front.

/// Where the elements that index tensors chose lie in x.
struct Indexed::Places {
  Tensor view;                    // what the tensors choose from; the axes that they choose along stand side by side
  std::size_t axis = 0;           // the first of those axes
  std::vector<Tensor> positions;  // for each of them, of one shape and counted from the front
  Shape common;                   // that shape
};

namespace {

std::int64_t count_axes(const Index& index) {
  switch (index.kind()) {
    case Index::Kind::fresh:
    case Index::Kind::rest:
      return 0;
    case Index::Kind::tensor:
      return index.tensor().dtype() == boolean ? static_cast<std::int64_t>(index.tensor().rank()) : 1;
    default:
      return 1;
  }
}

/// A mask as one index tensor for each of its axes, in row-major order.
std::vector<Tensor> positions_of(const Tensor& mask) {
  const Tensor row_major = contiguous(mask);
  const bool* holds = row_major.data<bool>();
  const std::int64_t count = std::count(holds, holds + mask.numel(), true);
  std::vector<Tensor> result;
  std::vector<std::int64_t*> next;
  for (std::size_t axis = 0; axis < mask.rank(); ++axis) {
    result.push_back(Tensor::empty({count}, int64));
    next.push_back(result.back().mutable_data<std::int64_t>());
  }
  for (std::int64_t i = 0; i < mask.numel(); ++i) {
    if (!holds[i]) continue;
    const Shape place = unravel(i, mask.shape());
    for (std::size_t axis = 0; axis < mask.rank(); ++axis) *next[axis]++ = place[axis];
  }
  return result;
}

/// The index with negative elements counted from the front, in row-major memory of its own.
Tensor counted_from_front(const Tensor& index, std::int64_t size, std::size_t axis) {
  const Tensor result = clone(contiguous(index.detach()));
  std::int64_t* at = result.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < result.numel(); ++i) {
    if (at[i] < -size || at[i] >= size)
      fail(ErrorKind::index, "indexing: index out of range; got {} at position {}; expected {} … {} along axis {}",
           at[i], unravel(i, index.shape()), -size, size - 1, axis);
    if (at[i] < 0) at[i] += size;
  }
  return result;
}

/// What is chosen along one axis of the view by a tensor.
struct Choice {
  std::size_t axis;
  Tensor positions;
};

/// The first step: the view, and what is left to choose from it.
struct Walk {
  Tensor view;
  std::size_t axis = 0;      // of the view
  std::size_t original = 0;  // of x, for messages
  std::vector<Choice> choices;
  bool apart = false;  // whether something stands between two index tensors
  bool between = false;

  void choose(const Tensor& index) {
    if (between && !choices.empty()) apart = true;
    between = false;
    choices.push_back({axis, counted_from_front(index, view.shape()[axis], original)});
    ++axis;
    ++original;
  }
  void keep(std::size_t axes) {
    between = true;
    axis += axes;
    original += axes;
  }

  void take(const Index& index, std::size_t left, bool integers_choose) {
    const auto here = static_cast<std::int64_t>(axis);
    switch (index.kind()) {
      case Index::Kind::integer: {
        const std::int64_t size = view.shape()[axis], position = index.position();
        if (position < -size || position >= size)
          fail(ErrorKind::index, "indexing: index out of range; got {}; expected {} … {} along axis {}", position,
               -size, size - 1, original);
        if (integers_choose) {
          choose(number_tensor("indexing", position, int64));
        } else {
          view = select(view, here, position);
          ++original;
        }
        return;
      }
      case Index::Kind::range:
        if (index.range().step < 1)
          fail(ErrorKind::argument, "indexing: the step of a range must be positive; got {}; flip turns an axis round",
               index.range().step);
        view = slice(view, here, index.range().begin, index.range().end, index.range().step);
        return keep(1);
      case Index::Kind::rest:
        return keep(left);
      case Index::Kind::fresh:
        view = unsqueeze(view, here);
        between = true;
        ++axis;
        return;
      case Index::Kind::tensor:
        return take_tensor(index.tensor());
    }
  }

  void take_tensor(const Tensor& index) {
    if (index.dtype() == int64) return choose(index);
    if (index.dtype() != boolean)
      fail(ErrorKind::dtype, "indexing: an index tensor has integers or conditions; got {}; expected int64 or bool",
           index.dtype());
    for (std::size_t i = 0; i < index.rank(); ++i)
      if (index.shape()[i] != view.shape()[axis + i])
        fail(ErrorKind::shape, "indexing: the mask does not fit axis {}; got a mask of shape {} for size {}",
             original + i, index.shape(), view.shape()[axis + i]);
    for (const Tensor& positions : positions_of(index)) choose(positions);
  }
};

Walk walk(const Tensor& x, std::span<const Index> indices) {
  std::int64_t used = 0;
  int ellipses = 0;
  bool integers_choose = false;
  for (const Index& index : indices) {
    used += count_axes(index);
    ellipses += index.kind() == Index::Kind::rest ? 1 : 0;
    integers_choose = integers_choose || index.kind() == Index::Kind::tensor;
    if (index.kind() == Index::Kind::tensor && index.tensor().dtype() == boolean && index.tensor().rank() == 0)
      fail(ErrorKind::shape, "indexing: a mask needs an axis; got a bool of shape (); expected at least one dimension");
  }
  if (used > static_cast<std::int64_t>(x.rank()))
    fail(ErrorKind::argument, "indexing: too many indices; got {} for shape {}; expected at most {}", used, x.shape(),
         x.rank());
  if (ellipses > 1) fail(ErrorKind::argument, "indexing: got {} ellipses; expected one at most", ellipses);
  Walk result;
  result.view = x;
  const std::size_t left = x.rank() - static_cast<std::size_t>(used);
  for (const Index& index : indices) result.take(index, left, integers_choose);
  return result;
}

/// shape with `count` axes from `axis` on replaced by others.
Shape replaced(const Shape& shape, std::size_t axis, std::size_t count, const Shape& others) {
  Shape result;
  for (std::size_t i = 0; i < axis; ++i) result.push_back(shape[i]);
  for (const std::int64_t size : others) result.push_back(size);
  for (std::size_t i = axis + count; i < shape.size(); ++i) result.push_back(shape[i]);
  return result;
}

/// Σ positions · strides for every element of the common shape.
std::vector<std::int64_t> offsets(const std::vector<Tensor>& positions, const Shape& common, const Strides& strides,
                                  std::size_t first) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(common.numel()), 0);
  for (std::size_t k = 0; k < positions.size(); ++k) {
    const std::int64_t* at = positions[k].data<std::int64_t>();
    for (std::size_t i = 0; i < result.size(); ++i) result[i] += at[i] * strides[first + k];
  }
  return result;
}

/// x with the axes of `choices` in front, in their order.
Tensor in_front(const Tensor& x, const std::vector<Choice>& choices) {
  Shape order;
  for (const Choice& choice : choices) order.push_back(static_cast<std::int64_t>(choice.axis));
  for (std::int64_t axis = 0; axis < static_cast<std::int64_t>(x.rank()); ++axis)
    if (std::find(order.begin(), order.end(), axis) == order.end()) order.push_back(axis);
  return permute(x, order);
}

}  // namespace

Indexed::Indexed(const Tensor& x, std::span<const Index> indices) {
  Walk chosen = walk(x, indices);
  if (chosen.choices.empty()) {
    Tensor::operator=(chosen.view);
    return;
  }
  auto places = std::make_shared<Places>();
  for (const Choice& choice : chosen.choices)
    places->common = broadcast_shapes("indexing", places->common, choice.positions.shape());
  for (const Choice& choice : chosen.choices)
    places->positions.push_back(saw::contiguous(saw::expand(choice.positions, places->common)));
  places->view = chosen.apart ? in_front(chosen.view, chosen.choices) : chosen.view;
  places->axis = chosen.apart ? 0 : chosen.choices.front().axis;

  const std::size_t first = places->axis, count = places->positions.size();
  const Shape shape = places->view.shape();
  Shape sizes;
  for (std::size_t k = 0; k < count; ++k) sizes.push_back(shape[first + k]);
  const Tensor merged =
      count == 1 ? places->view : saw::reshape(places->view, replaced(shape, first, count, {sizes.numel()}));
  const Tensor index = tensor(offsets(places->positions, places->common, contiguous_strides(sizes), 0));
  const Tensor taken = index_select(merged, static_cast<std::int64_t>(first), index);
  Tensor::operator=(saw::reshape(taken, replaced(shape, first, count, places->common)));
  places_ = std::move(places);
}

Indexed& Indexed::operator=(const Tensor& other) & {
  Tensor::operator=(other);
  places_ = nullptr;
  return *this;
}

// ---- writing ----

const Tensor& Indexed::assign(const Tensor& values) const {
  if (!places_) return copy_(values);
  check_in_place("indexing", places_->view, values);
  write(values);
  // What was taken before the writing is a copy; the result of an assignment is what was assigned.
  const NoGradGuard no_grad;
  copy_(expanded_to("indexing", values, shape(), dtype()));
  return *this;
}

const Tensor& Indexed::assign(Number value) const { return assign(number_tensor("indexing", value, dtype())); }

void Indexed::write(const Tensor& values) const {
  const Tensor& view = places_->view;
  const std::size_t first = places_->axis, count = places_->positions.size(), common_rank = places_->common.size();
  // The values as (chosen elements, the other axes of the view), in memory that the writing does not reach.
  Shape order;
  for (std::size_t i = 0; i < common_rank; ++i) order.push_back(static_cast<std::int64_t>(first + i));
  for (std::size_t i = 0; i < rank(); ++i)
    if (i < first || i >= first + common_rank) order.push_back(static_cast<std::int64_t>(i));
  const NoGradGuard no_grad;
  const Tensor ordered = saw::permute(expanded_to("indexing", values, shape(), dtype()), order);
  const Tensor source = ordered.storage() == view.storage() ? saw::clone(ordered) : saw::contiguous(ordered);

  Shape rest, rest_strides;
  for (std::size_t i = 0; i < view.rank(); ++i) {
    if (i >= first && i < first + count) continue;
    rest.push_back(view.shape()[i]);
    rest_strides.push_back(view.strides()[i]);
  }
  const std::vector<std::int64_t> at = offsets(places_->positions, places_->common, view.strides(), first);
  const auto bytes = size_of(dtype());
  const auto block = static_cast<std::size_t>(rest.numel()) * bytes;
  const bool gapless = Tensor(view.storage(), rest, rest_strides, view.offset(), dtype()).is_contiguous();
  const char* from = static_cast<const char*>(source.data(dtype()));
  char* to = static_cast<char*>(view.detach().mutable_data(dtype()));
  if (block == 0) return;
  // One after the other, so that of several values for one place the last stays.
  for (const std::int64_t offset : at) {
    char* place = to + offset * static_cast<std::int64_t>(bytes);
    if (gapless)
      std::memcpy(place, from, block);
    else
      strided_copy(dtype(), from, contiguous_strides(rest), place, rest_strides, rest);
    from += block;
  }
}

/// The chosen elements changed by `change` and written back, where tensors chose them; they are a copy then.
template <class Change>
const Tensor& Indexed::update(const Tensor& other, const Change& change) const {
  check_in_place("indexing", places_->view, other);
  const NoGradGuard no_grad;
  change(*this);
  write(detach());
  return *this;
}

const Tensor& Indexed::operator+=(const Tensor& other) && {
  if (!places_) return add_(other);
  return update(other, [&](const Tensor& chosen) { chosen.add_(other); });
}
const Tensor& Indexed::operator-=(const Tensor& other) && {
  if (!places_) return sub_(other);
  return update(other, [&](const Tensor& chosen) { chosen.sub_(other); });
}
const Tensor& Indexed::operator*=(const Tensor& other) && {
  if (!places_) return mul_(other);
  return update(other, [&](const Tensor& chosen) { chosen.mul_(other); });
}
const Tensor& Indexed::operator/=(const Tensor& other) && {
  if (!places_) return div_(other);
  return update(other, [&](const Tensor& chosen) { chosen.div_(other); });
}
const Tensor& Indexed::operator+=(Number number) && {
  return std::move(*this) += number_tensor("add_", number, dtype());
}
const Tensor& Indexed::operator-=(Number number) && {
  return std::move(*this) -= number_tensor("sub_", number, dtype());
}
const Tensor& Indexed::operator*=(Number number) && {
  return std::move(*this) *= number_tensor("mul_", number, dtype());
}
const Tensor& Indexed::operator/=(Number number) && {
  return std::move(*this) /= number_tensor("div_", is_floating(dtype()) ? number : Number(0), dtype());
}

// ---- what Tensor declares ----

namespace {

template <class... Indices>
Indexed chosen(const Tensor& x, const Indices&... indices) {
  const Index list[] = {indices...};
  return Indexed(x, list);
}

}  // namespace

Indexed Tensor::operator[](const Index& index) const { return chosen(*this, index); }
Indexed Tensor::operator()(const Index& a) const { return chosen(*this, a); }
Indexed Tensor::operator()(const Index& a, const Index& b) const { return chosen(*this, a, b); }
Indexed Tensor::operator()(const Index& a, const Index& b, const Index& c) const { return chosen(*this, a, b, c); }
Indexed Tensor::operator()(const Index& a, const Index& b, const Index& c, const Index& d) const {
  return chosen(*this, a, b, c, d);
}
Indexed Tensor::operator()(const Index& a, const Index& b, const Index& c, const Index& d, const Index& e) const {
  return chosen(*this, a, b, c, d, e);
}
Indexed Tensor::operator()(const Index& a, const Index& b, const Index& c, const Index& d, const Index& e,
                           const Index& f) const {
  return chosen(*this, a, b, c, d, e, f);
}

RowIterator Tensor::begin() const {
  if (rank() == 0) fail(ErrorKind::shape, "iteration: a number has no rows; got shape (); expected a dimension");
  return {*this, 0};
}
RowIterator Tensor::end() const { return {*this, size(0)}; }

}  // namespace saw
