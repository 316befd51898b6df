#include "saw/data/npy.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "data/zip_bytes.h"
#include "saw/autograd/ops/creation.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using data::load_npy;
using data::load_npz;
using data::save_npy;
using data::save_npz;
using test::bytes_of;
using test::zip_bytes;

namespace {

std::string golden(const std::string& name) { return test::directory() / "golden" / "pytorch" / name; }

std::string npy_bytes(const std::string& dict, const std::string& content = "") {
  return "\x93NUMPY" + std::string("\1\0", 2) + bytes_of(static_cast<std::uint16_t>(dict.size())) + dict + content;
}

std::string npy_of(const std::string& descr, const std::string& shape, const std::string& content,
                   const std::string& order = "False") {
  return npy_bytes(fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", descr, order, shape), content);
}

class Files {
 public:
  std::string path(const std::string& name = "x") const { return directory_ / name; }
  Tensor load(const std::string& bytes) const {
    test::write_file(path(), bytes);
    return load_npy(path());
  }
  std::string error(const std::string& bytes) const {
    return without_path(test::error_text(ErrorKind::io, [&] { load(bytes); }));
  }
  std::string npz_error(const std::string& bytes) const {
    test::write_file(path(), bytes);
    return without_path(test::error_text(ErrorKind::io, [&] { load_npz(path()); }));
  }
  std::ptrdiff_t count() const {
    return std::distance(std::filesystem::directory_iterator(directory_.path()), std::filesystem::directory_iterator());
  }

 private:
  std::string without_path(const std::string& text) const {
    CHECK(text.starts_with(path() + ": "));
    CHECK(text.find('\n') == std::string::npos);
    return text.substr(std::min(path().size() + 2, text.size()));
  }

  test::TemporaryDirectory directory_;
};

const std::string prefix = "not a .npy array: ";

}  // namespace

TEST_CASE("npy: what NumPy wrote") {
  const Tensor array = load_npy(golden("array.npy"));
  CHECK(array.shape() == Shape{2, 3});
  CHECK(array.to_vector<float>() == std::vector<float>{0, 1, 2, 3, 4, 5});
  const Tensor fortran = load_npy(golden("fortran.npy"));
  CHECK(fortran.shape() == Shape{2, 3});
  CHECK(fortran.strides() == Strides{1, 2});
  CHECK(fortran.to_vector<float>() == std::vector<float>{0, 1, 2, 3, 4, 5});
  const Tensor scalar = load_npy(golden("scalar.npy"));
  CHECK(scalar.shape() == Shape{});
  CHECK(scalar.to_vector<std::int64_t>() == std::vector<std::int64_t>{7});
  for (const char* name : {"arrays.npz", "compressed.npz"}) {
    CAPTURE(name);
    const StateDict arrays = load_npz(golden(name));
    REQUIRE(arrays.size() == 3);
    CHECK(arrays[0].first == "first");
    CHECK(arrays[0].second.to_vector<float>() == std::vector<float>{0, 1, 2, 3, 4, 5});
    CHECK(find_tensor(arrays, "second").to_vector<bool>() == std::vector<bool>{true, false});
    const Tensor zeros = find_tensor(arrays, "zeros");
    CHECK(zeros.dtype() == float64);
    const auto values = zeros.to_vector<double>();
    CHECK(std::all_of(values.begin(), values.end(), [](double value) { return value == 0.0; }));
  }
  CHECK(find_tensor(load_npz(golden("arrays.npz")), "zeros").shape() == Shape{0, 4});
  CHECK(find_tensor(load_npz(golden("compressed.npz")), "zeros").shape() == Shape{100, 100});
}

TEST_CASE("npy: the same bytes as NumPy") {
  const Files files;
  save_npy(files.path(), tensor({{0.0, 1.0, 2.0}, {3.0, 4.0, 5.0}}));
  CHECK((test::read_file(files.path()) == test::read_file(golden("array.npy"))));
  CHECK(files.count() == 1);
}

TEST_CASE("npy: what is saved is loaded") {
  const Files files;
  const Tensor matrix = tensor({{0.0, 1.0, 2.0}, {3.0, 4.0, 5.0}}, float64);
  matrix.set_requires_grad(true);
  const StateDict arrays{{"matrix", matrix},
                         {"transposed", matrix.transpose(0, 1)},
                         {"ids", tensor(std::vector<std::int64_t>{-1, std::numeric_limits<std::int64_t>::max()})},
                         {"mask", tensor(std::vector<bool>{true, false})},
                         {"scalar", scalar(2.5)},
                         {"empty", zeros({3, 0})},
                         {"long name/naïve", ones(Shape::filled(8, 1))}};
  const auto check = [](const Tensor& loaded, const Tensor& saved) {
    CHECK(loaded.shape() == saved.shape());
    REQUIRE(loaded.dtype() == saved.dtype());
    if (saved.dtype() == float32) CHECK(loaded.to_vector<float>() == saved.to_vector<float>());
    if (saved.dtype() == float64) CHECK(loaded.to_vector<double>() == saved.to_vector<double>());
    if (saved.dtype() == int64) CHECK(loaded.to_vector<std::int64_t>() == saved.to_vector<std::int64_t>());
    if (saved.dtype() == boolean) CHECK(loaded.to_vector<bool>() == saved.to_vector<bool>());
  };
  for (const auto& each : arrays) {
    const std::string& name = each.first;
    CAPTURE(name);
    save_npy(files.path(), each.second);
    CHECK(test::read_file(files.path()).find('\n') % 64 == 63);
    check(load_npy(files.path()), each.second);
  }
  save_npz(files.path(), arrays);
  const std::string bytes = test::read_file(files.path());
  const StateDict loaded = load_npz(files.path());
  REQUIRE(loaded.size() == arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    CHECK(loaded[i].first == arrays[i].first);
    check(loaded[i].second, arrays[i].second);
  }
  save_npz(files.path(), arrays);
  CHECK((test::read_file(files.path()) == bytes));
  save_npz(files.path(), {});
  CHECK(load_npz(files.path()).empty());
}

TEST_CASE("npy: element types, orders of bytes, versions") {
  const Files files;
  const auto integers = [&](const std::string& descr, const std::string& content) {
    return files.load(npy_of(descr, "(2,)", content)).to_vector<std::int64_t>();
  };
  using Integers = std::vector<std::int64_t>;
  CHECK(integers("|i1", "\x80\x7f") == Integers{-128, 127});
  CHECK(integers("|u1", std::string("\0\xff", 2)) == Integers{0, 255});
  CHECK(integers("<i2", std::string("\1\0\xff\xff", 4)) == Integers{1, -1});
  CHECK(integers(">i2", std::string("\0\1\xff\xff", 4)) == Integers{1, -1});
  CHECK(integers(">u2", std::string("\1\0\xff\xff", 4)) == Integers{256, 65535});
  CHECK(integers("<i4", bytes_of(std::vector<std::int32_t>{-7, 1 << 30})) == Integers{-7, 1 << 30});
  CHECK(integers(">u4", std::string("\0\0\0\1\xff\xff\xff\xff", 8)) == Integers{1, 4294967295});
  CHECK(integers("i8", bytes_of(Integers{-7, 1})) == Integers{-7, 1});
  CHECK(integers("=u8", bytes_of(Integers{7, 1})) == Integers{7, 1});
  CHECK(files.load(npy_of("<f2", "(2,)", bytes_of(std::vector<std::uint16_t>{0x3C00, 0xC000}))).to_vector<float>() ==
        std::vector<float>{1, -2});
  CHECK(files.load(npy_of(">f4", "()", std::string("\x3f\x80\0\0", 4))).item() == 1.0);
  CHECK(files.load(npy_of(">f8", "()", std::string("\x3f\xf0\0\0\0\0\0\0", 8))).item() == 1.0);
  CHECK(files.load(npy_of("|b1", "(2,)", std::string("\1\0", 2))).to_vector<bool>() == std::vector<bool>{true, false});

  const std::string dict = "{'shape': (2L, 1L), \"descr\":'<i1' ,'fortran_order':True}  \n";
  for (const char version : {'\2', '\3'}) {
    const Tensor x = files.load("\x93NUMPY" + std::string{version, '\0'} +
                                bytes_of(static_cast<std::uint32_t>(dict.size())) + dict + "\5\6");
    CHECK(x.shape() == Shape{2, 1});
    CHECK(x.to_vector<std::int64_t>() == std::vector<std::int64_t>{5, 6});
  }
  CHECK(files.load(npy_of("<i1", "(2, 3, 1)", "abcdef", "True")).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{'a', 'c', 'e', 'b', 'd', 'f'});
}

TEST_CASE("npy: files that are not what they should be") {
  const Files files;
  const std::string good = npy_of("<f4", "(2,)", std::string(8, '\0'));
  CHECK(files.load(good).numel() == 2);
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    const std::string text = files.error(good.substr(0, size));
    if (size >= good.size() - 8)
      CHECK(text ==
            fmt::format("the array is cut short; got {} bytes of elements; expected 8 for float32 of shape (2,)",
                        size + 8 - good.size()));
    else
      CHECK(text == prefix + "the header is cut short");
  }
  CHECK(files.error(good + "x") ==
        "bytes are left over; got 9 bytes of elements; expected 8 for float32 of shape (2,)");
  CHECK(files.error("hello world") == prefix + "it does not begin with \\x93NUMPY");
  CHECK(files.error("\x93NUMPY" + std::string("\4\0", 2) + good.substr(8)) ==
        prefix + "version 4.0; expected 1.0, 2.0 or 3.0");
  CHECK(files.error("\x93NUMPY" + std::string("\2\0\xff\xff\xff\xff", 6) + good) ==
        prefix + "a header of 4294967295 bytes; expected at most 1048576");
  CHECK(files.error(npy_of("|b1", "(1,)", "\2")) == "a bool that is neither 0 nor 1; got 2");
  CHECK(files.error(npy_of("<u8", "(1,)", std::string(8, '\xff'))) ==
        "a number beyond int64; got 18446744073709551615");
  const auto elements = [&](const std::string& descr) {
    return files.error(npy_of(descr, "(1,)", std::string(8, '\0')));
  };
  CHECK(elements("|O") == prefix +
                              "its elements cannot be read; got descr \"|O\" (Python objects, whose reading could "
                              "run code); expected f2, f4, f8, i1 to i8, u1 to u8 or b1");
  for (const char* descr : {"<c8", "<U2", "|S8", "<M8[s]", "<f16", "", "<", "V8"})
    CHECK(elements(descr).starts_with(prefix + "its elements cannot be read; got descr \"" + descr + "\""));
  const auto shape = [&](const std::string& text) {
    return files.error(npy_of("<f4", text, "")).substr(prefix.size());
  };
  CHECK(shape("(9223372036854775807, 0)") == "too many elements; got (9223372036854775807, 0)");
  CHECK(shape("(4294967296, 4294967296)") == "too many elements; got (4294967296, 4294967296)");
  CHECK(shape("(1,1,1,1,1,1,1,1,1)") == "too many dimensions; expected at most 8");
  CHECK(shape("(-1,)").starts_with("shape; got \"-1,)"));
  CHECK(shape("(99999999999999999999,)").starts_with("shape; got \"9999"));
  CHECK(shape("(x,)").starts_with("shape; got \"x,)"));
  CHECK(shape("(2 3)").starts_with("the header goes on with \"3)"));
  CHECK(shape("2").starts_with("the header goes on with \"2, }\"; expected \"(\""));
  const auto header = [&](const std::string& dict) { return files.error(npy_bytes(dict)).substr(prefix.size()); };
  CHECK(header("") == "the header goes on with \"\"; expected \"{\"");
  CHECK(header("{}") == "the header has no descr");
  CHECK(header("{'descr': '<f4'}") == "the header has no fortran_order");
  CHECK(header("{'descr': '<f4', 'fortran_order': False}") == "the header has no shape");
  CHECK(header("{'descr': '<f4', 'descr': '<f4'}") == "the header has \"descr\" twice");
  CHECK(header("{'other': 1}") == "the header has \"other\"; expected descr, fortran_order and shape");
  CHECK(header("{'descr': [('a', '<f4')]}") == "its elements are records; expected numbers or bools");
  CHECK(header("{'fortran_order': 1}") == "fortran_order; got \"1}\"; expected True or False");
  CHECK(header("{'descr") == "the header ends within a key");
  CHECK(header("{1: 2}") == "the header goes on with \"1: 2}\"; expected a key");
  CHECK(header("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x") ==
        "something follows the header's dict: \"x\"");
  CHECK(test::error_text(ErrorKind::io, [] { load_npy("/dev/null"); }) ==
        "/dev/null: " + prefix + "not a regular file");
}

