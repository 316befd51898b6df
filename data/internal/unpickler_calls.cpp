// What a pickle of torch.save may call, done by code of our own.

#include <algorithm>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/quote.h"
#include "saw/data/internal/unpickler.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

// A tensor of more elements is beyond any machine; the bound keeps sizes far from overflow.
constexpr std::uint64_t most_elements = std::uint64_t{1} << 48;

}  // namespace

Unpickler::Index Unpickler::call(Index function, std::span<const Index> arguments) {
  const PytorchGlobal* known = global(function);
  if (known == nullptr) reject("it calls a {}", kind_name(function));
  switch (known->kind) {
    case GlobalKind::ordered_dict:
    case GlobalKind::counter:
      return make_dict_of(arguments);
    case GlobalKind::set:
      return make_list_of(arguments);
    case GlobalKind::bytes:
      if (!arguments.empty()) reject("bytes of {} arguments; expected none", arguments.size());
      return make_text(Kind::bytes, "");
    case GlobalKind::encode:
      return make_bytes_of(arguments);
    case GlobalKind::size:
      return make_size(arguments);
    case GlobalKind::device:
      return make_device(arguments);
    case GlobalKind::rebuild_tensor:
    case GlobalKind::rebuild_tensor_v2:
    case GlobalKind::rebuild_tensor_v3:
      return make_tensor(*known, arguments);
    case GlobalKind::rebuild_parameter:  // tensor, requires_grad, hooks, perhaps attributes
      if (arguments.size() < 3 || node(arguments[0]).kind != Kind::tensor) reject("a parameter that is no tensor");
      return arguments[0];
    default:
      reject("it calls {}.{}", known->module, known->name);
  }
}

// A call is short however much it copies: what all of them copy is kept in proportion to the pickle.
void Unpickler::count_copied(std::size_t amount) {
  copied_ += amount;
  if (copied_ > pickle_.size()) reject("it copies more than it holds");
}

// OrderedDict(), OrderedDict([[key, value], …]) (Python 2) or Counter({key: value, …}).
Unpickler::Index Unpickler::make_dict_of(std::span<const Index> arguments) {
  if (arguments.empty()) return make_container(Kind::dict);
  if (arguments.size() > 1) reject("a dict of {} arguments; expected at most 1", arguments.size());
  if (node(arguments[0]).kind == Kind::dict) return arguments[0];
  if (node(arguments[0]).kind != Kind::list) reject("a dict of a {}", kind_name(arguments[0]));
  count_copied(document_.children(node(arguments[0])).size());
  std::vector<Index> items;
  for (const Index pair : document_.children(node(arguments[0]))) {
    const std::span<const Index> both = document_.children(node(pair));
    if (both.size() != 2) reject("a dict of something else than pairs");
    items.insert(items.end(), both.begin(), both.end());
  }
  const Index made = make_container(Kind::dict);
  set_items(made, items);
  return made;
}

Unpickler::Index Unpickler::make_list_of(std::span<const Index> arguments) {
  if (arguments.empty()) return make_container(Kind::list);
  if (arguments.size() > 1 || node(arguments[0]).kind != Kind::list) reject("a set of something else than one list");
  return arguments[0];
}

// encode("…", "latin1"): each code point is a byte.
Unpickler::Index Unpickler::make_bytes_of(std::span<const Index> arguments) {
  if (arguments.size() != 2 || expect_string(arguments[1], "an encoding") != "latin1")
    reject("text that is encoded otherwise than by latin1");
  const std::string_view text = expect_string(arguments[0], "encoded text");
  count_copied(text.size());
  std::string bytes;
  for (const char32_t code_point : decode_utf8(text)) {
    if (code_point > 0xFF) reject("bytes beyond 255");
    bytes += static_cast<char>(code_point);
  }
  return make_text(Kind::bytes, bytes);
}

Unpickler::Index Unpickler::make_size(std::span<const Index> arguments) {
  if (arguments.size() > 1) reject("a torch.Size of {} arguments; expected at most 1", arguments.size());
  if (arguments.empty()) return make_tuple({});
  expect_tuple(arguments[0], "a torch.Size");
  return arguments[0];
}

// device("cpu") or device("cuda", 0), read as "cpu" or "cuda:0".
Unpickler::Index Unpickler::make_device(std::span<const Index> arguments) {
  if (arguments.empty() || arguments.size() > 2) reject("a device of {} arguments; expected 1 or 2", arguments.size());
  std::string name(expect_string(arguments[0], "a device"));
  count_copied(name.size());
  if (arguments.size() == 2) name += fmt::format(":{}", expect_count(arguments[1], "the number of a device"));
  return make_string(name);
}

