#pragma once

// What tests and benchmarks call ops on: example inputs beside independent oracles, and calls that must throw.

#include <string_view>
#include <vector>

#include "saw/autograd/tape/op_info.h"

namespace samples {

using saw::ErrorSample;
using saw::Sample;
using saw::SampleMaker;

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
