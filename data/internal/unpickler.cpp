#include "saw/data/internal/unpickler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/quote.h"
#include "saw/data/utf8.h"

namespace saw {
namespace data {
namespace {

// The opcodes that picklers write for the values that torch.save allows, by their names in Python's pickletools.
enum Opcode : unsigned char {
  MARK = '(',
  STOP = '.',
  NONE = 'N',
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  LONG1 = 0x8a,
  LONG4 = 0x8b,
  BINFLOAT = 'G',
  BINSTRING = 'T',
  SHORT_BINSTRING = 'U',
  BINUNICODE = 'X',
  SHORT_BINUNICODE = 0x8c,
  BINUNICODE8 = 0x8d,
  BINBYTES = 'B',
  SHORT_BINBYTES = 'C',
  BINBYTES8 = 0x8e,
  EMPTY_LIST = ']',
  APPEND = 'a',
  APPENDS = 'e',
  EMPTY_TUPLE = ')',
  TUPLE = 't',
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  EMPTY_DICT = '}',
  SETITEM = 's',
  SETITEMS = 'u',
  EMPTY_SET = 0x8f,
  ADDITEMS = 0x90,
  FROZENSET = 0x91,
  BINGET = 'h',
  LONG_BINGET = 'j',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  MEMOIZE = 0x94,
  GLOBAL = 'c',
  STACK_GLOBAL = 0x93,
  REDUCE = 'R',
  BUILD = 'b',
  BINPERSID = 'Q',
  PROTO = 0x80,
  FRAME = 0x95
};

constexpr std::uint32_t no_node = std::numeric_limits<std::uint32_t>::max();

// The values that need no node of their own.
constexpr std::uint32_t none_node = 0, false_node = 1, true_node = 2;

constexpr std::uint8_t first_protocol = 2, last_protocol = 5;

}  // namespace

Unpickler::Unpickler(std::string_view pickle, const std::string& path, StorageLoader& storages,
                     PytorchDocument& document)
    : pickle_(pickle), path_(path), storages_(storages), document_(document) {
  if (document_.nodes.empty()) {
    document_.nodes = {{.kind = Kind::none, .integer = 0},
                       {.kind = Kind::boolean, .integer = 0},
                       {.kind = Kind::boolean, .integer = 1}};
  }
}

Unpickler::Index Unpickler::load() {
  for (;;) {
    opcode_position_ = position_;
    const auto opcode = static_cast<unsigned char>(take(1)[0]);
    if (opcode == STOP) break;
    run_opcode(opcode);
  }
  const Index result = pop();
  if (!stack_.empty() || !marks_.empty()) reject("it stops with values left over");
  if (node(result).kind == Kind::global || node(result).kind == Kind::storage)
    reject("it holds a {}; expected tensors, containers, numbers and strings", kind_name(result));
  return result;
}

// ---- bytes ----

std::string_view Unpickler::take(std::uint64_t count) {
  if (count > pickle_.size() - position_) reject("it is cut short");
  const std::string_view bytes = pickle_.substr(position_, static_cast<std::size_t>(count));
  position_ += bytes.size();
  return bytes;
}

std::string_view Unpickler::take_line() {
  constexpr std::size_t longest = 1000;  // of a name in Python
  const std::size_t length = pickle_.substr(position_, longest).find('\n');
  if (length == std::string_view::npos) reject("a name without end");
  return take(length + 1).substr(0, length);
}

// Numbers are little-endian, as this machine is.
template <class T>
T Unpickler::take_number() {
  T value;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

// ---- the stack ----

Unpickler::Index Unpickler::pop() {
  const Index result = top();
  stack_.pop_back();
  return result;
}

Unpickler::Index Unpickler::top() const {
  if (stack_.size() <= floor()) reject("a value is missing");
  return stack_.back();
}

Unpickler::Index Unpickler::below(std::size_t mark) const {
  if (mark <= floor()) reject("a value is missing");
  return stack_[mark - 1];
}

std::size_t Unpickler::pop_mark() {
  if (marks_.empty()) reject("a mark is missing");
  const std::size_t mark = marks_.back();
  marks_.pop_back();
  return mark;
}

// ---- values ----

Unpickler::Index Unpickler::make(const Node& value) {
  if (document_.nodes.size() >= no_node) reject("more values than can be counted");
  document_.nodes.push_back(value);
  return static_cast<Index>(document_.nodes.size() - 1);
}

Unpickler::Index Unpickler::make_integer(std::int64_t value) { return make({.kind = Kind::integer, .integer = value}); }

Unpickler::Index Unpickler::make_text(Kind kind, std::string_view text) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max()) reject("a string of {} bytes", text.size());
  const std::size_t begin = document_.text.size();
  document_.text += text;
  return make({.kind = kind, .length = static_cast<std::uint32_t>(text.size()), .begin = begin});
}

Unpickler::Index Unpickler::make_string(std::string_view text) {
  if (find_invalid_utf8(text)) reject("a string is not UTF-8; got {}", quote(text));
  return make_text(Kind::string, text);
}

Unpickler::Index Unpickler::make_tuple(std::span<const Index> elements) {
  const std::size_t begin = document_.elements.size();
  document_.elements.insert(document_.elements.end(), elements.begin(), elements.end());
  return make({.kind = Kind::tuple, .length = static_cast<std::uint32_t>(elements.size()), .begin = begin});
}

Unpickler::Index Unpickler::make_long(std::string_view bytes) {
  if (bytes.size() > sizeof(std::int64_t))
    reject("an integer of {} bytes; expected at most {}", bytes.size(), sizeof(std::int64_t));
  // Two's complement in as few bytes as will do: the rest repeats the sign.
  const bool negative = !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80) != 0;
  std::int64_t value = negative ? -1 : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return make_integer(value);
}

