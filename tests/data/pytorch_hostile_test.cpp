// PyTorch files that should not be believed: damaged, lying, or asking for more than tensors.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <limits>

#include "data/pytorch_pickles.h"
#include "data/zip_bytes.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops/creation.h"
#include "saw/data/hw04.h"
#include "saw/data/npy.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using namespace test::pytorch;
using data::load_pytorch;
using data::PytorchValue;
using test::bytes_of;
using test::zip_bytes;
using Kind = data::PytorchValue::Kind;

TEST_CASE("pytorch: files of something else") {
  const Files files;
  CHECK(files.error("") == "not a PyTorch file; got \"\" at its beginning; expected a zip archive or PyTorch's pickle");
  CHECK(files.error("hello world") ==
        "not a PyTorch file; got \"hello wo\" at its beginning; expected a zip archive or PyTorch's pickle");
  CHECK(files.error(pickle("N")).starts_with("not a PyTorch file; got \"\\x80\\x02N.\""));
  CHECK(files.error(std::string(257, '\0') + "ustar" + std::string(300, '\0')) ==
        "a tar archive, as PyTorch wrote before 0.1.10; load and save it once with PyTorch");
  CHECK(files.error("PK\3\4").starts_with("not a zip archive that can be read: "));
  CHECK(files.error(zip_bytes({})) == "not a PyTorch file: an empty zip archive");
  CHECK(files.error(zip_bytes({{"data.pkl", pickle("N")}})) ==
        "not a PyTorch file: a zip archive without \"data.pkl\"");
  CHECK(files.error(zip_bytes({{"a/x", ""}, {"b/data.pkl", pickle("N")}})) ==
        "not a PyTorch file: a zip archive without \"a/data.pkl\"");
  CHECK(test::error_text(ErrorKind::io, [] { load_pytorch("/dev/null"); }) ==
        "/dev/null: not a PyTorch file: not a regular file");
  CHECK(test::error_text(ErrorKind::io, [&] { load_pytorch(files.path("missing")); }) ==
        files.path("missing") + ": cannot read; No such file or directory");
}

TEST_CASE("pytorch: TorchScript modules are recognised") {
  const Files files;
  const std::string refused =
      "a TorchScript module (torch.jit.save), which is a program; expected what torch.save writes";
  for (const std::string name : {"m/code/__torch__.py", "m/constants.pkl"}) {
    const std::string file = zip_bytes({{"m/data.pkl", pickle("N")}, {name, "x"}});
    CHECK(files.error(file) == refused);
    CHECK(data::is_torchscript(files.path()));
  }
  CHECK_FALSE(data::is_torchscript(golden("tensor.pt")));
  CHECK_FALSE(data::is_torchscript(golden("tensor_legacy.pt")));
  test::write_file(files.path(), "PK\3\4");
  CHECK_FALSE(data::is_torchscript(files.path()));
  CHECK(test::error_text(ErrorKind::io, [&] { data::is_torchscript(files.path("missing")); }) ==
        files.path("missing") + ": cannot read; No such file or directory");
}

