#include <cmath>
#include <string>

#include "samples/families.h"
#include "samples/segments.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// f(the numbers of one column of one segment), in double, for all of them.
template <class F>
Tensor columnwise(const Tensor& x, const Segments& segments, const F& f) {
  const std::vector<double> values = to(x, float64).to_vector<double>();
  const Shape shape = with_rows(x.shape(), segments.count());
  const std::size_t columns = segments.rows() == 0 ? 1 : values.size() / static_cast<std::size_t>(segments.rows());
  std::vector<double> results;
  for (std::int64_t b = 0; b < segments.count(); ++b)
    for (std::size_t c = 0; c < columns && std::ssize(results) < shape.numel(); ++c) {
      std::vector<double> column;
      for (std::int64_t row = segments.begin(b); row < segments.end(b); ++row)
        column.push_back(values[static_cast<std::size_t>(row) * columns + c]);
      results.push_back(f(column));
    }
  results.resize(static_cast<std::size_t>(shape.numel()), f(std::vector<double>{}));
  return to(tensor(results, shape), x.dtype());
}

template <class Run, class F>
std::vector<Sample> row_samples(SampleMaker& make, Run run, F f) {
  const auto sample = [run, f](const char* name, const Tensor& x, const Segments& segments) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run = [=](const TensorList& in) { return TensorList{run(in[0], segments)}; },
                  .reference = [=](const TensorList& in) { return TensorList{columnwise(in[0], segments, f)}; }};
  };
  return {sample("matrix", make.normal({8, 3}), Segments::from_lengths({3, 1, 4})),
          sample("one dimension", make.normal({6}), Segments::from_lengths({2, 4})),
          sample("three dimensions", make.normal({5, 2, 3}), Segments::from_lengths({5})),
          sample("long", make.normal({130, 2}), Segments::from_lengths({129, 1})),
          sample("nothing", make.normal({0, 3}), Segments())};
}

template <class Run>
std::vector<ErrorSample> row_errors(const std::string& op, Run run) {
  const Segments segments = Segments::from_lengths({2, 3});
  return {{"too few rows",
           [=] {
             run(zeros({4, 2}), segments);
           },
           ErrorKind::shape, op + ": the rows do not match"},
          {"integers",
           [=] {
             run(zeros({5, 2}, int64), segments);
           },
           ErrorKind::dtype, op}};
}

double variance(const std::vector<double>& column, double correction) {
  const double size = static_cast<double>(column.size());
  if (size <= correction) return 0;
  double mean = 0, total = 0;
  for (const double x : column) mean += x / size;
  for (const double x : column) total += (x - mean) * (x - mean);
  return total / (size - correction);
}

std::vector<Sample> samples_of_segment_var(SampleMaker& make) {
  std::vector<Sample> samples = row_samples(
      make, [](const Tensor& x, const Segments& segments) { return segment_var(x, segments); },
      [](const std::vector<double>& column) { return variance(column, 0); });
  for (const Sample& corrected : row_samples(
           make, [](const Tensor&x, const Segments&segments) { return segment_var(x, segments, 1); },
           [](const std::vector<double>&column) { return variance(column, 1); })) {
    samples.push_back(corrected);
    samples.back().name += ", correction 1";
  }
  const Segments segments = Segments::from_lengths({0, 2, 0});
  samples.push_back({.name = "empty segments",
                     .inputs = {make.normal({2, 3})},
                     .run = [=](const TensorList& in) { return TensorList{segment_var(in[0], segments)}; },
                     .reference =
                         [=](const TensorList& in) {
                           return TensorList{columnwise(
                               in[0], segments, [](const std::vector<double>& column) { return variance(column, 0); })};
                         }});
  return samples;
}

std::vector<ErrorSample> segment_var_errors() {
  std::vector<ErrorSample> errors =
      row_errors("segment_var", [](const Tensor& x, const Segments& segments) { return segment_var(x, segments); });
  errors.push_back({"correction", [] { segment_var(zeros({2}), Segments::single(2), -1); }, ErrorKind::argument,
                    "segment_var: the correction must not be negative"});
  return errors;
}

std::vector<Sample> samples_of_segment_logsumexp(SampleMaker& make) {
  const auto logsumexp_of = [](const std::vector<double>& column) {
    double total = 0;
    for (const double x : column) total += std::exp(x);
    return std::log(total);
  };
  std::vector<Sample> samples = row_samples(make, segment_logsumexp, logsumexp_of);
  const Segments segments = Segments::from_lengths({3, 2});
  samples.push_back(
      {.name = "numbers that exp alone would lose",
       .inputs = {make.uniform({5, 2}, 400.0, 402.0)},
       .run = [=](const TensorList& in) { return TensorList{segment_logsumexp(in[0], segments)}; },
       .reference = [=](const TensorList& in) { return TensorList{columnwise(in[0], segments, logsumexp_of)}; }});
  return samples;
}

std::vector<ErrorSample> segment_logsumexp_errors() { return row_errors("segment_logsumexp", segment_logsumexp); }

}  // namespace

SampleList segment_statistics_samples() {
  return {{"segment_var", samples_of_segment_var, segment_var_errors},
          {"segment_logsumexp", samples_of_segment_logsumexp, segment_logsumexp_errors}};
}

}  // namespace samples