Unpickler::Index Unpickler::make_real(std::string_view big_endian) {
  std::array<char, sizeof(double)> bytes;
  std::reverse_copy(big_endian.begin(), big_endian.end(), bytes.begin());
  return make({.kind = Kind::real, .real = std::bit_cast<double>(bytes)});
}

Unpickler::Index Unpickler::make_container(Kind kind) {
  return make({.kind = kind, .begin = PytorchDocument::no_items});
}

void Unpickler::append(Index list, std::span<const Index> items) {
  if (node(list).kind != Kind::list) reject("it appends to a {}; expected a list", kind_name(list));
  add_items(list, items);
}

void Unpickler::set_items(Index dict, std::span<const Index> keys_and_values) {
  if (node(dict).kind != Kind::dict) reject("it sets an item of a {}; expected a dict", kind_name(dict));
  if (keys_and_values.size() % 2 != 0) reject("a key without a value");
  add_items(dict, keys_and_values);
}

void Unpickler::add_items(Index container, std::span<const Index> items) {
  if (items.empty()) return;
  if (node(container).begin == PytorchDocument::no_items) {
    node(container).begin = document_.items.size();
    document_.items.emplace_back();
  }
  auto& all = document_.items[static_cast<std::size_t>(node(container).begin)];
  all.insert(all.end(), items.begin(), items.end());
}

const char* Unpickler::kind_name(Index index) const { return to_string(node(index).kind); }

std::span<const Unpickler::Index> Unpickler::expect_tuple(Index index, std::string_view what) const {
  if (node(index).kind != Kind::tuple) reject("{}: got a {}; expected a tuple", what, kind_name(index));
  return document_.children(node(index));
}

std::uint64_t Unpickler::expect_count(Index index, std::string_view what) const {
  const Node& value = node(index);
  if (value.kind != Kind::integer) reject("{}: got a {}; expected an int", what, kind_name(index));
  if (value.integer < 0) reject("{}: got {}; expected no negative number", what, value.integer);
  return static_cast<std::uint64_t>(value.integer);
}

std::string_view Unpickler::expect_string(Index index, std::string_view what) const {
  if (node(index).kind != Kind::string) reject("{}: got a {}; expected a str", what, kind_name(index));
  return document_.text_of(node(index));
}

// ---- opcodes ----

