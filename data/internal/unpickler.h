#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/internal/pytorch_document.h"
#include "saw/data/internal/pytorch_globals.h"
#include "saw/data/internal/stored_type.h"

namespace saw {
namespace data {

/// A storage as a pickle mentions it, and the element type that its tensors have.
struct StorageRequest {
  std::string_view key;
  StoredType type;
  std::uint64_t count;  ///< of units; a unit is an element, or a byte of a storage that does not know its type
  std::uint64_t unit;   ///< bytes of one

  std::uint64_t elements() const { return unit == size_of(type) ? count : count / size_of(type); }
};

/// Where the elements behind the tensors of a pickle come from.
class StorageLoader {
 public:
  virtual ~StorageLoader() = default;
  /// The storage: memory for at least request.elements() of loaded_dtype(request.type). The same key gives the same
  /// storage. Throws Error(io) where there is none, where it is smaller, and where it was asked for as another type.
  virtual std::shared_ptr<Storage> load(const StorageRequest& request) = 0;
};

/// An interpreter of the pickles that torch.save writes (protocols 2 to 5). It builds None, bool, int, float, str,
/// bytes, tuple, list, dict and tensors; of the things that a pickle can name and call it knows those in
/// pytorch_globals.h, and what it calls is its own code. All errors are Error(io) and begin with the path.
///
/// An opcode makes at most one value, so memory is bounded by the bytes of the pickle, whatever they say.
class Unpickler {
 public:
  using Index = PytorchDocument::Index;

  Unpickler(std::string_view pickle, const std::string& path, StorageLoader& storages, PytorchDocument& document);

  /// Runs the pickle up to its STOP and returns what it made, which check_document still has to see.
  Index load();

  /// Bytes taken so far: where the next pickle begins.
  std::size_t position() const { return position_; }

 private:
  using Kind = PytorchDocument::Kind;
  using Node = PytorchDocument::Node;

  /// A storage that the pickle mentions. It is loaded when a tensor is made of it.
  struct StorageReference {
    Index key;            // a string
    StoredType type;      // of an untyped storage: uint8
    bool typed;           // where not, its tensors say what the elements are
    std::uint64_t count;  // elements of the whole storage
    std::uint64_t begin;  // the part that tensors see: all of it, but for views of storages in old files
    std::uint64_t visible;
  };

  struct TensorView {
    Shape shape;
    Strides strides;
    std::int64_t offset;
  };

  // ---- bytes ----
  std::string_view take(std::uint64_t count);
  std::string_view take_line();
  template <class T>
  T take_number();

  // ---- the stack ----
  void push(Index node) { stack_.push_back(node); }
  Index pop();
  Index top() const;
  std::size_t pop_mark();
  /// A mark hides what lies below it.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Index below(std::size_t mark) const;
  std::span<const Index> above(std::size_t mark) const { return std::span(stack_).subspan(mark); }

  // ---- values ----
  Node& node(Index index) { return document_.nodes[index]; }
  const Node& node(Index index) const { return document_.nodes[index]; }
  Index make(const Node& value);
  Index make_integer(std::int64_t value);
  Index make_text(Kind kind, std::string_view text);
  Index make_string(std::string_view text);
  Index make_tuple(std::span<const Index> elements);
  Index make_long(std::string_view little_endian);
  Index make_real(std::string_view big_endian);
  Index make_container(Kind kind);
  void append(Index list, std::span<const Index> items);
  void set_items(Index dict, std::span<const Index> keys_and_values);
  void add_items(Index container, std::span<const Index> items);
  const char* kind_name(Index index) const;
  std::span<const Index> expect_tuple(Index index, std::string_view what) const;
  std::uint64_t expect_count(Index index, std::string_view what) const;
  std::string_view expect_string(Index index, std::string_view what) const;

  // ---- opcodes ----
  void run_opcode(unsigned char opcode);
  void push_tuple_of(std::size_t count);
  void memoize(std::uint64_t slot);
  void recall(std::uint64_t slot);
  void push_global(std::string_view module, std::string_view name);
  void push_storage(Index id);
  const PytorchGlobal* global(Index index) const;

  // ---- what can be called (unpickler_calls.cpp) ----
  Index call(Index function, std::span<const Index> arguments);
  void count_copied(std::size_t amount);
  Index make_dict_of(std::span<const Index> arguments);
  Index make_list_of(std::span<const Index> arguments);
  Index make_bytes_of(std::span<const Index> arguments);
  Index make_size(std::span<const Index> arguments);
  Index make_device(std::span<const Index> arguments);
  Index make_tensor(const PytorchGlobal& function, std::span<const Index> arguments);
  StoredType tensor_dtype(const StorageReference& storage, Index dtype) const;
  TensorView checked_view(std::span<const Index> arguments, std::uint64_t elements) const;

  template <class... Arguments>
  [[noreturn]] void reject(fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    fail(ErrorKind::io, "{}: its pickle cannot be read at byte {}: {}", path_, opcode_position_,
         fmt::format(text, std::forward<Arguments>(arguments)...));
  }

  std::string_view pickle_;
  const std::string& path_;
  StorageLoader& storages_;
  PytorchDocument& document_;
  std::size_t position_ = 0;
  std::size_t opcode_position_ = 0;  // for messages
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::vector<Index> memo_;
  std::vector<const PytorchGlobal*> globals_;  // that the pickle has mentioned
  std::vector<StorageReference> references_;
  std::uint64_t copied_ = 0;  // by calls
};

}  // namespace data
}  // namespace saw
