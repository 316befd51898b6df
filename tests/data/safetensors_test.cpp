#include "saw/data/safetensors.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

#include "data/read_files.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops/creation.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using data::load_safetensors;
using data::save_safetensors;

namespace {

std::string bytes_of(std::uint64_t value) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &value, 8);
  return bytes;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::string file_of(const std::string& header, const std::string& content = "") {
  return bytes_of(header.size()) + header + content;
}

struct Files : test::ReadFiles<decltype(&load_safetensors)> {
  Files() : ReadFiles("t.safetensors", load_safetensors) {}
};

std::string entry(const char* dtype, const char* shape, std::uint64_t begin, std::uint64_t end) {
  return std::string("{\"dtype\":\"") + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

const std::string prefix = "not a safetensors file: ";

}  // namespace

TEST_CASE("state dict: a tensor by name") {
  const StateDict state{{"a", tensor({1.0})}, {"b", tensor({2.0})}};
  CHECK(find_tensor(state, "b").is_same(state[1].second));
  CHECK_FALSE(find_tensor(state, "c").defined());
}

TEST_CASE("safetensors: what is saved is loaded, bit for bit") {
  const Files files;
  const std::vector<float> special{
      0.0F, -0.0F, 1e-45F, 3.4e38F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
  StateDict state{{"z.weight", tensor(std::vector<double>{1, 2, 3, 4, 5, 1.0 / 3}, {2, 3})},
                  {"a.bias", tensor(special)},
                  {"ids", tensor(std::vector<std::int64_t>{-1, std::numeric_limits<std::int64_t>::min()})},
                  {"mask", tensor(std::vector<bool>{true, false, true})},
                  {"scalar", scalar(7.0)},
                  {"empty", zeros({0, 3})},
                  {"naïve \"name\"\n", ones({1, 1, 2})}};
  save_safetensors(files.path(), state, {{"format", "saw"}, {"text", "line\nnaïve \"quoted\""}});
  CHECK(files.count() == 1);
  const data::SafetensorsFile file = load_safetensors(files.path());
  CHECK((file.metadata == std::map<std::string, std::string>{{"format", "saw"}, {"text", "line\nnaïve \"quoted\""}}));
  REQUIRE(file.tensors.size() == state.size());
  for (std::size_t i = 1; i < file.tensors.size(); ++i) CHECK(file.tensors[i - 1].first < file.tensors[i].first);
  for (const auto& each : state) {
    const std::string& name = each.first;
    const Tensor& saved = each.second;
    CAPTURE(name);
    const Tensor loaded = find_tensor(file.tensors, name);
    REQUIRE(loaded.defined());
    CHECK(loaded.shape() == saved.shape());
    REQUIRE(loaded.dtype() == saved.dtype());
    const std::size_t bytes = static_cast<std::size_t>(saved.numel()) * size_of(saved.dtype());
    if (bytes > 0) CHECK(std::memcmp(loaded.data(loaded.dtype()), saved.data(saved.dtype()), bytes) == 0);
  }
}

TEST_CASE("safetensors: the bytes do not depend on the order, and are laid out for mapping") {
  const Files files;
  const Tensor flag = tensor(std::vector<bool>{true}), number = tensor({1.5, 2.5}), wide = tensor({3.0}, float64);
  save_safetensors(files.path(), {{"flag", flag}, {"number", number}, {"wide", wide}});
  const std::string bytes = test::read_file(files.path());
  save_safetensors(files.path(), {{"wide", wide}, {"number", number}, {"flag", flag}});
  CHECK((test::read_file(files.path()) == bytes));
  std::string header =
      R"({"flag":{"data_offsets":[16,17],"dtype":"BOOL","shape":[1]},"number":{"data_offsets":[8,16],"dtype":"F32","shape":[2]},"wide":{"data_offsets":[0,8],"dtype":"F64","shape":[1]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(
      (bytes == file_of(header, bytes_of(std::vector<double>{3.0}) + bytes_of(std::vector<float>{1.5F, 2.5F}) + "\1")));
  save_safetensors(files.path(), {});
  CHECK((test::read_file(files.path()) == file_of("{}      ")));
  CHECK(load_safetensors(files.path()).tensors.empty());
}

