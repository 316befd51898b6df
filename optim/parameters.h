#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/state_dict.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// What an optimizer (or clipping, or an average of weights) works on: tensors in an order, with the names they have in
/// saved states. Made from `model.parameters()` or `model.named_parameters()`.
class Parameters {
 public:
  Parameters() = default;
  /// The names are those of the leaves; see names().
  Parameters(TensorList tensors) : tensors_(std::move(tensors)), names_(tensors_.size()) {}
  Parameters(std::initializer_list<Tensor> tensors) : Parameters(TensorList(tensors)) {}
  Parameters(const StateDict& named);

  std::size_t size() const { return tensors_.size(); }                   ///< how many
  bool empty() const { return tensors_.empty(); }                        ///< whether there are none
  const Tensor& operator[](std::size_t i) const { return tensors_[i]; }  ///< the i-th, unchecked
  const TensorList& tensors() const { return tensors_; }                 ///< in the order given
  /// The given names; "" where none was given.
  const std::vector<std::string>& names() const { return names_; }
  /// Puts `others` behind.
  void append(const Parameters& others);

 private:
  TensorList tensors_;
  std::vector<std::string> names_;
};

/// Parameters with options of their own.
///
///   optim::AdamW adam({{.parameters = model.encoder.parameters(), .options = {.learning_rate = 1e-4}},
///                      {.parameters = model.head.parameters(), .options = {.learning_rate = 1e-3}}});
template <class Options>
struct ParameterGroup {
  Parameters parameters;  ///< of this group
  Options options = {};   ///< for this group alone
};

/// Options for the parameters whose names fit a pattern (name_matches() in state_dict.h).
template <class Options>
struct PatternOptions {
  std::string pattern;   ///< "encoder.*", "*.bias"
  Options options = {};  ///< for what fits
};

/// The parameters that fit no pattern, and then those of each pattern; what fits several belongs to the first. Throws
/// Error(argument) for a pattern that gets no parameter.
std::vector<Parameters> split_by_pattern(const StateDict& named, const std::vector<std::string>& patterns);

/// Parameters that are multiplied with what passes through a model, and then biases and the weights of norms: all of
/// rank 0 or 1, and those whose name ends in "bias".
std::vector<Parameters> split_by_decay(const StateDict& named);

/// Groups by name for an optimizer's constructor. Group 0 has what fits no pattern, with the options `rest`; group i
/// has what fits pattern i, counted from 1.
///
///   optim::AdamW adam(optim::groups(model.named_parameters(), optim::AdamWOptions{.learning_rate = 1e-3},
///                                   {{"encoder.*", {.learning_rate = 1e-4}}, {"*.bias", {.weight_decay = 0.0}}}));
template <class Options>
std::vector<ParameterGroup<Options>> groups(const StateDict& named, const Options& rest,
                                            const std::vector<PatternOptions<Options>>& patterns) {
  std::vector<std::string> names;
  for (const PatternOptions<Options>& pattern : patterns) names.push_back(pattern.pattern);
  std::vector<ParameterGroup<Options>> result;
  for (Parameters& parameters : split_by_pattern(named, names))
    result.push_back({std::move(parameters), result.empty() ? rest : patterns[result.size() - 1].options});
  return result;
}

/// Two groups with these options, the second, that of biases and norms, without weight decay:
///
///   optim::AdamW adam(optim::without_decay_of_biases_and_norms(model.named_parameters(), optim::AdamWOptions{}));
template <class Options>
std::vector<ParameterGroup<Options>> without_decay_of_biases_and_norms(const StateDict& named, const Options& options) {
  std::vector<Parameters> parts = split_by_decay(named);
  Options without = options;
  without.weight_decay = 0.0;
  return {{std::move(parts[0]), options}, {std::move(parts[1]), without}};
}

}  // namespace optim
}  // namespace saw
