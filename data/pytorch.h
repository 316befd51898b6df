#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "saw/autograd/state_dict.h"
#include "saw/autograd/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// What a file of torch.save can hold, as far as saw reads it: None, bool, int, float, str, tensor, list or tuple, dict.
class PytorchValue;

/// Reads what torch.save wrote: the zip container of PyTorch 1.6 and later or the older form of five pickles. Nothing in
/// the file is executed: the pickle is read by an interpreter that knows tensors and containers and refuses everything
/// else by name. Throws Error(io) that begins with the path.
PytorchValue load_pytorch(const std::string& path);
/// The same where the whole file is one tensor (as the HW04 features are).
Tensor load_pytorch_tensor(const std::string& path);
/// The same for a dict of tensors, or a dict with such a dict under "state_dict" or "model"; names as in the file.
StateDict load_pytorch_state_dict(const std::string& path);

/// Writes what torch.load(…, weights_only=True) reads. The file appears whole or not at all.
void save_pytorch(const std::string& path, const Tensor& tensor);
void save_pytorch(const std::string& path, const StateDict& state);

}  // namespace data
}  // namespace saw