// _rebuild_tensor(storage, offset, sizes, strides), _v2(…, requires_grad, hooks[, metadata]),
// _v3(…, requires_grad, hooks, dtype[, metadata]).
Unpickler::Index Unpickler::make_tensor(const PytorchGlobal& function, std::span<const Index> arguments) {
  const std::size_t fewest = function.kind == GlobalKind::rebuild_tensor      ? 4
                             : function.kind == GlobalKind::rebuild_tensor_v2 ? 6
                                                                              : 7;
  const std::size_t most = fewest + (fewest == 4 ? 0 : 1);
  if (arguments.size() < fewest || arguments.size() > most)
    reject("{} of {} arguments; expected {} to {}", function.name, arguments.size(), fewest, most);
  if (arguments.size() == most && fewest > 4 && !document_.children(node(arguments.back())).empty())
    reject("a tensor whose numbers are to be negated or conjugated; call resolve_neg() before saving");
  if (node(arguments[0]).kind != Kind::storage)
    reject("the storage of a tensor: got a {}; expected a storage", kind_name(arguments[0]));

  const StorageReference& storage = references_[static_cast<std::size_t>(node(arguments[0]).begin)];
  const StoredType type = fewest == 7 ? tensor_dtype(storage, arguments[6]) : storage.type;
  const std::uint64_t units = storage.typed ? 1 : size_of(type);  // of an element: an untyped storage counts bytes
  const TensorView view = checked_view(arguments, storage.visible / units);
  std::shared_ptr<Storage> memory = storages_.load({.key = document_.text_of(node(storage.key)),
                                                    .type = type,
                                                    .count = storage.count,
                                                    .unit = size_of(type) / units});

  document_.tensors.emplace_back(std::move(memory), view.shape, view.strides,
                                 view.offset + static_cast<std::int64_t>(storage.begin / units), loaded_dtype(type));
  return make({.kind = Kind::tensor, .begin = document_.tensors.size() - 1});
}

StoredType Unpickler::tensor_dtype(const StorageReference& storage, Index dtype) const {
  if (node(dtype).kind != Kind::dtype) reject("the dtype of a tensor: got a {}; expected a dtype", kind_name(dtype));
  const std::string_view name = document_.text_of(node(dtype));
  const std::optional<StoredType> type = stored_type_of_dtype(name);
  if (!type) reject("elements of {} cannot be read", name);
  if (storage.typed && *type != storage.type)
    reject("a tensor of {} over a storage of {}", to_string(*type), to_string(storage.type));
  return *type;
}

Unpickler::TensorView Unpickler::checked_view(std::span<const Index> arguments, std::uint64_t elements) const {
  const std::uint64_t offset = expect_count(arguments[1], "the offset of a tensor");
  const std::span<const Index> sizes = expect_tuple(arguments[2], "the sizes of a tensor");
  const std::span<const Index> strides = expect_tuple(arguments[3], "the strides of a tensor");
  if (sizes.size() != strides.size()) reject("a tensor of {} sizes and {} strides", sizes.size(), strides.size());
  if (sizes.size() > Shape::max_rank)
    reject("a tensor of {} dimensions; expected at most {}", sizes.size(), std::size_t{Shape::max_rank});

  Shape shape;
  std::uint64_t count = 1;  // zeros count as ones: strides are products of sizes too
  bool empty = false;
  for (const Index index : sizes) {
    const std::uint64_t size = expect_count(index, "the size of a tensor");
    empty = empty || size == 0;
    if (size > most_elements / count) reject("a tensor of too many elements");
    count *= std::max<std::uint64_t>(size, 1);
    shape.push_back(static_cast<std::int64_t>(size));
  }
  TensorView view{.shape = shape, .strides = contiguous_strides(shape), .offset = 0};
  if (empty) return view;

  // The offset of the last element. Where a size is 1 its stride means nothing and may be anything.
  std::uint64_t last = offset;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const std::uint64_t stride = expect_count(strides[axis], "the stride of a tensor");
    if (shape[axis] == 1) continue;
    const auto steps = static_cast<std::uint64_t>(shape[axis]) - 1;
    if (last >= elements || stride > (elements - last) / steps) {
      last = elements;
      break;
    }
    last += steps * stride;
    view.strides[axis] = static_cast<std::int64_t>(stride);
  }
  if (last >= elements) reject("a tensor of shape {} reaches beyond its storage of {} elements", shape, elements);
  view.offset = static_cast<std::int64_t>(offset);
  return view;
}

}  // namespace data
}  // namespace saw
