#include "saw/data/pytorch.h"

#include <algorithm>
#include <array>
#include <new>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/pytorch_document.h"
#include "saw/data/internal/pytorch_file.h"
#include "saw/data/internal/quote.h"

namespace saw {
namespace data {
namespace {

[[noreturn]] void fail_kind(PytorchValue::Kind got, const char* expected) {
  fail(ErrorKind::argument, "pytorch value: wrong kind; got {}; expected {}", to_string(got), expected);
}

std::string read_beginning(const std::string& path) {
  InputFile file(path);
  if (!file.is_regular()) fail(ErrorKind::io, "{}: not a PyTorch file: not a regular file", path);
  std::string bytes(std::min<std::uint64_t>(file.size(), pytorch_beginning), '\0');
  file.read(bytes.data(), bytes.size());
  return bytes;
}

bool is_tar(std::string_view beginning) {
  constexpr std::size_t place_of_magic = 257;
  return beginning.size() > place_of_magic && beginning.substr(place_of_magic).starts_with("ustar");
}

/// Refuses a view that would be much larger than the file once somebody copies it: strides of 0 make any size from a
/// few bytes.
void check_expansion(const Tensor& tensor, const std::string& path, std::string_view what) {
  constexpr std::uint64_t growth = 64, spare = std::uint64_t{1} << 20;
  const std::uint64_t stored = tensor.storage()->bytes();
  const auto elements = static_cast<std::uint64_t>(tensor.numel());
  if (elements <= (stored * growth + spare) / size_of(tensor.dtype())) return;
  fail(ErrorKind::io,
       "{}: {} of shape {} is expanded from {} bytes by strides of 0; expected at most {} times as many; hint: save "
       "tensor.contiguous()",
       path, what, tensor.shape(), stored, growth);
}

// The value where it is one tensor after the other, each with a name.
StateDict state_dict_of(const PytorchValue& value, const std::string& path) {
  if (value.kind() != PytorchValue::Kind::dict)
    fail(ErrorKind::io, "{}: it holds a {}; expected a dict of tensors", path, to_string(value.kind()));
  StateDict result;
  result.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const PytorchValue key = value.key(i), entry = value.value(i);
    if (key.kind() != PytorchValue::Kind::string)
      fail(ErrorKind::io, "{}: its dict has a {} as a key; expected names of tensors", path, to_string(key.kind()));
    if (entry.kind() != PytorchValue::Kind::tensor) {
      fail(ErrorKind::io,
           "{}: the entry {} is a {}; expected tensors, or a dict of them as \"state_dict\" or \"model\"", path,
           quote(key.string()), to_string(entry.kind()));
    }
    check_expansion(entry.tensor(), path, fmt::format("the entry {}", quote(key.string())));
    result.emplace_back(key.string(), entry.tensor());
  }
  return result;
}

}  // namespace

// ---- values ----

const char* to_string(PytorchValue::Kind kind) { return to_string(static_cast<PytorchDocument::Kind>(kind)); }

const PytorchNode& PytorchValue::node() const {
  static const PytorchNode none{};
  return document_ ? document_->nodes[node_] : none;
}

PytorchValue::Kind PytorchValue::kind() const {
  const PytorchDocument::Kind kind = node().kind;
  return kind == PytorchDocument::Kind::dtype ? Kind::string : static_cast<Kind>(kind);
}

bool PytorchValue::boolean() const {
  if (kind() != Kind::boolean) fail_kind(kind(), "bool");
  return node().integer != 0;
}

std::int64_t PytorchValue::integer() const {
  if (kind() != Kind::integer) fail_kind(kind(), "int");
  return node().integer;
}

double PytorchValue::real() const {
  if (kind() == Kind::integer) return static_cast<double>(node().integer);
  if (kind() != Kind::real) fail_kind(kind(), "float");
  return node().real;
}

std::string_view PytorchValue::string() const {
  if (kind() != Kind::string) fail_kind(kind(), "str");
  return document_->text_of(node());
}

std::string_view PytorchValue::bytes() const {
  if (kind() != Kind::bytes) fail_kind(kind(), "bytes");
  return document_->text_of(node());
}

Tensor PytorchValue::tensor() const {
  if (kind() != Kind::tensor) fail_kind(kind(), "tensor");
  return document_->tensors[static_cast<std::size_t>(node().begin)];
}

std::size_t PytorchValue::size() const {
  switch (kind()) {
    case Kind::tuple:
    case Kind::list:
      return document_->children(node()).size();
    case Kind::dict:
      return document_->children(node()).size() / 2;
    default:
      fail_kind(kind(), "tuple, list or dict");
  }
}

PytorchValue PytorchValue::child(std::size_t index, std::size_t position) const {
  if (index >= size()) fail(ErrorKind::index, "pytorch value: beyond the end; got {}; size {}", index, size());
  return {document_, document_->children(node())[position]};
}

PytorchValue PytorchValue::element(std::size_t index) const {
  if (kind() != Kind::tuple && kind() != Kind::list) fail_kind(kind(), "tuple or list");
  return child(index, index);
}

PytorchValue PytorchValue::key(std::size_t index) const {
  if (kind() != Kind::dict) fail_kind(kind(), "dict");
  return child(index, 2 * index);
}

PytorchValue PytorchValue::value(std::size_t index) const {
  if (kind() != Kind::dict) fail_kind(kind(), "dict");
  return child(index, 2 * index + 1);
}

std::optional<PytorchValue> PytorchValue::find(std::string_view name) const {
  if (kind() != Kind::dict) fail_kind(kind(), "dict");
  for (std::size_t i = 0; i < size(); ++i)
    if (const PytorchValue each = key(i); each.kind() == Kind::string && each.string() == name) return value(i);
  return std::nullopt;
}

PytorchValue PytorchValue::at(std::string_view name) const {
  std::optional<PytorchValue> found = find(name);
  if (!found) fail(ErrorKind::argument, "pytorch value: the dict has no {}", quote(name));
  return *std::move(found);
}

// ---- reading ----

namespace {

PytorchValue read_document(const std::string& path) {
  const std::string beginning = read_beginning(path);
  const auto document = std::make_shared<PytorchDocument>();
  PytorchDocument::Index root = 0;
  if (is_zip(beginning))
    root = read_pytorch_zip(path, *document);
  else if (end_of_legacy_magic(beginning))
    root = read_pytorch_legacy(path, *document);
  else if (is_tar(beginning))
    fail(ErrorKind::io, "{}: a tar archive, as PyTorch wrote before 0.1.10; load and save it once with PyTorch", path);
  else
    fail(ErrorKind::io, "{}: not a PyTorch file; got {} at its beginning; expected a zip archive or PyTorch's pickle",
         path, quote(std::string_view(beginning).substr(0, 8)));
  check_document(*document, root, path);
  return {document, root};
}

}  // namespace

PytorchValue load_pytorch(const std::string& path) {
  // A file that is larger than memory is one that cannot be read, as one that is damaged: with its name, so that a
  // reader of many files can leave it out.
  try {
    return read_document(path);
  } catch (const std::bad_alloc&) {
    fail(ErrorKind::io, "{}: too large for this machine's memory", path);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::memory) throw;
    fail(ErrorKind::io, "{}: too large for this machine's memory; {}", path, error.what());
  }
}

Tensor load_pytorch_tensor(const std::string& path) {
  const PytorchValue value = load_pytorch(path);
  if (value.kind() != PytorchValue::Kind::tensor)
    fail(ErrorKind::io, "{}: it holds a {}; expected one tensor", path, to_string(value.kind()));
  check_expansion(value.tensor(), path, "the tensor");
  return value.tensor();
}

StateDict load_pytorch_state_dict(const std::string& path) {
  const PytorchValue value = load_pytorch(path);
  if (value.kind() == PytorchValue::Kind::dict) {
    for (const char* name : {"state_dict", "model"})
      if (const auto inner = value.find(name); inner && inner->kind() == PytorchValue::Kind::dict)
        return state_dict_of(*inner, path);
  }
  return state_dict_of(value, path);
}

bool is_torchscript(const std::string& path) {
  if (!is_zip(read_beginning(path))) return false;
  try {
    return is_torchscript_archive(path);
  } catch (const Error&) {
    return false;  // what is wrong with it is for load_pytorch to say
  }
}

}  // namespace data
}  // namespace saw
