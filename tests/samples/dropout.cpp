#include <cmath>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// Element i kept where the stream's word i / columns says so, one word at a time.
Tensor dropout_reference(const Tensor& x, double probability, bool rescale, std::uint64_t seed, std::uint64_t number,
                         std::int64_t columns) {
  std::vector<double> values = doubles_of(x);
  const RandomStream stream(seed, number);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto element = static_cast<std::uint64_t>(i) / static_cast<std::uint64_t>(columns);
    const bool kept = stream.block(element / 4)[element % 4] >= std::round(probability * 0x1p32);
    values[i] *= kept ? (rescale ? 1.0 / (1.0 - probability) : 1.0) : 0.0;
  }
  return from_doubles(values, x.shape(), x.dtype());
}

std::vector<Sample> samples_of_dropout(SampleMaker& make) {
  // A generator made anew in every call: the mask must be the same each time.
  const auto sample = [](const char* name, const Tensor& x, double probability) {
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [probability](const TensorList& in) {
                        Generator generator(7, 3);
                        return TensorList{dropout(in[0], probability, generator)};
                      },
                  .reference =
                      [probability](const TensorList& in) {
                        return TensorList{dropout_reference(in[0], probability, true, 7, 3, 1)};
                      }};
  };
  return {sample("half", make.normal({5, 7}), 0.5),  sample("a third", make.normal({3, 4, 3}), 1.0 / 3.0),
          sample("never", make.normal({2, 3}), 0.0), sample("always", make.normal({2, 3}), 1.0),
          sample("scalar", make.normal({}), 0.2),    sample("empty", make.normal({0, 3}), 0.5),
          sample("long", make.normal({3, 700}), 0.1)};
}

std::vector<ErrorSample> dropout_errors() {
  return {{"negative", [] { dropout(zeros({2}), -0.1); }, ErrorKind::argument, "dropout: the probability"},
          {"above 1", [] { dropout(zeros({2}), 1.5); }, ErrorKind::argument, "dropout: the probability"},
          {"nan", [] { dropout(zeros({2}), std::nan("")); }, ErrorKind::argument, "dropout: the probability"},
          {"dtype", [] { dropout(zeros({2}, int64), 0.5); }, ErrorKind::dtype, "dropout: needs floating point"}};
}

std::vector<Sample> samples_of_row_dropout(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& x, double probability, bool rescale) {
    std::int64_t columns = 1;
    for (std::size_t axis = 1; axis < x.rank(); ++axis) columns *= x.shape()[axis];
    return Sample{.name = name,
                  .inputs = {x},
                  .run =
                      [=](const TensorList& in) {
                        Generator generator(7, 5);
                        return TensorList{row_dropout(in[0], probability, rescale, generator)};
                      },
                  .reference =
                      [=](const TensorList& in) {
                        return TensorList{dropout_reference(in[0], probability, rescale, 7, 5, columns)};
                      }};
  };
  return {
      sample("rescaled", make.normal({9, 3}), 0.5, true),      sample("word dropout", make.normal({9, 3}), 0.3, false),
      sample("three axes", make.normal({6, 2, 2}), 0.5, true), sample("one axis", make.normal({11}), 0.5, true),
      sample("never", make.normal({3, 2}), 0.0, true),         sample("always", make.normal({3, 2}), 1.0, true),
      sample("empty", make.normal({0, 3}), 0.5, true)};
}

std::vector<ErrorSample> row_dropout_errors() {
  return {{"above 1",
           [] {
             Generator generator(1);
             row_dropout(zeros({2, 2}), 1.1, true, generator);
           },
           ErrorKind::argument, "row_dropout: the probability"},
          {"scalar",
           [] {
             Generator generator(1);
             row_dropout(zeros({}), 0.5, true, generator);
           },
           ErrorKind::shape, "row_dropout: needs rows"},
          {"dtype",
           [] {
             Generator generator(1);
             row_dropout(zeros({2, 2}, boolean), 0.5, true, generator);
           },
           ErrorKind::dtype, "row_dropout: needs floating point"}};
}

}  // namespace

SampleList dropout_samples() {
  return {{"dropout", samples_of_dropout, dropout_errors}, {"row_dropout", samples_of_row_dropout, row_dropout_errors}};
}

}  // namespace samples