TEST_CASE("safetensors: tensors of any layout, on the tape or not") {
  const Files files;
  const Tensor x = tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  x.set_requires_grad(true);
  save_safetensors(
      files.path(),
      {{"transposed", x.transpose(0, 1)}, {"sliced", x.slice(1, 1, 3)}, {"expanded", x.select(0, 1).expand({2, 3})}});
  const StateDict loaded = load_safetensors(files.path()).tensors;
  CHECK(find_tensor(loaded, "transposed").to_vector<float>() == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(find_tensor(loaded, "sliced").to_vector<float>() == std::vector<float>{2, 3, 5, 6});
  CHECK(find_tensor(loaded, "expanded").to_vector<float>() == std::vector<float>{4, 5, 6, 4, 5, 6});
  CHECK_FALSE(loaded[0].second.requires_grad());
}

TEST_CASE("safetensors: other element types are converted") {
  const Files files;
  const auto load = [&](const char* dtype, std::size_t count, const std::string& content) {
    const std::string shape = fmt::format("[{}]", count);
    return files.load(file_of("{\"x\":" + entry(dtype, shape.c_str(), 0, content.size()) + "}", content))
        .tensors[0]
        .second;
  };
  const auto integers = [&]<class T>(const char* dtype, const std::vector<T>& values) {
    const Tensor x = load(dtype, values.size(), bytes_of(values));
    CHECK(x.to_vector<std::int64_t>() == std::vector<std::int64_t>(values.begin(), values.end()));
  };
  integers("U8", std::vector<std::uint8_t>{0, 1, 255});
  integers("I8", std::vector<std::int8_t>{0, -128, 127});
  integers("U16", std::vector<std::uint16_t>{0, 65535});
  integers("I16", std::vector<std::int16_t>{-32768, 32767});
  integers("U32", std::vector<std::uint32_t>{0, 4294967295U});
  integers("I32", std::vector<std::int32_t>{-2147483647 - 1, 2147483647});
  integers("U64", std::vector<std::uint64_t>{0, 9223372036854775807U});
  integers("I32", std::vector<std::int32_t>(20'000, -3));  // more than is converted at a time

  // 1, -2, the largest, the smallest normal and subnormal numbers, zeros, infinities, NaN.
  const std::vector<std::uint16_t> halves{0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x83FF,
                                          0x0000, 0x8000, 0x7C00, 0xFC00, 0x7E01};
  const std::vector<float> expected{1.0F, -2.0F, 65504.0F, 0x1p-14F,  0x1p-24F, -1023 * 0x1p-24F,
                                    0.0F, -0.0F, INFINITY, -INFINITY, NAN};
  const auto floats = load("F16", halves.size(), bytes_of(halves)).to_vector<float>();
  REQUIRE(floats.size() == expected.size());
  for (std::size_t i = 0; i + 1 < floats.size(); ++i)
    CHECK(std::bit_cast<std::uint32_t>(floats[i]) == std::bit_cast<std::uint32_t>(expected[i]));
  CHECK(std::isnan(floats.back()));
  const std::vector<std::uint16_t> brains{0x3F80, 0xC049, 0x0001, 0xFF80};
  CHECK(load("BF16", 4, bytes_of(brains)).to_vector<float>() ==
        std::vector<float>{1.0F, -3.140625F, std::bit_cast<float>(0x00010000U), -INFINITY});
  CHECK(load("BOOL", 2, std::string("\1\0", 2)).to_vector<bool>() == std::vector<bool>{true, false});
}

TEST_CASE("safetensors: headers with spaces, other orders and unaligned data are legal") {
  const Files files;
  const std::string header = "{ \"b\" : " + entry("U8", "[1]", 0, 1) + ",\n \"a\":" + entry("F32", "[1]", 1, 5) +
                             ", \"e\":" + entry("F64", "[3,0,2]", 1, 1) + "}   ";
  const auto file = files.load(file_of(header, std::string(1, '\7') + bytes_of(std::vector<float>{0.5F})));
  CHECK(find_tensor(file.tensors, "a").to_vector<float>() == std::vector<float>{0.5F});
  CHECK(find_tensor(file.tensors, "b").to_vector<std::int64_t>() == std::vector<std::int64_t>{7});
  CHECK(find_tensor(file.tensors, "e").shape() == Shape{3, 0, 2});
}

TEST_CASE("safetensors: what cannot be saved") {
  const Files files;
  const auto error = [&](const StateDict& state, const std::map<std::string, std::string>& metadata = {}) {
    return test::error_text(ErrorKind::argument, [&] { save_safetensors(files.path(), state, metadata); });
  };
  const Tensor x = scalar(1.0);
  CHECK(error({{"x", Tensor()}}) == "save_safetensors: tensor \"x\" is undefined");
  CHECK(error({{"x", x}, {"y", x}, {"x", x}}) == "save_safetensors: two tensors have the name \"x\"");
  CHECK(error({{"__metadata__", x}}) == "save_safetensors: a tensor cannot have the name __metadata__");
  CHECK(error({{"\xFF", x}}) == "save_safetensors: a name is not UTF-8; got \"\\xff\"");
  CHECK(error({}, {{"key", "\xFF"}}) == "save_safetensors: metadata \"key\" is not UTF-8");
  CHECK(
      error({}, {{"key", std::string(100'000'001, 'x')}}).starts_with("save_safetensors: names and metadata too long"));
  CHECK(files.count() == 0);
  const std::string missing = files.directory() / "missing/t.safetensors";
  CHECK(test::error_text(ErrorKind::io, [&] {
          save_safetensors(missing, {{"x", x}});
        }) == missing + ": cannot write; No such file or directory");
}

TEST_CASE("safetensors: files that are cut short or too long") {
  const Files files;
  const std::string header = "{\"x\":" + entry("F32", "[2]", 0, 8) + "}";
  const std::string good = file_of(header, std::string(8, '\0'));
  CHECK(files.load(good).tensors.size() == 1);
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    const std::string text = files.error(good.substr(0, size));
    if (size < 8)
      CHECK(text == prefix + "too short for a header; got " + std::to_string(size) + " bytes; expected at least 10");
    else if (size < 8 + header.size())
      CHECK(text.starts_with(prefix + "the header is cut short; got "));
    else
      CHECK(text == prefix + "the file is cut short; got " + std::to_string(size - 8 - header.size()) +
                        " bytes of data; expected 8");
  }
  CHECK(files.error(good + "x") == prefix + "bytes are left over; got 9 bytes of data; expected 8");
  CHECK(files.error(file_of("{}", "x")) == prefix + "bytes are left over; got 1 bytes of data; expected 0");
  for (const std::uint64_t length : {std::uint64_t{100'000'001}, std::uint64_t{1} << 40, ~std::uint64_t{0}})
    CHECK(files.error(bytes_of(length) + header) == prefix + "header too long; the first 8 bytes say " +
                                                        std::to_string(length) + " bytes; expected at most 100000000");
  CHECK(files.error(bytes_of(std::uint64_t{99'999'999}) + header).starts_with(prefix + "the header is cut short"));
  CHECK(files.error(file_of("")).starts_with(prefix + "the header does not begin with {"));
  CHECK(test::error_text(ErrorKind::io, [] { load_safetensors("/dev/null"); }) ==
        "/dev/null: not a safetensors file: not a regular file");
}

TEST_CASE("safetensors: headers that are not what they should be") {
  const Files files;
  const auto error = [&](const std::string& header) {
    const std::string text = files.error(file_of(header, std::string(8, '\0')));
    CHECK(text.starts_with(prefix));
    return text.substr(prefix.size());
  };
  const std::string good = entry("F32", "[2]", 0, 8);
  CHECK(error(" {\"x\":" + good + "}") == "the header does not begin with {; got \" \"");
  CHECK(error("[]").starts_with("the header does not begin with {; got \"[\""));
  CHECK(error("{\"x\":" + good).starts_with("the header is not JSON at its byte "));
  CHECK(error("{\"x\":" + good + "}}").starts_with("the header is not JSON at its byte "));
  CHECK(error("{\"x\":" + good + ",}").starts_with("the header is not JSON at its byte "));
  CHECK(error("{'x':1}").starts_with("the header is not JSON at its byte "));
  CHECK(error("{\"\xFF\":" + good + "}") == "invalid UTF-8 in the header at its byte 2");
  CHECK(error("{\"x\":" + good + ",\"x\":" + good + "}") == "tensor \"x\" is given twice");
  CHECK(error("{\"x\":" + good + ",\"y\":" + good + ",\"\\u0078\":" + good + "}") == "tensor \"x\" is given twice");
  CHECK(error("{\"x\":1}") == "\"x\"; got a number; expected an object");
  CHECK(error("{\"x\":[]}") == "\"x\"; got an array; expected an object");
  CHECK(error("{\"x\":null}") == "\"x\"; got null; expected an object");
  CHECK(error("{\"x\":{}}") == "tensor \"x\" has no dtype");
  CHECK(error("{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}") == "tensor \"x\" has no shape");
  CHECK(error("{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}") == "tensor \"x\" has no data_offsets");
  CHECK(error("{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}") == "tensor \"x\" has dtype twice");
  CHECK(error("{\"x\":{\"shape\":[2],\"shape\":[2]}}") == "tensor \"x\" has shape twice");
  CHECK(error("{\"x\":{\"data_offsets\":[0,8],\"data_offsets\":[0,8]}}") == "tensor \"x\" has data_offsets twice");
  CHECK(error("{\"x\":{\"stride\":[2]}}") ==
        "tensor \"x\" has a field \"stride\"; expected dtype, shape and data_offsets");
  CHECK(error("{\"x\":{\"dtype\":7}}") == "tensor \"x\": dtype; got a number; expected a string");
  CHECK(error("{\"x\":{\"shape\":2}}") == "tensor \"x\": shape; got a number; expected an array of sizes");
  CHECK(error("{\"x\":{\"shape\":[[2]]}}") == "tensor \"x\": shape; got an array; expected an array of sizes");
  CHECK(error("{\"x\":{\"shape\":[-2]}}") == "tensor \"x\": shape; got a negative number; expected an array of sizes");
  CHECK(error("{\"x\":{\"shape\":[2.0]}}").starts_with("tensor \"x\": shape; got a number that is no integer"));
  CHECK(error("{\"x\":{\"shape\":[18446744073709551616]}}")
            .starts_with("tensor \"x\": shape; got a number that is no integer"));
  CHECK(error("{\"x\":{\"shape\":[1,1,1,1,1,1,1,1,1]}}") == "tensor \"x\" has too many dimensions; expected at most 8");
  CHECK(error("{\"x\":{\"data_offsets\":[0]}}") == "tensor \"x\": data_offsets; got 1 numbers; expected 2");
  CHECK(error("{\"x\":{\"data_offsets\":[0,8,8]}}") == "tensor \"x\": data_offsets has more than two numbers");
  CHECK(error("{\"x\":{\"data_offsets\":[0,true]}}").starts_with("tensor \"x\": data_offsets; got a truth value"));
  CHECK(error("{\"__metadata__\":{\"a\":1},\"x\":" + good + "}") == "metadata \"a\"; got a number; expected a string");
  CHECK(error("{\"__metadata__\":{\"a\":{}}}") == "metadata \"a\"; got an object; expected a string");
  CHECK(error("{\"__metadata__\":\"a\"}") == "\"__metadata__\"; got a string; expected an object");
  CHECK(error("{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}") == "metadata \"a\" is given twice");
  CHECK(error("{\"__metadata__\":{},\"__metadata__\":{}}") == "__metadata__ is given twice");
  CHECK(error("{\"x\":" + std::string(100'000, '[')) == "\"x\"; got an array; expected an object");
}

TEST_CASE("safetensors: bytes that do not fit") {
  const Files files;
  const auto error = [&](const std::string& header, std::size_t bytes = 8) {
    const std::string text = files.error(file_of(header, std::string(bytes, '\0')));
    CHECK(text.starts_with(prefix));
    return text.substr(prefix.size());
  };
  const auto two = [](const std::string& a, const std::string& b) { return "{\"a\":" + a + ",\"b\":" + b + "}"; };
  CHECK(error(two(entry("F32", "[2]", 0, 8), entry("F32", "[2]", 4, 12)), 12) ==
        "tensor \"b\" overlaps the one before it; got data_offsets [4, 12]; expected it to begin at 8");
  CHECK(error(two(entry("F32", "[2]", 0, 8), entry("F32", "[2]", 0, 8))) ==
        "tensor \"b\" overlaps the one before it; got data_offsets [0, 8]; expected it to begin at 8");
  CHECK(error(two(entry("F32", "[1]", 0, 4), entry("F32", "[1]", 8, 12)), 12) ==
        "tensor \"b\" leaves a gap before it; got data_offsets [8, 12]; expected it to begin at 4");
  CHECK(error("{\"x\":" + entry("F32", "[1]", 4, 8) + "}") ==
        "tensor \"x\" leaves a gap before it; got data_offsets [4, 8]; expected it to begin at 0");
  CHECK(error(two(entry("F32", "[2]", 0, 8), entry("F32", "[0]", 8, 4)))
            .starts_with("tensor \"b\" ends before it begins"));
  CHECK(error("{\"x\":" + entry("F32", "[3]", 0, 8) + "}") ==
        "tensor \"x\": the bytes do not fit F32 of shape [3]; got data_offsets [0, 8]; expected 12 bytes");
  CHECK(error("{\"x\":" + entry("F32", "[0]", 0, 8) + "}")
            .starts_with("tensor \"x\": the bytes do not fit F32 of shape [0]"));
  CHECK(error("{\"x\":" + entry("F32", "[]", 0, 8) + "}")
            .starts_with("tensor \"x\": the bytes do not fit F32 of shape []"));
  // Products that wrap around to what is there, or to nothing.
  for (const char* shape : {"[4611686018427387906]", "[2147483648,8589934592]", "[4294967296,4294967296]",
                            "[18446744073709551615]", "[9223372036854775807,2,0]", "[0,4294967296,4294967296]"}) {
    CAPTURE(shape);
    CHECK(error("{\"x\":" + entry("F32", shape, 0, 8) + "}")
              .starts_with("tensor \"x\": a shape too large for 64 bits; got ["));
    CHECK(error("{\"x\":" + entry("F32", shape, 0, 0) + "}", 0)
              .starts_with("tensor \"x\": a shape too large for 64 bits; got ["));
  }
  CHECK(error("{\"x\":" + entry("F32", "[2]", 0, ~std::uint64_t{0}) + "}")
            .starts_with("the file is cut short; got 8 bytes"));
}

TEST_CASE("safetensors: elements that cannot be read") {
  const Files files;
  CHECK(files.error(file_of("{\"x\":" + entry("C64", "[1]", 0, 8) + "}", std::string(8, '\0'))) ==
        "tensor \"x\" has an element type that cannot be read; got \"C64\"; expected one of F32 F64 I64 BOOL F16 BF16 "
        "U64 I32 "
        "U32 I16 U16 I8 U8");
  CHECK(files.error(file_of("{\"x\":" + entry("F8_E4M3", "[8]", 0, 8) + "}", std::string(8, '\0')))
            .starts_with("tensor \"x\" has an element type that cannot be read; got \"F8_E4M3\""));
  CHECK(files.error(file_of("{\"x\":" + entry("BOOL", "[3]", 0, 3) + "}", std::string("\0\1\2", 3))) ==
        prefix + "tensor \"x\": a bool that is neither 0 nor 1; got 2");
  CHECK(files.error(file_of("{\"x\":" + entry("U64", "[1]", 0, 8) + "}", std::string(8, '\xFF'))) ==
        prefix + "tensor \"x\": a number beyond int64; got 18446744073709551615");
}

TEST_CASE("safetensors: memory is not asked for on a file's word alone") {
  const Files files;
  reset_peak_memory();
  const std::size_t before = memory_stats().peak_bytes;
  CHECK(files.error(file_of("{\"x\":" + entry("F32", "[268435456]", 0, 1073741824) + "}", "1234"))
            .starts_with(prefix + "the file is cut short; got 4 bytes"));
  // The sizes fit each other, but a later tensor is wrong: nothing is made for the first.
  CHECK(files
            .error(file_of("{\"a\":" + entry("F32", "[250000]", 0, 1'000'000) +
                               ",\"b\":" + entry("F32", "[2]", 1'000'000, 1'000'004) + "}",
                           std::string(1'000'004, '\0')))
            .starts_with(prefix + "tensor \"b\": the bytes do not fit"));
  CHECK(memory_stats().peak_bytes == before);
}

TEST_CASE("safetensors: every byte of a header may be wrong") {
  // Whatever becomes of it, it is loaded or refused with an Error; the sanitizers watch.
  const Files files;
  const std::string good =
      file_of("{\"__metadata__\":{\"k\":\"v\"},\"x\":" + entry("F32", "[2]", 0, 8) + "}", std::string(8, '\1'));
  int loaded = 0, refused = 0, tried = 0;
  for (std::size_t i = 0; i < good.size() - 8; ++i) {
    for (const char replacement : {'\0', '0', '9', '"', '{', ']', ',', '\x7F', '\xFF'}) {
      std::string bad = good;
      bad[i] = replacement;
      ++tried;
      try {
        loaded += files.load(bad).tensors.size() <= 1 ? 1 : 0;
      } catch (const Error& error) {
        refused += error.kind() == ErrorKind::io ? 1 : 0;
      }
    }
  }
  CHECK(loaded + refused == tried);
  CHECK(refused > 500);
  CHECK(loaded > 50);  // another name, another text of the metadata
}

TEST_CASE("safetensors: files that Python wrote") {
  const auto golden = test::directory() / "golden";
  for (const char* name : {"ops", "layers", "losses", "optimizers", "schedules"}) {
    CAPTURE(name);
    const auto file = load_safetensors(golden / (std::string(name) + ".safetensors"));
    CHECK(file.tensors.size() > 10);
    CHECK(file.metadata.contains("golden"));
  }
  const auto file = load_safetensors(golden / "schedules.safetensors");
  const Tensor constant = find_tensor(file.tensors, "constant"), step = find_tensor(file.tensors, "step");
  REQUIRE(constant.defined());
  CHECK(constant.dtype() == float64);
  CHECK(constant.to_vector<double>() == std::vector<double>(60, 0.1));
  REQUIRE(step.shape() == Shape{60});
  CHECK(step.to_vector<double>()[7] == 0.05);  // halved after 7 steps
}
