#include <limits>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "samples/segments.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

struct Window {
  std::int64_t left, right;
  std::int64_t width() const { return left + 1 + right; }
};

Tensor context_window_reference(const Tensor& x, const Segments& segments, Window window) {
  const std::int64_t columns = x.size(1);
  const std::vector<std::int64_t> segment = segments.segment_of_row();
  return rearranged(x, {x.size(0), window.width() * columns}, [&](const Shape& i) {
    const auto b = segment[static_cast<std::size_t>(i[0])];
    const std::int64_t row = i[0] - window.left + i[1] / columns;
    return row >= segments.begin(b) && row < segments.end(b) ? Shape{row, i[1] % columns} : Shape{-1, -1};
  });
}

std::vector<Sample> samples_of_context_window(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments, Window window) {
    return Sample{
        .name = name,
        .inputs = {x},
        .run =
            [=](const TensorList& in) {
              return TensorList{context_window(in[0], segments, window.left, window.right)};
            },
        .reference =
            [=](const TensorList& in) { return TensorList{context_window_reference(in[0], segments, window)}; }};
  };
  const Segments segments = Segments::from_lengths({3, 0, 1, 4});
  return {sample("both sides", make.normal({8, 3}), segments, {1, 1}),
          sample("wider than a segment", make.normal({8, 2}), segments, {2, 3}),
          sample("left only", make.normal({8, 2}), segments, {2, 0}),
          sample("the row alone", make.normal({8, 2}), segments, {0, 0}),
          sample("nothing", make.normal({0, 2}), Segments(), {1, 1}),
          sample("no columns", make.normal({8, 0}), segments, {1, 1})};
}

std::vector<ErrorSample> context_window_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"rows",
           [=] {
             context_window(zeros({4, 2}), segments, 1, 1);
           },
           ErrorKind::shape, "context_window: the rows do not match"},
          {"rank", [=] { context_window(zeros({5}), segments, 1, 1); }, ErrorKind::shape,
           "context_window: x must be (N, C)"},
          {"negative",
           [=] {
             context_window(zeros({5, 2}), segments, -1, 1);
           },
           ErrorKind::argument, "context_window: left and right"},
          {"too wide",
           [=] {
             const std::int64_t most = std::numeric_limits<std::int64_t>::max();
             context_window(zeros({5, 2}), segments, most, most);
           },
           ErrorKind::argument, "context_window: left and right are too large"}};
}

std::vector<Sample> samples_of_pack(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [segments](const TensorList& in) { return TensorList{pack(in[0], segments)}; },
                  .reference =
                      [segments](const TensorList& in) {
                        Shape row = in[0].shape();
                        row.erase(0);
                        TensorList parts = {zeros(with_rows(row, 0), in[0].dtype())};
                        for (std::int64_t b = 0; b < segments.count(); ++b)
                          parts.push_back(slice(select(in[0], 0, b), 0, 0, segments.length(b)));
                        return TensorList{cat(parts)};
                      }};
  };
  return {sample("three dimensions", make.normal({4, 5, 2}), Segments::from_lengths({3, 0, 5, 1})),
          sample("two dimensions", make.normal({2, 3}), Segments::from_lengths({3, 2})),
          sample("nothing", make.normal({0, 3, 2}), Segments()),
          sample("integers", make.integers({2, 3}, 0, 9), Segments::from_lengths({1, 2}))};
}

std::vector<ErrorSample> pack_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"count",
           [=] {
             pack(zeros({3, 3}), segments);
           },
           ErrorKind::shape, "pack: needs one row per segment"},
          {"too short",
           [=] {
             pack(zeros({2, 2}), segments);
           },
           ErrorKind::shape, "pack: a segment is longer"},
          {"rank", [=] { pack(zeros({2}), segments); }, ErrorKind::shape, "pack: needs (B, T, …)"}};
}

std::vector<Sample> samples_of_unpack(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments, double value,
                         std::int64_t length) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{unpack(in[0], segments, value, length)}; },
                  .reference =
                      [=](const TensorList& in) {
                        const std::int64_t steps = length < 0 ? segments.max_length() : length;
                        TensorList parts;
                        for (std::int64_t b = 0; b < segments.count(); ++b) {
                          Shape before = Shape::filled(in[0].rank(), 0), after = before;
                          after[0] = steps - segments.length(b);
                          parts.push_back(pad(segment_of(in[0], segments, b), before, after, value));
                        }
                        return TensorList{stack(parts)};
                      }};
  };
  return {sample("longest", make.normal({8, 3}), Segments::from_lengths({3, 0, 1, 4}), 0.0, -1),
          sample("value and length", make.normal({5}), Segments::from_lengths({2, 3}), -1.5, 4),
          sample("three dimensions", make.normal({3, 2, 2}), Segments::from_lengths({1, 2}), 0.0, -1),
          sample("empty segments alone", make.normal({0, 2}), Segments::from_lengths({0, 0}), 1.0, 2)};
}

std::vector<ErrorSample> unpack_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"rows",
           [=] {
             unpack(zeros({4, 2}), segments);
           },
           ErrorKind::shape, "unpack: the rows do not match"},
          {"too short",
           [=] {
             unpack(zeros({5, 2}), segments, 0.0, 2);
           },
           ErrorKind::argument, "unpack: the length is smaller"},
          {"too many elements",
           [=] {
             unpack(zeros({5, 2}), segments, 0.0, std::numeric_limits<std::int64_t>::max());
           },
           ErrorKind::shape, "unpack: too many elements"}};
}

}  // namespace

SampleList packing_samples() {
  return {{"context_window", samples_of_context_window, context_window_errors},
          {"pack", samples_of_pack, pack_errors},
          {"unpack", samples_of_unpack, unpack_errors}};
}

}  // namespace samples
