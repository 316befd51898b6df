#pragma once

// What tests and benchmarks call ops on: example inputs beside independent oracles, and calls that must throw.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"

namespace samples {

using saw::DType;
using saw::ErrorKind;
using saw::Generator;
using saw::Shape;
using saw::Tensor;
using saw::TensorList;

/// Makes the inputs of samples: all of one floating dtype, drawn from one seed.
class SampleMaker {
 public:
  SampleMaker(DType dtype, std::uint64_t seed) : dtype_(dtype), generator_(seed) {}

  DType dtype() const { return dtype_; }
  Tensor normal(const Shape& shape);
  Tensor uniform(const Shape& shape, double low, double high);
  /// Normal numbers pushed at least `margin` away from each of `kinks`, where a function is not differentiable.
  Tensor away_from(const Shape& shape, std::initializer_list<double> kinks, double margin = 0.1);
  /// Distinct values, in random order and at least 0.1 apart: for sort, max and others that dislike ties.
  Tensor distinct(const Shape& shape);
  Tensor integers(const Shape& shape, std::int64_t low, std::int64_t high);  ///< int64
  Tensor conditions(const Shape& shape);                                     ///< bool

 private:
  DType dtype_;
  Generator generator_;
};

/// One call of an op on example inputs, beside the same thing computed naively.
struct Sample {
  using Function = std::function<TensorList(const TensorList& inputs)>;
  std::string name;
  TensorList inputs;
  Function run;        ///< the op
  Function reference;  ///< a slow composite of plain ops, or a scalar loop; the oracle for values
  /// Allowed |run − reference| in units of (eps of the dtype · the largest magnitude); raise it only by a derivation.
  double tolerance = 64;
  /// False where the inputs must be contiguous or their layout is the point of the sample.
  bool vary_layout = true;
  /// Inputs (by position) that never have a gradient although they are floating point.
  std::vector<std::size_t> constants = {};
};

/// A call that must throw, with a part of the text that must appear.
struct ErrorSample {
  std::string name;
  std::function<void()> call;
  ErrorKind kind;
  std::string message;
};

/// The samples of one op, by its name in the registry.
struct OpSamples {
  const char* op;
  std::vector<Sample> (*samples)(SampleMaker& make);
  std::vector<ErrorSample> (*errors)();
};

using SampleList = std::vector<OpSamples>;

/// All families' lists, one after the other.
const SampleList& all();

/// The samples of the op of that name, or nullptr.
const OpSamples* find(std::string_view op);

}  // namespace samples
