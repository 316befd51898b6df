#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "saw/autograd/state_dict.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

struct PytorchDocument;
struct PytorchNode;

/// What a file of torch.save holds, as far as saw reads it. A handle: copying it copies nothing, and it keeps alive the
/// whole contents of the file it came from.
///
/// torch.Size is a tuple; set, frozenset and the like are lists, OrderedDict and Counter dicts; a torch.dtype or
/// torch.device is a string ("torch.float32", "cuda:0"). Parameters are plain tensors. What the file shares stays
/// shared: tensors that were views of one storage still are.
class PytorchValue {
 public:
  /// What a value is in Python.
  enum class Kind : std::uint8_t {
    none,     ///< None
    boolean,  ///< bool
    integer,  ///< int
    real,     ///< float
    string,   ///< str
    bytes,    ///< bytes
    tensor,   ///< torch.Tensor
    tuple,    ///< tuple
    list,     ///< list
    dict,     ///< dict
  };

  /// None.
  PytorchValue() = default;
  /// For the reader.
  PytorchValue(std::shared_ptr<const PytorchDocument> document, std::uint32_t node)
      : document_(std::move(document)), node_(node) {}

  Kind kind() const;                                     ///< which of the others may be asked
  bool is_none() const { return kind() == Kind::none; }  ///< whether it is None

  // Each of these throws Error(argument), which names both kinds, where the value is of another kind.

  bool boolean() const;          ///< True or False
  std::int64_t integer() const;  ///< an int of 64 bits
  /// A float, or an int as one.
  double real() const;
  /// UTF-8.
  std::string_view string() const;
  std::string_view bytes() const;  ///< as they are
  Tensor tensor() const;           ///< without a copy

  /// How many elements a list or tuple has, or entries a dict.
  std::size_t size() const;
  /// An element of a list or tuple. Throws Error(index) beyond its end.
  PytorchValue element(std::size_t index) const;
  /// The key and the value of a dict's entry, in the order of the file. Throw Error(index) beyond its end.
  PytorchValue key(std::size_t index) const;
  PytorchValue value(std::size_t index) const;  ///< the value of entry `index`
  /// The value that a dict has under this string, if there is one. Takes time in proportion to the dict's size.
  std::optional<PytorchValue> find(std::string_view key) const;
  /// The same; throws Error(argument) where there is none.
  PytorchValue at(std::string_view key) const;

 private:
  const PytorchNode& node() const;
  PytorchValue child(std::size_t index, std::size_t position) const;

  std::shared_ptr<const PytorchDocument> document_;  // none for a None that is in no file
  std::uint32_t node_ = 0;
};

/// "None", "bool", "int", "float", "str", "bytes", "tensor", "tuple", "list", "dict".
const char* to_string(PytorchValue::Kind kind);

/// Reads what torch.save wrote: the zip container of PyTorch 1.6 and later or the older form of five pickles. Nothing
/// in the file is executed: the pickle is read by an interpreter that knows tensors, containers, numbers and strings
/// and refuses everything else by name.
///
/// Elements float32, float64, int64 and bool are read as they are, float16 and bfloat16 become float32, all other
/// integers int64. Tensors that were on another device are read into memory. Strides are kept, so that an expanded
/// tensor costs no more than its storage: whoever copies a tensor of an unknown file looks at its numel() first.
///
/// Throws Error(io) that begins with the path: for a file that is damaged, for what the interpreter does not know
/// (TorchScript modules, whole pickled modules, quantised, sparse and complex tensors, integers beyond 64 bits, the tar
/// form of before 2017), for tensors that reach beyond their storage or have more than 8 dimensions, for values that
/// contain themselves or are nested deeper than 1,000 levels. What it asks memory for is at most 8 times the bytes of
/// the records (int8 becomes int64) and 100 times those of the pickle, beside some megabytes, whatever the file says.
PytorchValue load_pytorch(const std::string& path);

/// The same where the whole file is one tensor (as the HW04 features are). Throws Error(io) where it is something else,
/// and where a stride of 0 makes it more than 64 times as large as what is stored: whoever copies it would need that.
Tensor load_pytorch_tensor(const std::string& path);

/// The same for a dict of tensors, or a dict with such a dict under "state_dict" or "model"; names and their order as
/// in the file. Throws Error(io) where it is something else or an entry is no tensor, and as above.
StateDict load_pytorch_state_dict(const std::string& path);

/// Whether the file is a TorchScript archive (torch.jit.save), which has the same suffix but holds a program.
/// load_pytorch refuses such files; a reader of a folder may want to pass over them. Throws Error(io) where the file
/// cannot be opened.
bool is_torchscript(const std::string& path);

/// Writes what torch.load(…, weights_only=True) of PyTorch 1.6 and later reads: float32, float64, int64 and bool, in
/// any layout. A StateDict becomes an OrderedDict. Tensors that share a storage still do when they are loaded, and
/// their storage is written once and whole. The same tensors give the same bytes. The file appears whole or not at all.
/// Throws Error(argument) for an undefined tensor, for names that are repeated or not UTF-8; Error(io) where the file
/// cannot be written.
void save_pytorch(const std::string& path, const Tensor& tensor);
void save_pytorch(const std::string& path, const StateDict& state);

}  // namespace data
}  // namespace saw
