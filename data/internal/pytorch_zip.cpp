// The container of PyTorch 1.6 and later: a zip archive <root>/data.pkl, <root>/data/<key> for each storage, and
// records that describe it.

#include <unordered_map>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/pytorch_file.h"
#include "saw/data/internal/quote.h"
#include "saw/data/internal/stored_type.h"
#include "saw/data/internal/unpickler.h"
#include "saw/data/internal/zip_reader.h"

namespace saw {
namespace data {
namespace {

constexpr std::uint64_t largest_pickle = std::uint64_t{1} << 30;
constexpr std::uint64_t largest_note = 100;  // of the small records that describe the archive

// "<root>/" of the first entry, which may have any name.
std::string root_of(const ZipReader& archive) {
  if (archive.entries().empty()) fail(ErrorKind::io, "{}: not a PyTorch file: an empty zip archive", archive.path());
  const std::string& first = archive.entries().front().name;
  return first.substr(0, first.find('/') + 1);
}

// What torch.jit.save adds to the tensors: the program.
bool has_program(const ZipReader& archive, const std::string& root) {
  const std::string code = root + "code/", constants = root + "constants.pkl";
  for (const ZipReader::Entry& entry : archive.entries())
    if (entry.name.starts_with(code) || entry.name == constants) return true;
  return false;
}

class ZipStorages : public StorageLoader {
 public:
  ZipStorages(const ZipReader& archive, const std::string& root, bool big_endian)
      : archive_(archive), prefix_(root + "data/"), big_endian_(big_endian) {}

  std::shared_ptr<Storage> load(const StorageRequest& request) override {
    const auto [at, fresh] = loaded_.try_emplace(std::string(request.key));
    Loaded& loaded = at->second;
    if (fresh) loaded = read(request);
    if (loaded.type != request.type) {
      fail(ErrorKind::io, "{}: storage {} is used both as {} and as {}", archive_.path(), quote(request.key),
           to_string(loaded.type), to_string(request.type));
    }
    if (loaded.elements < request.elements()) fail_too_short(request, loaded.elements);
    return loaded.storage;
  }

 private:
  struct Loaded {
    std::shared_ptr<Storage> storage;
    StoredType type = StoredType::uint8;
    std::uint64_t elements = 0;
  };

  std::string record_name(std::string_view key) const { return prefix_ + std::string(key); }

  // The whole record, so that its checksum is seen.
  Loaded read(const StorageRequest& request) const {
    const StoredType type = request.type;
    const std::string name = record_name(request.key);
    const std::optional<std::size_t> entry = archive_.find(name);
    if (!entry) {
      // Nothing is written for a storage without elements by some versions.
      if (request.count == 0) return {std::make_shared<Storage>(0), type, 0};
      fail(ErrorKind::io, "{}: record {} is missing", archive_.path(), quote(name));
    }
    ZipReader::Record record(archive_, *entry);
    const std::uint64_t elements = record.remaining() / size_of(type);
    if (elements < request.elements()) fail_too_short(request, elements);
    auto storage = std::make_shared<Storage>(static_cast<std::size_t>(elements) * saw::size_of(loaded_dtype(type)));
    try {
      read_elements(
          type, big_endian_, static_cast<std::size_t>(elements),
          [&](void* bytes, std::size_t n) { record.read(bytes, n); }, storage->data());
    } catch (const BadElement& bad) {
      fail(ErrorKind::io, "{}: record {}: {}", archive_.path(), quote(name), bad.what);
    }
    record.finish();
    return {std::move(storage), type, elements};
  }

  [[noreturn]] void fail_too_short(const StorageRequest& request, std::uint64_t elements) const {
    fail(ErrorKind::io, "{}: record {} is too short; got {} elements of {}; expected {}", archive_.path(),
         quote(record_name(request.key)), elements, to_string(request.type), request.elements());
  }

  const ZipReader& archive_;
  std::string prefix_;
  bool big_endian_;
  std::unordered_map<std::string, Loaded> loaded_;
};

bool is_big_endian(const ZipReader& archive, const std::string& root) {
  const std::optional<std::size_t> entry = archive.find(root + "byteorder");
  if (!entry) return false;  // written since PyTorch 2.1
  const std::string order = archive.read(*entry, largest_note);
  if (order != "little" && order != "big") {
    fail(ErrorKind::io, "{}: the record byteorder says {}; expected \"little\" or \"big\"", archive.path(),
         quote(order));
  }
  return order == "big";
}

}  // namespace

bool is_zip(std::string_view beginning) {
  return beginning.starts_with("PK\x03\x04") || beginning.starts_with("PK\x05\x06");
}

bool is_torchscript_archive(const std::string& path) {
  const ZipReader archive(path);
  return has_program(archive, root_of(archive));
}

PytorchDocument::Index read_pytorch_zip(const std::string& path, PytorchDocument& document) {
  const ZipReader archive(path);
  const std::string root = root_of(archive);
  if (has_program(archive, root)) {
    fail(ErrorKind::io,
         "{}: a TorchScript module (torch.jit.save), which is a program; expected what torch.save writes", path);
  }
  for (const ZipReader::Entry& entry : archive.entries()) {
    if (entry.deflated)
      fail(ErrorKind::io, "{}: record {} is compressed; PyTorch reads and writes records as they are", path,
           quote(entry.name));
  }
  const std::optional<std::size_t> pickle_entry = archive.find(root + "data.pkl");
  if (root.empty() || !pickle_entry)
    fail(ErrorKind::io, "{}: not a PyTorch file: a zip archive without {}", path, quote(root + "data.pkl"));
  const std::string pickle = archive.read(*pickle_entry, largest_pickle);
  ZipStorages storages(archive, root, is_big_endian(archive, root));
  return Unpickler(pickle, path, storages, document).load();
}

}  // namespace data
}  // namespace saw
