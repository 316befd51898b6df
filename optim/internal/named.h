#pragma once

// For sources of optim/, not for users: names of parameters, and state that is saved and loaded under them.

#include <cstdint>
#include <string>
#include <vector>

#include "saw/autograd/state_dict.h"
#include "saw/optim/parameters.h"

namespace saw::optim {

/// A name for every parameter: the given one, else the leaf's own, else (or where another has that already)
/// "parameter.<i>" with its place i in the list. Throws Error(argument) in the name of `who` where a given name
/// comes twice.
std::vector<std::string> unique_names(const std::string& who, const Parameters& parameters);

/// Throws Error in the name of `who` unless there are parameters, all of them contiguous and floating point, and no two
/// of them the same.
void check_parameters(const std::string& who, const Parameters& parameters, const std::vector<std::string>& names);

/// The entries of `state` that `expected` names, in its order. Throws one Error(argument) in the name of `who` with all
/// names that are missing, not expected, there twice, or of another shape or dtype than `expected`.
TensorList matching(const std::string& who, const StateDict& expected, const StateDict& state);

/// The number in a one-element tensor of a state. Throws Error(argument) in the name of `who` where it is negative.
std::int64_t loaded_count(const std::string& who, const std::string& name, const Tensor& value);

/// The learning rates in a float64 tensor of a state. Throws Error(argument) in the name of `who` where one is negative
/// or not finite.
std::vector<double> loaded_rates(const std::string& who, const std::string& name, const Tensor& values);

}  // namespace saw::optim
