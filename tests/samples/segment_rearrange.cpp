#include <string>

#include "samples/families.h"
#include "samples/rearranged.h"
#include "samples/segments.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// Rows of x by their numbers; zeros for −1.
Tensor rows_by_number(const Tensor& x, const std::vector<std::int64_t>& numbers) {
  return rearranged(x, with_rows(x.shape(), std::ssize(numbers)), [&](Shape i) {
    i[0] = numbers[static_cast<std::size_t>(i[0])];
    return i;
  });
}

using NumbersOf = std::vector<std::int64_t> (*)(const Segments& segments);

std::vector<Sample> row_samples(SampleMaker& make, Tensor (*run)(const Tensor&, const Segments&), NumbersOf numbers) {
  const auto sample = [=](const char* name, const Tensor& x, const Segments& segments) {
    return Sample{
        .name = name,
        .inputs = {x},
        .run = [=](const TensorList& in) { return TensorList{run(in[0], segments)}; },
        .reference = [=](const TensorList& in) { return TensorList{rows_by_number(in[0], numbers(segments))}; }};
  };
  return {sample("matrix", make.normal({8, 3}), Segments::from_lengths({3, 0, 1, 4})),
          sample("one dimension", make.normal({6}), Segments::from_lengths({2, 4})),
          sample("three dimensions", make.normal({5, 2, 3}), Segments::from_lengths({5})),
          sample("integers", make.integers({5}, 0, 9), Segments::from_lengths({2, 3})),
          sample("empty segments alone", make.normal({0, 3}), Segments::from_lengths({0, 0})),
          sample("nothing", make.normal({0, 3}), Segments())};
}

std::vector<ErrorSample> row_errors(const std::string& op, Tensor (*run)(const Tensor&, const Segments&)) {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"too few rows",
           [=] {
             run(zeros({4, 2}), segments);
           },
           ErrorKind::shape, op + ": the rows do not match"},
          {"scalar", [=] { run(zeros({}), segments); }, ErrorKind::shape, op + ": the rows do not match"}};
}

std::vector<Sample> samples_of_segment_first(SampleMaker& make) {
  return row_samples(make, segment_first, [](const Segments& segments) {
    std::vector<std::int64_t> numbers;
    for (std::int64_t b = 0; b < segments.count(); ++b)
      numbers.push_back(segments.length(b) == 0 ? -1 : segments.begin(b));
    return numbers;
  });
}
std::vector<ErrorSample> segment_first_errors() { return row_errors("segment_first", segment_first); }

std::vector<Sample> samples_of_segment_last(SampleMaker& make) {
  return row_samples(make, segment_last, [](const Segments& segments) {
    std::vector<std::int64_t> numbers;
    for (std::int64_t b = 0; b < segments.count(); ++b)
      numbers.push_back(segments.length(b) == 0 ? -1 : segments.end(b) - 1);
    return numbers;
  });
}
std::vector<ErrorSample> segment_last_errors() { return row_errors("segment_last", segment_last); }

std::vector<Sample> samples_of_segment_reverse(SampleMaker& make) {
  return row_samples(make, segment_reverse, [](const Segments& segments) {
    std::vector<std::int64_t> numbers;
    for (std::int64_t b = 0; b < segments.count(); ++b)
      for (std::int64_t i = 0; i < segments.length(b); ++i) numbers.push_back(segments.end(b) - 1 - i);
    return numbers;
  });
}
std::vector<ErrorSample> segment_reverse_errors() { return row_errors("segment_reverse", segment_reverse); }

/// Rows and where their segments begin, as tensors.
TensorList tensors_of(const PackedRows& packed) {
  const auto offsets = packed.segments.offsets();
  return {packed.rows, tensor(std::vector<std::int64_t>(offsets.begin(), offsets.end()))};
}