TEST_CASE("pytorch: containers that lie") {
  const Files files;
  const std::string x = tensor_pickle({}), six = bytes_of(counted(6));
  const auto error = [&](const std::vector<test::ZipEntry>& more) {
    std::vector<test::ZipEntry> entries{{"a/data.pkl", pickle(x)}};
    entries.insert(entries.end(), more.begin(), more.end());
    return files.error(zip_bytes(entries));
  };
  CHECK(error({}) == "record \"a/data/0\" is missing");
  CHECK(error({{"a/data/0", six, 0, 0, 123}}) ==
        "record \"a/data/0\" cannot be read: its checksum is wrong; the file is damaged");
  CHECK(error({{"a/data/0", six.substr(1)}}) ==
        "record \"a/data/0\" is too short; got 5 elements of float32; expected 6");
  CHECK(error({{"a/data/0", six}, {"a/data/0", six}}) == "two records have the name \"a/data/0\"");
  CHECK(error({{"a/data/0", six, 8}}) ==
        "record \"a/data/0\" is compressed; PyTorch reads and writes records as they are");
  CHECK(error({{"a/data/0", six, 12}}) ==
        "record \"a/data/0\" is compressed; got method 12; expected stored or deflated");
  CHECK(error({{"a/data/0", six, 0, 1}}) == "record \"a/data/0\" is encrypted");
  CHECK(error({{"a/data/0", six, 0, 0, std::nullopt, 4'000'000'000U}}) ==
        "record \"a/data/0\" has an impossible size; got 4000000000 bytes in 24 bytes of the file");
  CHECK(error({{"a/data/0", six, 0, 0, std::nullopt, 4'000'000'000U, 4'000'000'000U}}) ==
        "record \"a/data/0\" runs past the end of the file or overlaps others; got 4000000000 bytes");
  CHECK(error({{"a/data/0", std::string(500, '\0')},
               {.name = "a/data/1", .content = std::string(500, '\0'), .same_place_as = 1},
               {.name = "a/data/2", .content = std::string(500, '\0'), .same_place_as = 1}}) ==
        "record \"a/data/1\" runs past the end of the file or overlaps others; got 500 bytes");
  CHECK(error({{"a/data/0", six}, {"a/byteorder", "middle"}}) ==
        "the record byteorder says \"middle\"; expected \"little\" or \"big\"");
  // A key whose beginning is another key.
  CHECK(files.error(archive(tensor_pickle({.key = std::string("0\0", 2)}))) == "record \"a/data/0\\x00\" is missing");
  // Every cut is seen.
  const std::string file = archive(x);
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    files.error(file.substr(0, size));
  }
}

TEST_CASE("pytorch: pickles that ask for more than tensors") {
  const Files files;
  const auto error = [&](const std::string& opcodes) {
    std::string text = files.error(archive(opcodes));
    const std::string prefix = "its pickle cannot be read at byte ";
    CHECK(text.starts_with(prefix));
    return text.substr(std::min(text.find(": ") + 2, text.size()));
  };
  const std::string only =
      ", which is not among what it may use; expected dense tensors, containers, numbers and strings (of a model, its "
      "state_dict())";
  CHECK(error(global("os", "system") + "(" + text("true") + "tR") == "it asks for \"os.system\"" + only);
  CHECK(error(global("builtins", "eval")) == "it asks for \"builtins.eval\"" + only);
  CHECK(error(text("posix") + text("system") + "\x93") == "it asks for \"posix.system\"" + only);
  CHECK(error(global("torch._utils", "_rebuild_sparse_tensor")) ==
        "it asks for \"torch._utils._rebuild_sparse_tensor\"" + only);
  CHECK(error(global("torch._utils", "_rebuild_tensor_v2\t")).starts_with("it asks for "));
  CHECK(error("i") == "opcode 0x69 is not among those that torch.save writes");
  CHECK(error("\x81") == "opcode 0x81 is not among those that torch.save writes");
  CHECK(error("\x82\x01") == "opcode 0x82 is not among those that torch.save writes");
  CHECK(error("\x80\x01N") == "protocol 1; expected 2 to 5");
  CHECK(error("\x80\x06N") == "protocol 6; expected 2 to 5");
  CHECK(error(storage({})) == "it holds a storage; expected tensors, containers, numbers and strings");
  CHECK(error(global("torch", "Size")) == "it holds a global; expected tensors, containers, numbers and strings");
  CHECK(error(std::string("(") + text("module") + "NNNtQ") ==
        "it refers to a \"module\"; expected a storage (of a model, save its state_dict())");
  CHECK(error(tensor_pickle({.type = "ComplexFloatStorage"})) == "elements of ComplexFloatStorage cannot be read");
  CHECK(error(tensor_pickle({.type = "QInt8Storage"})) == "elements of QInt8Storage cannot be read");
  CHECK(error(text("no UTF-8 \xff")) == "a string is not UTF-8; got \"no UTF-8 \\xff\"");
  CHECK(error("\x8a\x09" + std::string(9, '\1')) == "an integer of 9 bytes; expected at most 8");
  CHECK(error(text("x") + ")R") == "it calls a str");
  CHECK(error(global("torch", "FloatStorage") + ")R") == "it calls torch.FloatStorage");
  CHECK(error(global("torch", "Size") + "NR") == "the arguments of a call: got a None; expected a tuple");
  CHECK(error("]K\x01" + std::string("b")) == "it sets attributes of a list; expected a dict");
  // Wrong things in the right places.
  CHECK(error("N(NNu") == "it sets an item of a None; expected a dict");
  CHECK(error("}(Nu") == "a key without a value");
  CHECK(error("}Na") == "it appends to a dict; expected a list");
  CHECK(error(global("torch._utils", "_rebuild_parameter") + "NNN\x87R") == "a parameter that is no tensor");
  CHECK(error(global("torch._utils", "_rebuild_tensor_v2") + ")R") ==
        "_rebuild_tensor_v2 of 0 arguments; expected 6 to 7");
  CHECK(error(global("_codecs", "encode") + text("x") + text("utf-16") + "\x86R") ==
        "text that is encoded otherwise than by latin1");
  CHECK(error(global("_codecs", "encode") + text("ā") + text("latin1") + "\x86R") == "bytes beyond 255");
}

TEST_CASE("pytorch: pickles that are broken") {
  const Files files;
  const auto error = [&](const std::string& opcodes) {
    const std::string text = files.error(archive(opcodes));
    return text.substr(std::min(text.find(": ") + 2, text.size()));
  };
  CHECK(error("") == "a value is missing");
  CHECK(error("NN") == "it stops with values left over");
  CHECK(error("(N") == "it stops with values left over");
  CHECK(error("N(") == "a value is missing");
  CHECK(error("t") == "a mark is missing");
  CHECK(error("(e") == "a value is missing");
  CHECK(error("](Na") == "a value is missing");  // the list lies below the mark
  CHECK(error("N\x86") == "a value is missing");
  CHECK(error("h\1") == "memo slot 1 is empty");
  CHECK(error(std::string("j") + bytes_of(4'000'000'000U)) == "memo slot 4000000000 is empty");
  CHECK(error(std::string("Nr") + bytes_of(4'000'000'000U)) == "memo slot 4000000000 comes after slot 0");
  CHECK(error(std::string("X") + bytes_of(4'000'000'000U) + "x") == "it is cut short");
  CHECK(error(std::string("\x8d") + bytes_of(~std::uint64_t{0})) == "it is cut short");
  CHECK(error("ctorch" + std::string(2000, 'x')) == "a name without end");
  CHECK(files.error(zip_bytes({{"a/data.pkl", "\x80\x02N"}})).ends_with("it is cut short"));
}

TEST_CASE("pytorch: tensors that do not fit their storage") {
  const Files files;
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  const auto error = [&](const TensorPickle& t) {
    const std::string text = files.error(archive(tensor_pickle(t)));
    return text.substr(std::min(text.find(": ") + 2, text.size()));
  };
  CHECK(error({.offset = 1}) == "a tensor of shape (2, 3) reaches beyond its storage of 6 elements");
  CHECK(error({.shape = {7}, .strides = {1}}) == "a tensor of shape (7,) reaches beyond its storage of 6 elements");
  CHECK(error({.strides = {4, 1}}) == "a tensor of shape (2, 3) reaches beyond its storage of 6 elements");
  CHECK(error({.strides = {huge, 1}}) == "a tensor of shape (2, 3) reaches beyond its storage of 6 elements");
  CHECK(error({.offset = huge, .shape = {}, .strides = {}}) ==
        "a tensor of shape () reaches beyond its storage of 6 elements");
  CHECK(error({.shape = {huge, huge}, .strides = {0, 0}}) == "a tensor of too many elements");
  CHECK(error({.shape = {huge, 0}, .strides = {0, 0}}) == "a tensor of too many elements");
  CHECK(error({.strides = {1}}) == "a tensor of 2 sizes and 1 strides");
  CHECK(error({.shape = std::vector<std::int64_t>(9, 1), .strides = std::vector<std::int64_t>(9, 1)}) ==
        "a tensor of 9 dimensions; expected at most 8");
  CHECK(error({.shape = {-2, 3}}) == "the size of a tensor: got -2; expected no negative number");
  CHECK(error({.strides = {-3, 1}}) == "the stride of a tensor: got -3; expected no negative number");
  CHECK(error({.offset = -1}) == "the offset of a tensor: got -1; expected no negative number");
  CHECK(error({.count = -1}) == "the size of a storage: got -1; expected no negative number");
  CHECK(files.error(archive(tensor_pickle({.count = 7}))) ==
        "record \"a/data/0\" is too short; got 6 elements of float32; expected 7");
  CHECK(files.error(archive(tensor_pickle({.count = huge}))) ==
        "record \"a/data/0\" is too short; got 6 elements of float32; expected 9223372036854775807");
  CHECK(files.error(archive(tensor_pickle({}) + tensor_pickle({.type = "IntStorage"}) + "\x86")) ==
        "storage \"0\" is used both as float32 and as int32");
  CHECK(files.error(archive(tensor_pickle({.type = "BoolStorage", .shape = {6}, .strides = {1}}))) ==
        "record \"a/data/0\": a bool that is neither 0 nor 1; got 128");
  // Expanded views cost nothing, however large.
  reset_peak_memory();
  const std::size_t before = memory_stats().active_bytes;
  const Tensor expanded =
      files.load(archive(tensor_pickle({.shape = {std::int64_t{1} << 40, 6}, .strides = {0, 1}}))).tensor();
  CHECK(expanded.shape() == Shape{std::int64_t{1} << 40, 6});
  CHECK(memory_stats().peak_bytes - before < 4096);
}

TEST_CASE("pytorch: a small file does not become gigabytes") {
  const Files files;
  const auto write = [&](const std::string& opcodes) { test::write_file(files.path(), archive(opcodes)); };
  const TensorPickle bomb{.shape = {1'000'000'000, 3}, .strides = {0, 1}};
  write(tensor_pickle(bomb));
  CHECK(std::filesystem::file_size(files.path()) < 1000);
  CHECK(load_pytorch(files.path()).tensor().numel() == 3'000'000'000);  // a view, which costs nothing
  const std::string expected =
      " of shape (1000000000, 3) is expanded from 24 bytes by strides of 0; expected at most 64 times as many; hint: "
      "save "
      "tensor.contiguous()";
  CHECK(test::error_text(ErrorKind::io, [&] { data::load_pytorch_tensor(files.path()); }) ==
        files.path() + ": the tensor" + expected);
  data::Utterance utterance;
  utterance.path = files.path();
  const auto before = memory_stats();
  CHECK(test::error_text(ErrorKind::io, [&] { data::read_features(utterance, 3); }).ends_with(expected));
  CHECK(memory_stats().peak_bytes < before.active_bytes + (1 << 20) + before.peak_bytes);
  write("}" + text("w") + tensor_pickle(bomb) + "s");
  CHECK(test::error_text(ErrorKind::io, [&] { data::load_pytorch_state_dict(files.path()); }) ==
        files.path() + ": the entry \"w\"" + expected);
  // A mask that was expanded and saved is read as it was.
  write(tensor_pickle({.shape = {1000, 3}, .strides = {0, 1}}));
  CHECK(data::load_pytorch_tensor(files.path()).shape() == Shape{1000, 3});
}

TEST_CASE("pytorch: a file larger than memory is named") {
  const Files files;
  // A tebibyte, of which nothing is on the disk.
  test::write_file(files.path(), "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
  std::error_code no_sparse_files;
  std::filesystem::resize_file(files.path(), std::uintmax_t{1} << 40, no_sparse_files);
  if (!no_sparse_files)
    CHECK(test::error_text(ErrorKind::io, [&] {
            load_pytorch(files.path());
          }).starts_with(files.path() + ": the file is too large"));
}

TEST_CASE("pytorch: values that would never end") {
  const Files files;
  CHECK(files.error(archive("]q\1h\1a")) == "a list contains itself");
  CHECK(files.error(archive("}q\1K\1(h\1ts")) == "a dict contains itself");
  std::string deep = "N";
  for (int i = 0; i < 1'000'000; ++i) deep += "\x85";
  CHECK(files.error(archive(deep)) == "values are nested too deep; expected at most 1000 levels");
  deep.resize(1 + 999);
  PytorchValue value = files.load(archive(deep));
  for (int i = 0; i < 999; ++i) value = value.element(0);
  CHECK(value.is_none());
  // A pair of a pair of a pair …, each of which is one pair twice: small here, 2⁴⁰ values when written out.
  std::string doubled = "N";
  for (int i = 0; i < 40; ++i) doubled += std::string("q") + static_cast<char>(i) + "h" + static_cast<char>(i) + "\x86";
  CHECK(files.error(archive(doubled)) == "values share parts so often that they would be more than 10000000 without");
  CHECK(files.error(archive("}(" + text("a") + "N" + text("b") + "N" + text("a") + "Nu")) ==
        "a dict has the key \"a\" twice");
  CHECK(files.error(archive("}(K\1NK\1Nu")) == "a dict has the key 1 twice");
  CHECK(files.error(archive("})Ns")) == "a dict has a tuple as a key; expected a str, int, float, bool or None");
  CHECK(files.error(archive("](" + storage({}) + "e")) ==
        "it holds a storage without a tensor; expected tensors, containers, numbers and strings");
}
