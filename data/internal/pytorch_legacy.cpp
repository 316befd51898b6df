// The form before PyTorch 1.6: five pickles one after the other (a magic number, the protocol's version, properties of
// the machine, the object, the keys of its storages), then for each key the number of elements and the elements.

#include <cstring>
#include <unordered_map>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/pytorch_file.h"
#include "saw/data/internal/quote.h"
#include "saw/data/internal/stored_type.h"
#include "saw/data/internal/unpickler.h"

namespace saw {
namespace data {
namespace {

using Index = PytorchDocument::Index;
using Kind = PytorchDocument::Kind;

constexpr std::int64_t protocol_version = 1001;
constexpr std::uint64_t largest_file = std::uint64_t{1} << 36;

// The pickles around the object have no tensors.
class NoStorages : public StorageLoader {
 public:
  explicit NoStorages(const std::string& path) : path_(path) {}
  std::shared_ptr<Storage> load(const StorageRequest& request) override {
    fail(ErrorKind::io, "{}: storage {} in a place where no tensor can be", path_, quote(request.key));
  }

 private:
  const std::string& path_;
};

// Makes room when a tensor is met and fills it when the elements come.
class LegacyStorages : public StorageLoader {
 public:
  LegacyStorages(std::string_view file, const std::string& path) : path_(path), room_(file.size()) {}

  std::shared_ptr<Storage> load(const StorageRequest& request) override {
    const auto [at, fresh] = wanted_.try_emplace(std::string(request.key));
    Wanted& wanted = at->second;
    if (fresh) {
      if (request.count > room_ / request.unit) {
        fail(ErrorKind::io, "{}: storage {} cannot lie in this file; got {} elements of {}", path_, quote(request.key),
             request.elements(), to_string(request.type));
      }
      room_ -= request.count * request.unit;
      const auto bytes = static_cast<std::size_t>(request.elements()) * saw::size_of(loaded_dtype(request.type));
      wanted = {std::make_shared<Storage>(bytes), request, false};
      wanted.request.key = at->first;  // the caller's is gone when the elements come
    }
    const StorageRequest& first = wanted.request;
    if (first.type != request.type || first.count != request.count || first.unit != request.unit) {
      fail(ErrorKind::io, "{}: storage {} is used both as {} elements of {} and as {} of {}", path_, quote(request.key),
           first.elements(), to_string(first.type), request.elements(), to_string(request.type));
    }
    return wanted.storage;
  }

  // Takes the storage's part of the bytes; returns how many that are.
  std::size_t fill(std::string_view key, std::string_view bytes) {
    const auto found = wanted_.find(std::string(key));
    if (found == wanted_.end()) fail(ErrorKind::io, "{}: storage {} belongs to no tensor", path_, quote(key));
    Wanted& wanted = found->second;
    if (wanted.filled) fail(ErrorKind::io, "{}: storage {} comes twice", path_, quote(key));
    const StorageRequest& request = wanted.request;
    std::uint64_t count = 0;
    const auto check_room = [&](std::uint64_t needed) {
      if (needed > bytes.size()) fail(ErrorKind::io, "{}: the file is cut short in storage {}", path_, quote(key));
    };
    check_room(sizeof count);
    std::memcpy(&count, bytes.data(), sizeof count);
    if (count != request.count) {
      fail(ErrorKind::io, "{}: storage {} has the wrong size; got {} elements; expected {}", path_, quote(key), count,
           request.count);
    }
    check_room(sizeof count + count * request.unit);  // no overflow: load() has compared it with the file
    const char* next = bytes.data() + sizeof count;
    const auto take = [&](void* result, std::size_t n) {
      std::memcpy(result, next, n);
      next += n;
    };
    try {
      read_elements(request.type, false, static_cast<std::size_t>(request.elements()), take, wanted.storage->data());
    } catch (const BadElement& bad) {
      fail(ErrorKind::io, "{}: storage {}: {}", path_, quote(key), bad.what);
    }
    wanted.filled = true;
    return sizeof count + static_cast<std::size_t>(count * request.unit);
  }

  void check_filled() const {
    for (const auto& [key, wanted] : wanted_)
      if (!wanted.filled) fail(ErrorKind::io, "{}: storage {} is missing", path_, quote(key));
  }

 private:
  struct Wanted {
    std::shared_ptr<Storage> storage;
    StorageRequest request;
    bool filled;
  };

  const std::string& path_;
  std::uint64_t room_;  // what the storages so far have left of the file
  std::unordered_map<std::string, Wanted> wanted_;
};

}  // namespace

// The number 0x1950a86a20f9469cfc6c, which is larger than an Unpickler's integers, and STOP; before it the pickle's
// protocol and, from protocol 4 on, a frame.
std::optional<std::size_t> end_of_legacy_magic(std::string_view beginning) {
  constexpr std::string_view magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  constexpr std::size_t protocol = 2, frame = 9;
  for (const std::size_t at : {protocol, protocol + frame})
    if (beginning.starts_with('\x80') && beginning.substr(0, at + magic.size()).ends_with(magic))
      return at + magic.size();
  return std::nullopt;
}

Index read_pytorch_legacy(const std::string& path, PytorchDocument& document) {
  const std::string file = read_file(path, largest_file);
  std::string_view rest = file;

  const std::optional<std::size_t> magic = end_of_legacy_magic(rest.substr(0, pytorch_beginning));
  if (!magic) fail(ErrorKind::io, "{}: not a PyTorch file: a pickle of something else", path);
  rest.remove_prefix(*magic);

  // Reads a pickle around the object.
  NoStorages none(path);
  const auto skip = [&](PytorchDocument& result) {
    Unpickler unpickler(rest, path, none, result);
    const Index index = unpickler.load();
    rest.remove_prefix(unpickler.position());
    return index;
  };
  PytorchDocument version;
  const Index number = skip(version);
  if (version.nodes[number].kind != Kind::integer || version.nodes[number].integer != protocol_version)
    fail(ErrorKind::io, "{}: not a PyTorch file: a protocol other than {}", path, protocol_version);
  // How large C's integers were, and the order of bytes. Elements are little-endian all the same.
  PytorchDocument machine;
  skip(machine);

  LegacyStorages storages(rest, path);
  Unpickler unpickler(rest, path, storages, document);
  const Index root = unpickler.load();
  rest.remove_prefix(unpickler.position());

  PytorchDocument keys;
  const Index list = skip(keys);
  if (keys.nodes[list].kind != Kind::list) fail(ErrorKind::io, "{}: the keys of its storages are no list", path);
  for (const Index key : keys.children(keys.nodes[list])) {
    if (keys.nodes[key].kind != Kind::string) fail(ErrorKind::io, "{}: the key of a storage is no str", path);
    rest.remove_prefix(storages.fill(keys.text_of(keys.nodes[key]), rest));
  }
  storages.check_filled();
  return root;
}

}  // namespace data
}  // namespace saw
