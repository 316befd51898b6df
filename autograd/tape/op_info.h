#pragma once

namespace [[gnu::visibility("default")]] saw {

/// What the registry knows of an op; tests, the table in the docs and the benchmarks are generated from
/// it. Its samples are in tests/samples.
struct OpInfo {
  const char* name;     ///< as users call it: "softmax"
  const char* formula;  ///< one line for the table of ops: "exp(x) / sum(exp(x))"
  bool differentiable;  ///< false: never has a gradient
};

}  // namespace saw
