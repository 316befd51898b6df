// Writing what torch.load reads: the archive of PyTorch 1.6 and later, with a pickle of protocol 2.

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/quote.h"
#include "saw/data/internal/zip_writer.h"
#include "saw/data/pytorch.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

const char* storage_type_name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "FloatStorage";
    case DType::float64:
      return "DoubleStorage";
    case DType::int64:
      return "LongStorage";
    default:
      return "BoolStorage";
  }
}

// What is written under one key.
struct WrittenStorage {
  std::string_view bytes;
  DType dtype;
};

// A tensor as a view of a written storage.
struct WrittenTensor {
  Tensor tensor;  // off the tape; keeps the bytes alive
  std::size_t key;
  std::int64_t offset;
};

struct Layout {
  std::vector<WrittenStorage> storages;
  std::vector<WrittenTensor> tensors;
};

// A storage that several tensors see is written once and whole, so that they share it again when they are loaded. Of
// one that a single tensor sees only what this tensor shows is written: a row of a large matrix stays a row.
Layout lay_out(const StateDict& tensors) {
  std::map<const Storage*, int> users;
  for (const auto& each : tensors) ++users[each.second.storage().get()];

  Layout layout;
  std::map<const Storage*, std::size_t> shared_keys;
  for (const auto& each : tensors) {
    const Tensor tensor = each.second.detach();
    const Storage* storage = tensor.storage().get();
    const DType dtype = tensor.dtype();
    if (users[storage] > 1) {
      const auto [key, fresh] = shared_keys.try_emplace(storage, layout.storages.size());
      if (fresh) layout.storages.push_back({{static_cast<const char*>(storage->data()), storage->bytes()}, dtype});
      layout.tensors.push_back({tensor, key->second, tensor.offset()});
    } else {
      const Tensor compact = tensor.contiguous();
      const auto bytes = static_cast<std::size_t>(compact.numel()) * size_of(dtype);
      layout.tensors.push_back({compact, layout.storages.size(), 0});
      layout.storages.push_back({{static_cast<const char*>(compact.data(dtype)), bytes}, dtype});
    }
  }
  return layout;
}

// The opcodes that are needed, without a memo: nothing is mentioned twice that would have to stay one object.
class Pickler {
 public:
  Pickler() { put("\x80\x02"); }

  void put_tensor(const WrittenTensor& written, const WrittenStorage& storage) {
    const Tensor& tensor = written.tensor;
    put("ctorch._utils\n_rebuild_tensor_v2\n(");
    put("(");
    put_string("storage");
    put("ctorch\n");
    put(storage_type_name(storage.dtype));
    put("\n");
    put_string(std::to_string(written.key));
    put_string("cpu");
    put_integer(static_cast<std::int64_t>(storage.bytes.size() / size_of(storage.dtype)));
    put("tQ");
    put_integer(written.offset);
    put_tuple(tensor.shape());
    put_tuple(tensor.strides());
    put("\x89");  // requires no gradient
    put_ordered_dict();
    put("tR");
  }
  void put_ordered_dict() { put("ccollections\nOrderedDict\n)R"); }
  void put_string(std::string_view text) {
    put("X");
    put_number(static_cast<std::uint32_t>(text.size()));
    put(text);
  }
  void put(std::string_view opcodes) { bytes_ += opcodes; }
  std::string finish() && {
    put(".");
    return std::move(bytes_);
  }

 private:
  template <class T>
  void put_number(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    bytes_.append(bytes, sizeof value);
  }
  void put_integer(std::int64_t value) {
    if (std::in_range<std::int32_t>(value)) {
      put("J");
      put_number(static_cast<std::int32_t>(value));
    } else {
      put("\x8a\x08");
      put_number(value);
    }
  }
  void put_tuple(const Shape& numbers) {
    put("(");
    for (const std::int64_t number : numbers) put_integer(number);
    put("t");
  }

  std::string bytes_;
};

void write_archive(const std::string& path, const std::string& pickle, const Layout& layout) {
  const std::string root = "archive/";
  ZipWriter archive(path);
  archive.add(root + "data.pkl", {pickle});
  archive.add(root + "byteorder", {"little"});
  for (std::size_t key = 0; key < layout.storages.size(); ++key)
    archive.add(fmt::format("{}data/{}", root, key), {layout.storages[key].bytes});
  archive.add(root + "version", {"3\n"});
  archive.commit();
}

void check_names(const StateDict& state) {
  std::vector<std::string_view> names;
  names.reserve(state.size());
  for (const auto& [name, tensor] : state) {
    if (!tensor.defined()) fail(ErrorKind::argument, "save_pytorch: tensor {} is undefined", quote(name));
    if (find_invalid_utf8(name)) fail(ErrorKind::argument, "save_pytorch: a name is not UTF-8; got {}", quote(name));
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  if (const auto repeated = std::adjacent_find(names.begin(), names.end()); repeated != names.end())
    fail(ErrorKind::argument, "save_pytorch: two tensors have the name {}", quote(*repeated));
}

}  // namespace

void save_pytorch(const std::string& path, const Tensor& tensor) {
  if (!tensor.defined()) fail(ErrorKind::argument, "save_pytorch: the tensor is undefined");
  const Layout layout = lay_out({{"", tensor}});
  Pickler pickler;
  pickler.put_tensor(layout.tensors[0], layout.storages[0]);
  write_archive(path, std::move(pickler).finish(), layout);
}

void save_pytorch(const std::string& path, const StateDict& state) {
  check_names(state);
  const Layout layout = lay_out(state);
  Pickler pickler;
  pickler.put_ordered_dict();
  if (!state.empty()) {
    pickler.put("(");
    for (std::size_t i = 0; i < state.size(); ++i) {
      pickler.put_string(state[i].first);
      pickler.put_tensor(layout.tensors[i], layout.storages[layout.tensors[i].key]);
    }
    pickler.put("u");
  }
  write_archive(path, std::move(pickler).finish(), layout);
}

}  // namespace data
}  // namespace saw
