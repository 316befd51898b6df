#include <algorithm>
#include <string>
#include <utility>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

std::vector<std::int64_t> indices_of(const Tensor& index) { return index.to_vector<std::int64_t>(); }

/// x with f(element of x, element of source) applied where `place` sends the elements of source; the oracle of
/// scattering.
template <class F>
Tensor added(const Tensor& x, const Tensor& source, const F& place) {
  Tensor y = clone(x.detach());
  dispatch_numeric("add", x.dtype(), [&]<class T>() {
    T* out = y.mutable_data<T>();
    const std::vector<T> values = source.to_vector<T>();
    for (std::int64_t i = 0; i < source.numel(); ++i)
      out[ravel(place(i, unravel(i, source.shape())), x.shape())] += values[static_cast<std::size_t>(i)];
  });
  return y;
}

std::vector<Sample> samples_of_gather(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index) {
    const std::size_t a = normalize_axis("gather", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x, index},
                  .run = [axis](const TensorList& in) { return TensorList{gather(in[0], axis, in[1])}; },
                  .reference =
                      [a](const TensorList& in) {
                        const std::vector<std::int64_t> at = indices_of(in[1]);
                        const Shape shape = in[1].shape();
                        return TensorList{rearranged(in[0], shape, [&](Shape i) {
                          i[a] = at[static_cast<std::size_t>(ravel(i, shape))];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({5, 3}, 0, 4)),
          sample("columns", make.normal({4, 5}), 1, make.integers({4, 2}, 0, 5)),
          sample("smaller index", make.normal({3, 4, 2}), 1, make.integers({2, 5, 1}, 0, 4)),
          sample("one dimension", make.normal({4}), -1, make.integers({6}, 0, 4)),
          sample("empty index", make.normal({3, 2}), 0, make.integers({0, 2}, 0, 3))};
}

std::vector<ErrorSample> gather_errors() {
  return {
      {"out of range",
       [] {
         gather(zeros({2, 3}), 1, tensor({{0, 3}}, int64));
       },
       ErrorKind::index, "gather: index out of range; got 3 at position (0, 1)"},
      {"negative", [] { gather(zeros({2}), 0, tensor({-1}, int64)); }, ErrorKind::index, "gather: index out of range"},
      {"rank",
       [] {
         gather(zeros({2, 3}), 0, tensor({1}, int64));
       },
       ErrorKind::shape, "gather: the index does not fit"},
      {"too wide",
       [] {
         gather(zeros({2, 1}), 0, tensor({{0, 1}}, int64));
       },
       ErrorKind::shape, "gather: the index does not fit"},
      {"dtype", [] { gather(zeros({2}), 0, tensor({1.0})); }, ErrorKind::dtype, "gather: the index must be int64"},
      {"axis", [] { gather(zeros({2}), 1, tensor({1}, int64)); }, ErrorKind::argument, "gather: axis"}};
}

std::vector<Sample> samples_of_scatter_add(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index,
                         const Tensor& source) {
    const std::size_t a = normalize_axis("scatter_add", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x, index, source},
                  .run = [axis](const TensorList& in) { return TensorList{scatter_add(in[0], axis, in[1], in[2])}; },
                  .reference =
                      [a](const TensorList& in) {
                        const std::vector<std::int64_t> at = indices_of(in[1]);
                        return TensorList{added(in[0], in[2], [&](std::int64_t element, Shape i) {
                          i[a] = at[static_cast<std::size_t>(element)];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({6, 3}, 0, 4), make.normal({6, 3})),
          sample("columns", make.normal({3, 4}), 1, make.integers({3, 7}, 0, 4), make.normal({3, 7})),
          sample("smaller index", make.normal({3, 4, 2}), -2, make.integers({2, 5, 1}, 0, 4), make.normal({2, 5, 1})),
          sample("one dimension", make.normal({3}), 0, make.integers({8}, 0, 3), make.normal({8})),
          sample("nothing to add", make.normal({3, 2}), 0, make.integers({0, 2}, 0, 3), make.normal({0, 2})),
          sample("integers", make.integers({3}, 0, 9), 0, make.integers({5}, 0, 3), make.integers({5}, 0, 9))};
}

std::vector<ErrorSample> scatter_add_errors() {
  return {{"out of range", [] { scatter_add(zeros({2}), 0, tensor({2}, int64), zeros({1})); }, ErrorKind::index,
           "scatter_add: index out of range; got 2 at position (0,)"},
          {"source shape", [] { scatter_add(zeros({2}), 0, tensor({1}, int64), zeros({2})); }, ErrorKind::shape,
           "scatter_add: index and source"},
          {"rank",
           [] {
             scatter_add(zeros({2, 2}), 0, tensor({1}, int64), zeros({1}));
           },
           ErrorKind::shape, "scatter_add: the index does not fit"},
          {"dtype", [] { scatter_add(zeros({2}), 0, tensor({1}, int64), zeros({1}, float64)); }, ErrorKind::dtype,
           "float32 and float64"},
          {"index dtype", [] { scatter_add(zeros({2}), 0, zeros({1}), zeros({1})); }, ErrorKind::dtype,
           "scatter_add: the index must be int64"},
          {"axis", [] { scatter_add(zeros({2}), 3, tensor({1}, int64), zeros({1})); }, ErrorKind::argument,
           "scatter_add: axis"}};
}

std::vector<Sample> samples_of_scatter(SampleMaker& make) {
  const auto placed = [](const Tensor& x, std::size_t axis, const Tensor& index, const Tensor& source) {
    Tensor y = clone(x.detach());
    dispatch_all(x.dtype(), [&]<class T>() {
      const std::vector<T> values = source.to_vector<T>();
      const std::vector<std::int64_t> at = indices_of(index);
      for (std::size_t element = 0; element < at.size(); ++element) {
        Shape i = unravel(static_cast<std::int64_t>(element), index.shape());
        i[axis] = at[element];
        y.mutable_data<T>()[ravel(i, x.shape())] = values[element];
      }
    });
    return y;
  };
  const auto sample = [placed](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index,
                               const Tensor& source) {
    const std::size_t a = normalize_axis("scatter", axis, x.rank());
    return Sample{
        .name = name,
        .inputs = {x, index, source},
        .run = [axis](const TensorList& in) { return TensorList{scatter(in[0], axis, in[1], in[2])}; },
        .reference = [placed, a](const TensorList& in) { return TensorList{placed(in[0], a, in[1], in[2])}; }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({6, 3}, 0, 4), make.normal({6, 3})),
          sample("columns", make.normal({3, 4}), 1, make.integers({3, 7}, 0, 4), make.normal({3, 7})),
          sample("smaller index", make.normal({3, 4, 2}), -2, make.integers({2, 5, 1}, 0, 4), make.normal({2, 5, 1})),
          sample("one dimension", make.normal({9}), 0, make.integers({4}, 0, 9), make.normal({4})),
          sample("nothing", make.normal({3, 2}), 0, make.integers({0, 2}, 0, 3), make.normal({0, 2})),
          sample("bools", make.conditions({5}), 0, make.integers({3}, 0, 5), make.conditions({3})),
          {.name = "number",
           .inputs = {make.normal({3, 4}), make.integers({2, 4}, 0, 3)},
           .run = [](const TensorList& in) { return TensorList{scatter(in[0], 0, in[1], -2.5)}; },
           .reference =
               [placed](const TensorList& in) {
                 return TensorList{placed(in[0], 0, in[1], full(in[1].shape(), -2.5, in[0].dtype()))};
               }}};
}

std::vector<ErrorSample> scatter_errors() {
  return {{"out of range", [] { scatter(zeros({2}), 0, tensor({2}, int64), zeros({1})); }, ErrorKind::index,
           "scatter: index out of range; got 2 at position (0,)"},
          {"source shape", [] { scatter(zeros({2}), 0, tensor({1}, int64), zeros({2})); }, ErrorKind::shape,
           "scatter: index and source"},
          {"rank",
           [] {
             scatter(zeros({2, 2}), 0, tensor({1}, int64), 1.0);
           },
           ErrorKind::shape, "scatter: the index does not fit"},
          {"dtype", [] { scatter(zeros({2}), 0, tensor({1}, int64), zeros({1}, float64)); }, ErrorKind::dtype,
           "float32 and float64"},
          {"index dtype", [] { scatter(zeros({2}), 0, zeros({1}), 1.0); }, ErrorKind::dtype,
           "scatter: the index must be int64"},
          {"axis", [] { scatter(zeros({2}), 3, tensor({1}, int64), 1.0); }, ErrorKind::argument, "scatter: axis"}};
}

/// Every place collects its candidates, in double; then they are reduced.
Tensor scatter_reduce_reference(const Tensor& x, std::size_t axis, const Tensor& index, const Tensor& source,
                                ScatterReduction reduction, bool include_self) {
  Tensor y = clone(x.detach());
  dispatch_numeric("scatter_reduce", x.dtype(), [&]<class T>() {
    std::vector<std::vector<double>> candidates(static_cast<std::size_t>(x.numel()));
    const std::vector<T> own = x.to_vector<T>(), values = source.to_vector<T>();
    const std::vector<std::int64_t> at = indices_of(index);
    for (std::size_t element = 0; element < at.size(); ++element) {
      Shape i = unravel(static_cast<std::int64_t>(element), index.shape());
      i[axis] = at[element];
      candidates[static_cast<std::size_t>(ravel(i, x.shape()))].push_back(static_cast<double>(values[element]));
    }
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      std::vector<double>& all = candidates[i];
      if (all.empty()) continue;
      if (include_self) all.push_back(static_cast<double>(own[i]));
      double result = all[0];
      for (std::size_t k = 1; k < all.size(); ++k) switch (reduction) {
          case ScatterReduction::sum:
          case ScatterReduction::mean:
            result += all[k];
            break;
          case ScatterReduction::prod:
            result *= all[k];
            break;
          case ScatterReduction::amax:
            result = std::max(result, all[k]);
            break;
          case ScatterReduction::amin:
            result = std::min(result, all[k]);
            break;
        }
      if (reduction == ScatterReduction::mean) result /= static_cast<double>(all.size());
      y.mutable_data<T>()[i] = static_cast<T>(result);
    }
  });
  return y;
}

std::vector<Sample> samples_of_scatter_reduce(SampleMaker& make) {
  const auto sample = [](const std::string& name, const Tensor& x, std::int64_t axis, const Tensor& index,
                         const Tensor& source, ScatterReduction reduction, bool include_self) {
    const std::size_t a = normalize_axis("scatter_reduce", axis, x.rank());
    return Sample{.name = name + (include_self ? ", with x" : ", without x"),
                  .inputs = {x, index, source},
                  .run =
                      [=](const TensorList& in) {
                        return TensorList{scatter_reduce(in[0], axis, in[1], in[2], reduction, include_self)};
                      },
                  .reference =
                      [=](const TensorList& in) {
                        return TensorList{scatter_reduce_reference(in[0], a, in[1], in[2], reduction, include_self)};
                      }};
  };
  using Reduction = ScatterReduction;
  std::vector<Sample> samples;
  for (const bool include_self : {true, false}) {
    for (const auto& [name, reduction] : {std::pair{"sum", Reduction::sum}, std::pair{"mean", Reduction::mean},
                                          std::pair{"amax", Reduction::amax}, std::pair{"amin", Reduction::amin}}) {
      // One draw for both, so that no two candidates tie.
      const Tensor all = make.distinct({30});
      samples.push_back(sample(std::string(name) + " of rows", reshape(all.slice(0, 0, 12), {4, 3}).clone(), 0,
                               make.integers({6, 3}, 0, 4), reshape(all.slice(0, 12, 30), {6, 3}).clone(), reduction,
                               include_self));
    }
    const auto factors = [&](const Shape& shape) { return make.away_from(shape, {0.0}, 0.3); };
    samples.push_back(sample("prod of columns", factors({3, 4}), 1, make.integers({3, 5}, 0, 4), factors({3, 5}),
                             Reduction::prod, include_self));
    samples.push_back(sample("prod of one dimension", factors({3}), 0, make.integers({4}, 0, 3), factors({4}),
                             Reduction::prod, include_self));
    samples.push_back(sample("integers", make.integers({4}, -5, 5), 0, make.integers({7}, 0, 4),
                             make.integers({7}, -5, 5), Reduction::amin, include_self));
    samples.push_back(sample("nothing", make.normal({3, 2}), 0, make.integers({0, 2}, 0, 3), make.normal({0, 2}),
                             Reduction::mean, include_self));
  }
  return samples;
}

std::vector<ErrorSample> scatter_reduce_errors() {
  using Reduction = ScatterReduction;
  return {{"out of range", [] { scatter_reduce(zeros({2}), 0, tensor({2}, int64), zeros({1}), Reduction::sum); },
           ErrorKind::index, "scatter_reduce: index out of range; got 2 at position (0,)"},
          {"source shape", [] { scatter_reduce(zeros({2}), 0, tensor({1}, int64), zeros({2}), Reduction::sum); },
           ErrorKind::shape, "scatter_reduce: index and source"},
          {"rank",
           [] {
             scatter_reduce(zeros({2, 2}), 0, tensor({1}, int64), zeros({1}), Reduction::prod);
           },
           ErrorKind::shape, "scatter_reduce: the index does not fit"},
          {"mean of integers",
           [] { scatter_reduce(zeros({2}, int64), 0, tensor({1}, int64), zeros({1}, int64), Reduction::mean); },
           ErrorKind::dtype, "scatter_reduce: mean needs floating point elements; got int64"},
          {"dtype", [] { scatter_reduce(zeros({2}), 0, tensor({1}, int64), zeros({1}, float64), Reduction::sum); },
           ErrorKind::dtype, "float32 and float64"},
          {"axis", [] { scatter_reduce(zeros({2}), 3, tensor({1}, int64), zeros({1}), Reduction::sum); },
           ErrorKind::argument, "scatter_reduce: axis"}};
}

std::vector<Sample> samples_of_index_select(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index) {
    const std::size_t a = normalize_axis("index_select", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x, index},
                  .run = [axis](const TensorList& in) { return TensorList{index_select(in[0], axis, in[1])}; },
                  .reference =
                      [a](const TensorList& in) {
                        const std::vector<std::int64_t> at = indices_of(in[1]);
                        Shape shape = in[0].shape();
                        shape[a] = in[1].numel();
                        return TensorList{rearranged(in[0], shape, [&](Shape i) {
                          i[a] = at[static_cast<std::size_t>(i[a])];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({6}, 0, 4)),
          sample("columns", make.normal({3, 4}), -1, make.integers({5}, 0, 4)),
          sample("middle axis", make.normal({2, 3, 4}), 1, make.integers({2}, 0, 3)),
          sample("nothing chosen", make.normal({3, 2}), 0, make.integers({0}, 0, 3)),
          sample("of empty rows", make.normal({3, 0}), 0, make.integers({2}, 0, 3)),
          sample("bools", make.conditions({5}), 0, make.integers({7}, 0, 5))};
}

std::vector<ErrorSample> index_select_errors() {
  return {{"out of range",
           [] {
             index_select(zeros({2, 3}), 0, tensor({0, 5}, int64));
           },
           ErrorKind::index, "index_select: index out of range; got 5 at position (1,); expected 0 … 1"},
          {"of nothing",
           [] {
             index_select(zeros({0, 3}), 0, tensor({0}, int64));
           },
           ErrorKind::index, "there is nothing to choose from"},
          {"index rank",
           [] {
             index_select(zeros({2}), 0, tensor({{0, 0}}, int64));
           },
           ErrorKind::shape, "index_select: the index must have one dimension"},
          {"index dtype", [] { index_select(zeros({2}), 0, zeros({1})); }, ErrorKind::dtype,
           "index_select: the index must be int64"},
          {"axis", [] { index_select(zeros({2}), 1, tensor({0}, int64)); }, ErrorKind::argument, "index_select: axis"}};
}

std::vector<Sample> samples_of_index_add(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, std::int64_t axis, const Tensor& index,
                         const Tensor& source) {
    const std::size_t a = normalize_axis("index_add", axis, x.rank());
    return Sample{.name = name,
                  .inputs = {x, index, source},
                  .run = [axis](const TensorList& in) { return TensorList{index_add(in[0], axis, in[1], in[2])}; },
                  .reference =
                      [a](const TensorList& in) {
                        const std::vector<std::int64_t> at = indices_of(in[1]);
                        return TensorList{added(in[0], in[2], [&](std::int64_t, Shape i) {
                          i[a] = at[static_cast<std::size_t>(i[a])];
                          return i;
                        })};
                      }};
  };
  return {sample("rows", make.normal({4, 3}), 0, make.integers({6}, 0, 4), make.normal({6, 3})),
          sample("columns", make.normal({2, 3}), 1, make.integers({5}, 0, 3), make.normal({2, 5})),
          sample("middle axis", make.normal({2, 3, 4}), -2, make.integers({4}, 0, 3), make.normal({2, 4, 4})),
          sample("one dimension", make.normal({3}), 0, make.integers({7}, 0, 3), make.normal({7})),
          sample("nothing to add", make.normal({3, 2}), 0, make.integers({0}, 0, 3), make.normal({0, 2}))};
}

std::vector<ErrorSample> index_add_errors() {
  return {{"out of range", [] { index_add(zeros({2}), 0, tensor({-3}, int64), zeros({1})); }, ErrorKind::index,
           "index_add: index out of range; got -3"},
          {"source shape",
           [] {
             index_add(zeros({2, 3}), 0, tensor({1}, int64), zeros({1, 2}));
           },
           ErrorKind::shape, "index_add: the source has the wrong shape; got (1, 2); expected (1, 3)"},
          {"index rank",
           [] {
             index_add(zeros({2}), 0, tensor({{0, 0}}, int64), zeros({1}));
           },
           ErrorKind::shape, "index_add: the index must have one dimension"},
          {"bools", [] { index_add(zeros({2}, boolean), 0, tensor({1}, int64), zeros({1}, boolean)); },
           ErrorKind::dtype, "index_add: cannot add bools"},
          {"dtype", [] { index_add(zeros({2}), 0, tensor({1}, int64), zeros({1}, int64)); }, ErrorKind::dtype,
           "float32 and int64"},
          {"axis", [] { index_add(zeros({2}), -2, tensor({1}, int64), zeros({1})); }, ErrorKind::argument,
           "index_add: axis"}};
}

std::vector<Sample> samples_of_masked_select(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Tensor& mask) {
    return Sample{
        .name = name,
        .inputs = {x, mask},
        .run = [](const TensorList& in) { return TensorList{masked_select(in[0], in[1])}; },
        .reference =
            [](const TensorList& in) {
              const std::vector<bool> holds = in[1].to_vector<bool>();
              std::vector<std::int64_t> at;
              for (std::size_t i = 0; i < holds.size(); ++i)
                if (holds[i]) at.push_back(static_cast<std::int64_t>(i));
              return TensorList{rearranged(in[0], {static_cast<std::int64_t>(at.size())}, [&](const Shape& i) {
                return unravel(at[static_cast<std::size_t>(i[0])], in[0].shape());
              })};
            }};
  };
  return {sample("matrix", make.normal({4, 5}), make.conditions({4, 5})),
          sample("nothing", make.normal({3}), zeros({3}, boolean)),
          sample("everything", make.normal({2, 3}), ones({2, 3}, boolean)),
          sample("scalar", make.normal({}), ones({}, boolean)),
          sample("empty", make.normal({0, 2}), zeros({0, 2}, boolean))};
}

std::vector<ErrorSample> masked_select_errors() {
  return {
      {"shape", [] { masked_select(zeros({2}), zeros({3}, boolean)); }, ErrorKind::shape, "masked_select: the mask"},
      {"dtype", [] { masked_select(zeros({2}), zeros({2})); }, ErrorKind::dtype,
       "masked_select: the mask must be bool"}};
}

}  // namespace

SampleList index_samples() {
  return {{"gather", samples_of_gather, gather_errors},
          {"scatter_add", samples_of_scatter_add, scatter_add_errors},
          {"scatter", samples_of_scatter, scatter_errors},
          {"scatter_reduce", samples_of_scatter_reduce, scatter_reduce_errors},
          {"index_select", samples_of_index_select, index_select_errors},
          {"index_add", samples_of_index_add, index_add_errors},
          {"masked_select", samples_of_masked_select, masked_select_errors}};
}

}  // namespace samples
