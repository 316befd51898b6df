#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {

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

/// What the registry knows of an op; tests, the table in the docs and the benchmarks are generated from it.
struct OpInfo {
  const char* name;     ///< as users call it: "softmax"
  const char* formula;  ///< one line for the table of ops: "exp(x) / sum(exp(x))"
  bool differentiable;  ///< false: never has a gradient
  std::vector<Sample> (*samples)(SampleMaker& make) = nullptr;  // until every family has moved to tests/samples
  std::vector<ErrorSample> (*errors)() = nullptr;
};

}  // namespace saw