std::vector<Sample> samples_of_segment_select(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments,
                         const std::vector<std::int64_t>& which) {
    return Sample{
        .name = name,
        .inputs = {x},
        .run = [=](const TensorList& in) { return tensors_of(segment_select(in[0], segments, tensor(which))); },
        .reference =
            [=](const TensorList& in) {
              std::vector<std::int64_t> numbers, offsets{0};
              for (const std::int64_t b : which) {
                for (std::int64_t i = 0; i < segments.length(b); ++i) numbers.push_back(segments.begin(b) + i);
                offsets.push_back(std::ssize(numbers));
              }
              return TensorList{rows_by_number(in[0], numbers), tensor(offsets)};
            }};
  };
  const Segments segments = Segments::from_lengths({3, 0, 1, 4});
  return {sample("some", make.normal({8, 3}), segments, {3, 0}),
          sample("one twice", make.normal({8, 2}), segments, {2, 1, 0, 0, 3}),
          sample("one dimension", make.normal({8}), segments, {2}), sample("none", make.normal({8, 2}), segments, {}),
          sample("of nothing", make.normal({0, 2}), Segments(), {})};
}

std::vector<ErrorSample> segment_select_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"out of range",
           [=] {
             segment_select(zeros({5, 2}), segments, tensor({0, 2}, int64));
           },
           ErrorKind::index, "segment_select: index out of range; got 2 at position (1,); expected 0 … 1"},
          {"index rank",
           [=] {
             segment_select(zeros({5, 2}), segments, tensor({{0, 1}}, int64));
           },
           ErrorKind::shape, "segment_select: the index must have one dimension"},
          {"index dtype", [=] { segment_select(zeros({5}), segments, zeros({1})); }, ErrorKind::dtype,
           "segment_select: the index must be int64"},
          {"rows", [=] { segment_select(zeros({4}), segments, tensor({0}, int64)); }, ErrorKind::shape,
           "segment_select: the rows do not match"}};
}

std::vector<Sample> samples_of_segment_concat(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& a, const Segments& a_segments, const Tensor& b,
                         const Segments& b_segments) {
    return Sample{
        .name = name,
        .inputs = {a, b},
        .run = [=](const TensorList& in) { return tensors_of(segment_concat(in[0], a_segments, in[1], b_segments)); },
        .reference =
            [=](const TensorList& in) {
              TensorList parts{in[0].slice(0, 0, 0)};
              std::vector<std::int64_t> offsets{0};
              for (std::int64_t k = 0; k < a_segments.count(); ++k) {
                parts.push_back(segment_of(in[0], a_segments, k));
                parts.push_back(segment_of(in[1], b_segments, k));
                offsets.push_back(offsets.back() + a_segments.length(k) + b_segments.length(k));
              }
              return TensorList{cat(parts), tensor(offsets)};
            }};
  };
  return {sample("matrix", make.normal({8, 3}), Segments::from_lengths({3, 0, 1, 4}), make.normal({5, 3}),
                 Segments::from_lengths({1, 2, 0, 2})),
          sample("one dimension", make.normal({3}), Segments::from_lengths({1, 2}), make.normal({2}),
                 Segments::from_lengths({0, 2})),
          sample("empty beside filled", make.normal({0, 2}), Segments::from_lengths({0, 0}), make.normal({3, 2}),
                 Segments::from_lengths({2, 1})),
          sample("nothing", make.normal({0, 2}), Segments(), make.normal({0, 2}), Segments())};
}

std::vector<ErrorSample> segment_concat_errors() {
  const Segments two = Segments::from_lengths({2, 3}), one = Segments::single(5);
  return {{"counts",
           [=] {
             segment_concat(zeros({5, 2}), two, zeros({5, 2}), one);
           },
           ErrorKind::shape, "segment_concat: the batches differ in their number of segments"},
          {"columns",
           [=] {
             segment_concat(zeros({5, 2}), two, zeros({5, 3}), two);
           },
           ErrorKind::shape, "segment_concat: rows differ in shape"},
          {"rows",
           [=] {
             segment_concat(zeros({5, 2}), two, zeros({4, 2}), two);
           },
           ErrorKind::shape, "segment_concat: the rows do not match"},
          {"dtypes", [=] { segment_concat(zeros({5}), two, zeros({5}, int64), two); }, ErrorKind::dtype,
           "float32 and int64"}};
}

}  // namespace

SampleList segment_rearrange_samples() {
  return {{"segment_first", samples_of_segment_first, segment_first_errors},
          {"segment_last", samples_of_segment_last, segment_last_errors},
          {"segment_reverse", samples_of_segment_reverse, segment_reverse_errors},
          {"segment_select", samples_of_segment_select, segment_select_errors},
          {"segment_concat", samples_of_segment_concat, segment_concat_errors}};
}

}  // namespace samples
