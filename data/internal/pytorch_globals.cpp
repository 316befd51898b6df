#include "saw/data/internal/pytorch_globals.h"

#include <algorithm>
#include <array>

namespace saw {
namespace data {
namespace {

using enum GlobalKind;

constexpr PytorchGlobal dtype_named(std::string_view name, std::optional<StoredType> type = std::nullopt) {
  return {"torch", name, dtype, type};
}

constexpr PytorchGlobal storage_named(std::string_view name, std::optional<StoredType> type = std::nullopt) {
  return {"torch", name, storage_type, type};
}

constexpr auto functions = std::to_array<PytorchGlobal>({
    {"collections", "OrderedDict", ordered_dict},
    {"collections", "Counter", counter},
    {"builtins", "set", set},
    {"__builtin__", "set", set},
    {"builtins", "frozenset", set},
    {"__builtin__", "frozenset", set},
    {"builtins", "bytes", bytes},
    {"__builtin__", "bytes", bytes},
    {"_codecs", "encode", encode},
    {"torch", "Size", size},
    {"torch", "device", device},
    {"torch._utils", "_rebuild_tensor", rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", rebuild_tensor_v2},
    {"torch._utils", "_rebuild_tensor_v3", rebuild_tensor_v3},
    {"torch._utils", "_rebuild_parameter", rebuild_parameter},
    {"torch._utils", "_rebuild_parameter_with_state", rebuild_parameter},
    {"torch", "UntypedStorage", untyped_storage},
    {"torch.storage", "UntypedStorage", untyped_storage},
    {"torch.storage", "_UntypedStorage", untyped_storage},  // PyTorch 1.10 to 1.12
});

constexpr auto storages = std::to_array<PytorchGlobal>({
    storage_named("FloatStorage", StoredType::float32),
    storage_named("DoubleStorage", StoredType::float64),
    storage_named("HalfStorage", StoredType::float16),
    storage_named("BFloat16Storage", StoredType::bfloat16),
    storage_named("LongStorage", StoredType::int64),
    storage_named("IntStorage", StoredType::int32),
    storage_named("ShortStorage", StoredType::int16),
    storage_named("CharStorage", StoredType::int8),
    storage_named("ByteStorage", StoredType::uint8),
    storage_named("BoolStorage", StoredType::boolean),
    storage_named("ComplexFloatStorage"),
    storage_named("ComplexDoubleStorage"),
    storage_named("QInt8Storage"),
    storage_named("QInt32Storage"),
    storage_named("QUInt8Storage"),
    storage_named("QUInt4x2Storage"),
    storage_named("QUInt2x4Storage"),
});

constexpr auto dtypes = std::to_array<PytorchGlobal>({
    dtype_named("float32", StoredType::float32),
    dtype_named("float", StoredType::float32),
    dtype_named("float64", StoredType::float64),
    dtype_named("double", StoredType::float64),
    dtype_named("float16", StoredType::float16),
    dtype_named("half", StoredType::float16),
    dtype_named("bfloat16", StoredType::bfloat16),
    dtype_named("int64", StoredType::int64),
    dtype_named("long", StoredType::int64),
    dtype_named("int32", StoredType::int32),
    dtype_named("int", StoredType::int32),
    dtype_named("int16", StoredType::int16),
    dtype_named("short", StoredType::int16),
    dtype_named("int8", StoredType::int8),
    dtype_named("uint8", StoredType::uint8),
    dtype_named("uint16", StoredType::uint16),
    dtype_named("uint32", StoredType::uint32),
    dtype_named("uint64", StoredType::uint64),
    dtype_named("bool", StoredType::boolean),
    dtype_named("complex32"),
    dtype_named("complex64"),
    dtype_named("complex128"),
    dtype_named("float8_e4m3fn"),
    dtype_named("float8_e4m3fnuz"),
    dtype_named("float8_e5m2"),
    dtype_named("float8_e5m2fnuz"),
    dtype_named("float8_e8m0fnu"),
    dtype_named("qint8"),
    dtype_named("qint32"),
    dtype_named("quint8"),
});

template <class Table>
const PytorchGlobal* find_in(const Table& table, std::string_view module, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const PytorchGlobal& global) {
    return global.module == module && global.name == name;
  });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

const PytorchGlobal* find_global(std::string_view module, std::string_view name) {
  if (const PytorchGlobal* function = find_in(functions, module, name)) return function;
  // Old files name the storages of tensors that were on a GPU after their place.
  if (const PytorchGlobal* storage = find_in(storages, module == "torch.cuda" ? "torch" : module, name)) return storage;
  return find_in(dtypes, module, name);
}

std::optional<StoredType> stored_type_of_dtype(std::string_view dtype_name) {
  constexpr std::string_view prefix = "torch.";
  if (!dtype_name.starts_with(prefix)) return std::nullopt;
  const PytorchGlobal* found = find_in(dtypes, "torch", dtype_name.substr(prefix.size()));
  return found == nullptr ? std::nullopt : found->type;
}

}  // namespace data
}  // namespace saw