void Unpickler::run_opcode(unsigned char opcode) {
  switch (opcode) {
    case PROTO:
      if (const auto version = take_number<std::uint8_t>(); version < first_protocol || version > last_protocol)
        reject("protocol {}; expected {} to {}", version, first_protocol, last_protocol);
      return;
    case FRAME:  // says how much could be read at once
      take(sizeof(std::uint64_t));
      return;

    case NONE:
      return push(none_node);
    case NEWTRUE:
      return push(true_node);
    case NEWFALSE:
      return push(false_node);
    case BININT:
      return push(make_integer(take_number<std::int32_t>()));
    case BININT1:
      return push(make_integer(take_number<std::uint8_t>()));
    case BININT2:
      return push(make_integer(take_number<std::uint16_t>()));
    case LONG1:
      return push(make_long(take(take_number<std::uint8_t>())));
    case LONG4:
      return push(make_long(take(take_number<std::uint32_t>())));
    case BINFLOAT:
      return push(make_real(take(sizeof(double))));

    case BINUNICODE:
    case BINSTRING:  // Python 2, where text was bytes
      return push(make_string(take(take_number<std::uint32_t>())));
    case SHORT_BINUNICODE:
    case SHORT_BINSTRING:
      return push(make_string(take(take_number<std::uint8_t>())));
    case BINUNICODE8:
      return push(make_string(take(take_number<std::uint64_t>())));
    case BINBYTES:
      return push(make_text(Kind::bytes, take(take_number<std::uint32_t>())));
    case SHORT_BINBYTES:
      return push(make_text(Kind::bytes, take(take_number<std::uint8_t>())));
    case BINBYTES8:
      return push(make_text(Kind::bytes, take(take_number<std::uint64_t>())));

    case MARK:
      return marks_.push_back(stack_.size());
    case EMPTY_TUPLE:
      return push(make_tuple({}));
    case TUPLE1:
      return push_tuple_of(1);
    case TUPLE2:
      return push_tuple_of(2);
    case TUPLE3:
      return push_tuple_of(3);
    case TUPLE:
      return push_tuple_of(stack_.size() - pop_mark());
    case EMPTY_LIST:
    case EMPTY_SET:
      return push(make_container(Kind::list));
    case EMPTY_DICT:
      return push(make_container(Kind::dict));
    case FROZENSET: {
      const std::size_t mark = pop_mark();
      const Index made = make_container(Kind::list);
      append(made, above(mark));
      stack_.resize(mark);
      return push(made);
    }
    case APPEND: {
      const Index item = pop();
      return append(top(), {&item, 1});
    }
    case APPENDS:
    case ADDITEMS: {
      const std::size_t mark = pop_mark();
      append(below(mark), above(mark));
      return stack_.resize(mark);
    }
    case SETITEM: {
      const Index value = pop(), key = pop();
      return set_items(top(), std::array{key, value});
    }
    case SETITEMS: {
      const std::size_t mark = pop_mark();
      set_items(below(mark), above(mark));
      return stack_.resize(mark);
    }

    case BINPUT:
      return memoize(take_number<std::uint8_t>());
    case LONG_BINPUT:
      return memoize(take_number<std::uint32_t>());
    case MEMOIZE:
      return memoize(memo_.size());
    case BINGET:
      return recall(take_number<std::uint8_t>());
    case LONG_BINGET:
      return recall(take_number<std::uint32_t>());

    case GLOBAL: {
      const std::string_view module = take_line();
      return push_global(module, take_line());
    }
    case STACK_GLOBAL: {
      const Index name = pop(), module = pop();
      return push_global(expect_string(module, "a module"), expect_string(name, "a name"));
    }
    case BINPERSID:
      return push_storage(pop());
    case REDUCE: {
      const Index arguments = pop();
      return push(call(pop(), expect_tuple(arguments, "the arguments of a call")));
    }
    case BUILD:
      // Attributes that a state dict has beside its entries: "_metadata", the versions of modules. Nobody needs them.
      pop();
      if (node(top()).kind != Kind::dict) reject("it sets attributes of a {}; expected a dict", kind_name(top()));
      return;
    default:
      reject("opcode 0x{:02x} is not among those that torch.save writes", opcode);
  }
}