TEST_CASE("npz: archives that are not what they should be") {
  const Files files;
  const std::string array = npy_of("<f4", "(2,)", std::string(8, '\0'));
  CHECK(files.npz_error("hello").starts_with("not a zip archive that can be read: "));
  CHECK(files.npz_error(zip_bytes({{"x.txt", "hello"}})) ==
        "array \"x.txt\": not an array by its name; expected names that end in .npy");
  CHECK(files.npz_error(zip_bytes({{"x.npy", "hello"}})) == "array \"x.npy\": " + prefix + "the header is cut short");
  CHECK(files.npz_error(zip_bytes({{"x.npy", array}, {"x.npy", array}})) == "two records have the name \"x.npy\"");
  CHECK(files.npz_error(zip_bytes({{"x.npy", array, 0, 0, 123}})) ==
        "record \"x.npy\" cannot be read: its checksum is wrong; the file is damaged");
  CHECK(files.npz_error(zip_bytes({{"x.npy", array, 8}}))
            .starts_with("record \"x.npy\" cannot be read: "));  // not what deflate writes
  CHECK(files.npz_error(zip_bytes({{"x.npy", array, 8, 0, std::nullopt, 4'000'000'000U}}))
            .starts_with("record \"x.npy\" has an impossible size; got 4000000000 bytes in "));
}

TEST_CASE("npy: what cannot be saved") {
  const Files files;
  const auto error = [&](const StateDict& arrays) {
    return test::error_text(ErrorKind::argument, [&] { save_npz(files.path(), arrays); });
  };
  const Tensor x = scalar(1.0);
  CHECK(error({{"x", Tensor()}}) == "save_npz: array \"x\" is undefined");
  CHECK(error({{"", x}}) == "save_npz: an array has no name");
  CHECK(error({{"x", x}, {"x", x}}) == "save_npz: two arrays have the name \"x\"");
  CHECK(error({{"\xFF", x}}) == "save_npz: a name is not UTF-8; got \"\\xff\"");
  CHECK(test::error_text(ErrorKind::argument, [&] { save_npy(files.path(), Tensor()); }) ==
        "save_npy: the tensor is undefined");
  CHECK(files.count() == 0);
}
