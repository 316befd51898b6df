#include <string>

#include "samples/families.h"
#include "samples/segments.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// f(the rows of a segment) for each segment, stacked; zeros for empty ones.
template <class F>
Tensor reduced_reference(const Tensor& x, const Segments& segments, const F& f) {
  TensorList results;
  Shape row = x.shape();
  row.erase(0);
  for (std::int64_t b = 0; b < segments.count(); ++b)
    results.push_back(segments.length(b) == 0 ? zeros(row, x.dtype()) : f(segment_of(x, segments, b)));
  return results.empty() ? zeros(with_rows(x.shape(), 0), x.dtype()) : stack(results);
}

/// f(the rows of a segment) for each segment that is not empty, one after the other.
template <class F>
Tensor mapped_reference(const Tensor& x, const Segments& segments, const F& f) {
  TensorList results;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    if (segments.length(b) > 0) results.push_back(f(segment_of(x, segments, b)));
  return results.empty() ? f(x) : cat(results);
}

/// The samples of an op over (N, …).
template <class Run, class Reference>
std::vector<Sample> row_samples(SampleMaker& make, Run run, Reference reference) {
  const auto sample = [run, reference](const char* name, const Tensor& x, const Segments& segments) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{run(in[0], segments)}; },
                  .reference = [=](const TensorList& in) { return TensorList{reference(in[0], segments)}; }};
  };
  return {sample("matrix", make.distinct({8, 3}), Segments::from_lengths({3, 0, 1, 4})),
          sample("one dimension", make.distinct({6}), Segments::from_lengths({2, 4})),
          sample("three dimensions", make.distinct({5, 2, 3}), Segments::from_lengths({5})),
          sample("long", make.distinct({130, 2}), Segments::from_lengths({129, 1})),
          sample("empty segments alone", make.normal({0, 3}), Segments::from_lengths({0, 0})),
          sample("nothing", make.normal({0, 3}), Segments())};
}

template <class Run>
std::vector<ErrorSample> row_errors(const char* op, Run run) {
  const Segments segments = Segments::from_lengths({2, 3});
  const std::string text = std::string(op) + ": the rows do not match";
  return {{"too few rows",
           [=] {
             run(zeros({4, 2}), segments);
           },
           ErrorKind::shape, text},
          {"scalar", [=] { run(zeros({}), segments); }, ErrorKind::shape, text},
          {"bools", [=] { run(zeros({5}, boolean), segments); }, ErrorKind::dtype, op}};
}

std::vector<Sample> samples_of_segment_sum(SampleMaker& make) {
  return row_samples(make, segment_sum, [](const Tensor& x, const Segments& segments) {
    return reduced_reference(x, segments, [](const Tensor& rows) { return sum(rows, {0}); });
  });
}

std::vector<ErrorSample> segment_sum_errors() { return row_errors("segment_sum", segment_sum); }

std::vector<Sample> samples_of_segment_mean(SampleMaker& make) {
  return row_samples(make, segment_mean, [](const Tensor& x, const Segments& segments) {
    return reduced_reference(x, segments, [](const Tensor& rows) { return mean(rows, {0}); });
  });
}

std::vector<ErrorSample> segment_mean_errors() { return row_errors("segment_mean", segment_mean); }

std::vector<Sample> samples_of_segment_expand(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, const Segments& segments) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [segments](const TensorList& in) { return TensorList{segment_expand(in[0], segments)}; },
                  .reference =
                      [segments](const TensorList& in) {
                        TensorList parts = {slice(in[0], 0, 0, 0)};
                        for (std::int64_t b = 0; b < segments.count(); ++b)
                          for (std::int64_t i = 0; i < segments.length(b); ++i)
                            parts.push_back(slice(in[0], 0, b, b + 1));
                        return TensorList{cat(parts)};
                      }};
  };
  return {sample("matrix", make.normal({4, 3}), Segments::from_lengths({3, 0, 1, 4})),
          sample("one dimension", make.normal({2}), Segments::from_lengths({2, 4})),
          sample("three dimensions", make.normal({1, 2, 3}), Segments::from_lengths({5})),
          sample("empty segments alone", make.normal({2, 3}), Segments::from_lengths({0, 0})),
          sample("nothing", make.normal({0, 3}), Segments())};
}

std::vector<ErrorSample> segment_expand_errors() {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"count",
           [=] {
             segment_expand(zeros({3, 2}), segments);
           },
           ErrorKind::shape, "segment_expand: needs one row per segment"},
          {"scalar", [=] { segment_expand(zeros({}), segments); }, ErrorKind::shape, "segment_expand: needs one row"}};
}

std::vector<Sample> samples_of_segment_max(SampleMaker& make) {
  return row_samples(make, segment_max, [](const Tensor& x, const Segments& segments) {
    return reduced_reference(x, segments, [](const Tensor& rows) { return amax(rows, {0}); });
  });
}

std::vector<ErrorSample> segment_max_errors() { return row_errors("segment_max", segment_max); }

std::vector<Sample> samples_of_segment_min(SampleMaker& make) {
  return row_samples(make, segment_min, [](const Tensor& x, const Segments& segments) {
    return reduced_reference(x, segments, [](const Tensor& rows) { return amin(rows, {0}); });
  });
}

std::vector<ErrorSample> segment_min_errors() { return row_errors("segment_min", segment_min); }

Tensor segment_softmax_reference(const Tensor& x, const Segments& segments) {
  return mapped_reference(x, segments, [](const Tensor& rows) {
    if (rows.size(0) == 0) return exp(rows);
    const Tensor e = exp(rows - amax(rows, {0}, true));
    return e / sum(e, {0}, true);
  });
}

std::vector<Sample> samples_of_segment_softmax(SampleMaker& make) {
  return row_samples(make, segment_softmax, segment_softmax_reference);
}

std::vector<ErrorSample> segment_softmax_errors() { return row_errors("segment_softmax", segment_softmax); }

}  // namespace

SampleList segment_samples() {
  return {{"segment_sum", samples_of_segment_sum, segment_sum_errors},
          {"segment_mean", samples_of_segment_mean, segment_mean_errors},
          {"segment_expand", samples_of_segment_expand, segment_expand_errors},
          {"segment_max", samples_of_segment_max, segment_max_errors},
          {"segment_min", samples_of_segment_min, segment_min_errors},
          {"segment_softmax", samples_of_segment_softmax, segment_softmax_errors}};
}

}  // namespace samples