void Unpickler::push_tuple_of(std::size_t count) {
  if (stack_.size() - floor() < count) reject("a value is missing");
  const Index made = make_tuple(above(stack_.size() - count));
  stack_.resize(stack_.size() - count);
  push(made);
}

// Picklers number the slots one after the other, some from 1 on; the bound keeps the memo in proportion to the pickle.
void Unpickler::memoize(std::uint64_t slot) {
  if (slot > memo_.size() + 1) reject("memo slot {} comes after slot {}", slot, memo_.size());
  if (slot >= memo_.size()) memo_.resize(static_cast<std::size_t>(slot) + 1, no_node);
  memo_[static_cast<std::size_t>(slot)] = top();
}

void Unpickler::recall(std::uint64_t slot) {
  if (slot >= memo_.size() || memo_[static_cast<std::size_t>(slot)] == no_node) reject("memo slot {} is empty", slot);
  push(memo_[static_cast<std::size_t>(slot)]);
}

void Unpickler::push_global(std::string_view module, std::string_view name) {
  const PytorchGlobal* global = find_global(module, name);
  if (global == nullptr) {
    reject(
        "it asks for {}, which is not among what it may use; expected dense tensors, containers, numbers and strings "
        "(of a "
        "model, its state_dict())",
        quote(fmt::format("{}.{}", module, name)));
  }
  if (global->kind == GlobalKind::dtype)
    return push(make_text(Kind::dtype, fmt::format("{}.{}", global->module, global->name)));
  globals_.push_back(global);
  push(make({.kind = Kind::global, .begin = globals_.size() - 1}));
}

// Nothing for a value that is none.
const PytorchGlobal* Unpickler::global(Index index) const {
  return node(index).kind == Kind::global ? globals_[static_cast<std::size_t>(node(index).begin)] : nullptr;
}

// What a persistent id means: ("storage", type, key, location, elements), in old files followed by None or a view
// (key, first element, elements) of that storage. The location (a device) does not matter: all are read into memory.
void Unpickler::push_storage(Index id) {
  const std::span<const Index> parts = expect_tuple(id, "a persistent id");
  if (parts.empty()) reject("an empty persistent id");
  if (const std::string_view what = expect_string(parts[0], "a persistent id"); what != "storage")
    reject("it refers to a {}; expected a storage (of a model, save its state_dict())", quote(what));
  if (parts.size() != 5 && parts.size() != 6) reject("a storage of {} parts; expected 5 or 6", parts.size());

  const PytorchGlobal* type = global(parts[1]);
  const bool untyped = type != nullptr && type->kind == GlobalKind::untyped_storage;
  if (!untyped && (type == nullptr || type->kind != GlobalKind::storage_type))
    reject("a storage whose type is a {}", kind_name(parts[1]));
  if (!untyped && !type->type) reject("elements of {} cannot be read", type->name);

  expect_string(parts[2], "the key of a storage");
  StorageReference made{.key = parts[2],
                        .type = untyped ? StoredType::uint8 : *type->type,
                        .typed = !untyped,
                        .count = expect_count(parts[4], "the size of a storage"),
                        .begin = 0,
                        .visible = 0};
  made.visible = made.count;
  if (parts.size() == 6 && node(parts[5]).kind != Kind::none) {
    const std::span<const Index> view = expect_tuple(parts[5], "a view of a storage");
    if (view.size() != 3) reject("a view of a storage of {} parts; expected 3", view.size());
    made.begin = expect_count(view[1], "the beginning of a view");
    made.visible = expect_count(view[2], "the size of a view");
    if (made.begin > made.count || made.visible > made.count - made.begin)
      reject("a view of elements {} to {} of a storage of {}", made.begin, made.begin + made.visible, made.count);
  }
  references_.push_back(made);
  push(make({.kind = Kind::storage, .begin = references_.size() - 1}));
}

}  // namespace data
}  // namespace saw
