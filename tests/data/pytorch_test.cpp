#include "saw/data/pytorch.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <limits>

#include "data/pytorch_pickles.h"
#include "data/zip_bytes.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops/creation.h"
#include "saw/data/npy.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using namespace test::pytorch;
using data::load_pytorch;
using data::load_pytorch_state_dict;
using data::load_pytorch_tensor;
using data::PytorchValue;
using data::save_pytorch;
using test::bytes_of;
using test::zip_bytes;
using Kind = data::PytorchValue::Kind;

namespace {

// Everything that the golden "structure" files hold.
void check_structure(const PytorchValue& value) {
  REQUIRE(value.kind() == Kind::dict);
  CHECK(value.size() == 27);
  const Tensor base = value.at("base").tensor();
  CHECK(base.shape() == Shape{3, 4});
  CHECK(base.to_vector<float>() == counted(12));
  CHECK_FALSE(base.requires_grad());
  const Tensor transposed = value.at("transposed").tensor();
  CHECK(transposed.shape() == Shape{4, 3});
  CHECK(transposed.to_vector<float>() == std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
  CHECK(value.at("strided").tensor().to_vector<float>() == std::vector<float>{4, 6, 8, 10});
  CHECK(value.at("scalar_view").tensor().shape() == Shape{});
  CHECK(value.at("scalar_view").tensor().item() == 11.0);
  const Tensor expanded = value.at("expanded").tensor();
  CHECK(expanded.shape() == Shape{5, 4});
  CHECK(expanded.strides() == Strides{0, 1});
  for (const char* view : {"transposed", "strided", "scalar_view", "expanded"})
    CHECK(value.at(view).tensor().storage() == base.storage());
  CHECK(value.at("own").tensor().storage() != base.storage());
  CHECK(value.at("own").tensor().to_vector<float>() == counted(12));
  CHECK(value.at("scalar").tensor().dtype() == float64);
  CHECK(value.at("scalar").tensor().item() == 3.5);
  CHECK(value.at("empty").tensor().shape() == Shape{0, 3});
  CHECK(value.at("parameter").tensor().to_vector<float>() == std::vector<float>{1.5, -2.5});
  CHECK(value.at("none").is_none());
  CHECK(value.at("true").boolean());
  CHECK(value.at("int").integer() == -5);
  CHECK(value.at("int").real() == -5.0);
  CHECK(value.at("large").integer() == std::int64_t{1} << 40);
  CHECK(value.at("largest").integer() == std::numeric_limits<std::int64_t>::max());
  CHECK(value.at("smallest").integer() == std::numeric_limits<std::int64_t>::min());
  CHECK(value.at("float").real() == 0.1);
  CHECK(value.at("string").string() == "naïve");
  CHECK(value.at("bytes").bytes() == "a\xff");
  CHECK(value.at("no_bytes").bytes().empty());
  const PytorchValue list = value.at("list");
  REQUIRE(list.kind() == Kind::list);
  CHECK(list.element(0).integer() == 1);
  CHECK(list.element(1).element(0).integer() == 2);
  CHECK(list.element(1).element(1).size() == 0);
  const PytorchValue tuple = value.at("tuple");
  REQUIRE(tuple.kind() == Kind::tuple);
  CHECK(tuple.size() == 5);
  CHECK(tuple.element(1).element(1).kind() == Kind::tuple);
  CHECK(tuple.element(4).integer() == 5);
  CHECK(value.at("set").element(0).integer() == 7);
  CHECK(value.at("counter").at("a").integer() == 2);
  CHECK(value.at("ordered").key(0).string() == "z");
  CHECK(value.at("ordered").value(1).integer() == 2);
  CHECK(value.at("size").element(1).integer() == 4);
  CHECK(value.at("dtype").string() == "torch.float16");
  CHECK(value.at("device").string() == "cuda:1");
}

}  // namespace

// ---- what PyTorch wrote ----

TEST_CASE("pytorch: a tensor, in both forms") {
  for (const char* name : {"tensor.pt", "tensor_legacy.pt"}) {
    CAPTURE(name);
    const Tensor x = load_pytorch_tensor(golden(name));
    CHECK(x.dtype() == float32);
    CHECK(x.shape() == Shape{3, 4});
    CHECK(x.is_contiguous());
    CHECK(x.to_vector<float>() == counted(12, 0.5F));
  }
}

TEST_CASE("pytorch: every element type that is read") {
  for (const char* name : {"dtypes.pt", "dtypes_legacy.pt"}) {
    CAPTURE(name);
    const StateDict tensors = load_pytorch_state_dict(golden(name));
    CHECK(tensors.size() == 13);
    for (const auto& each : tensors) {
      const std::string& dtype = each.first;
      CAPTURE(dtype);
      const Tensor& x = each.second;
      if (dtype == "float64") {
        CHECK(x.to_vector<double>() == std::vector<double>{0, 1, 0, 1});
      } else if (dtype.find("float") != std::string::npos) {
        CHECK(x.to_vector<float>() == std::vector<float>{0, 1, 0, 1});
      } else if (dtype == "bool") {
        CHECK(x.to_vector<bool>() == std::vector<bool>{false, true, false, true});
      } else {
        CHECK(x.to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 0, 1});
      }
    }
  }
}

TEST_CASE("pytorch: views, shared storage, containers, numbers and strings") {
  for (const char* name : {"structure.pt", "structure_legacy.pt", "structure_protocol4.pt", "structure_protocol5.pt"}) {
    CAPTURE(name);
    check_structure(load_pytorch(golden(name)));
  }
}

TEST_CASE("pytorch: a checkpoint with an optimizer's state") {
  for (const char* name : {"checkpoint.pt", "checkpoint_legacy.pt"}) {
    CAPTURE(name);
    const PytorchValue checkpoint = load_pytorch(golden(name));
    CHECK(checkpoint.at("epoch").integer() == 3);
    const PytorchValue optimizer = checkpoint.at("optimizer");
    const PytorchValue state = optimizer.at("state");
    CHECK(state.size() == 4);
    CHECK(state.key(1).integer() == 1);
    CHECK(state.value(1).at("step").tensor().item() == 1.0);
    CHECK(state.value(0).at("exp_avg").tensor().shape() == Shape{1, 2});
    const PytorchValue group = optimizer.at("param_groups").element(0);
    CHECK(group.at("betas").element(1).real() == 0.999);
    CHECK(group.at("foreach").is_none());

    const StateDict model = load_pytorch_state_dict(golden(name));
    std::vector<std::string> names;
    for (const auto& each : model) names.push_back(each.first);
    CHECK(names == std::vector<std::string>{"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean",
                                            "1.running_var", "1.num_batches_tracked"});
    CHECK(find_tensor(model, "0.weight").to_vector<float>() == std::vector<float>{1, 1});
    CHECK(find_tensor(model, "1.running_mean").to_vector<float>()[0] == doctest::Approx(0.7));
    CHECK(find_tensor(model, "1.num_batches_tracked").item() == 1.0);
  }
}

TEST_CASE("pytorch: what is not as it was asked for") {
  const auto error = [](const std::string& name, auto&& load) {
    std::string text = test::error_text(ErrorKind::io, [&] { load(golden(name)); });
    CHECK(text.starts_with(golden(name) + ": "));
    return text.substr(golden(name).size() + 2);
  };
  CHECK(error("structure.pt", load_pytorch_tensor) == "it holds a dict; expected one tensor");
  CHECK(error("tensor.pt", load_pytorch_state_dict) == "it holds a tensor; expected a dict of tensors");
  CHECK(error("structure.pt", load_pytorch_state_dict) ==
        "the entry \"none\" is a None; expected tensors, or a dict of them as \"state_dict\" or \"model\"");
  const PytorchValue value = load_pytorch(golden("structure.pt"));
  const auto wrong = [](ErrorKind kind, auto&& f) { return test::error_text(kind, f); };
  CHECK(wrong(ErrorKind::argument, [&] { value.tensor(); }) == "pytorch value: wrong kind; got dict; expected tensor");
  CHECK(wrong(ErrorKind::argument, [&] { value.at("int").string(); }) ==
        "pytorch value: wrong kind; got int; expected str");
  CHECK(wrong(ErrorKind::argument, [&] { value.at("list").find("x"); }) ==
        "pytorch value: wrong kind; got list; expected dict");
  CHECK(wrong(ErrorKind::argument, [&] { value.at("dtype").size(); }) ==
        "pytorch value: wrong kind; got str; expected tuple, list or dict");
  CHECK(wrong(ErrorKind::argument, [&] { value.at("missing"); }) == "pytorch value: the dict has no \"missing\"");
  CHECK(wrong(ErrorKind::index, [&] { value.at("list").element(2); }) ==
        "pytorch value: beyond the end; got 2; size 2");
  CHECK(wrong(ErrorKind::argument, [&] { PytorchValue().integer(); }) ==
        "pytorch value: wrong kind; got None; expected int");
  CHECK(PytorchValue().is_none());
}

// ---- what other versions wrote ----

TEST_CASE("pytorch: archives of other versions") {
  const Files files;
  // Keys that are addresses, no record that says the order of bytes, a root of any name, other orders of entries.
  const std::string other = pickle(tensor_pickle({.key = "94110339"}));
  for (const auto& entries : std::vector<std::vector<test::ZipEntry>>{
           {{"uttr-1/data.pkl", other}, {"uttr-1/data/94110339", bytes_of(counted(6))}, {"uttr-1/version", "3\n"}},
           {{"x/version", "3\n"}, {"x/data/94110339", bytes_of(counted(6))}, {"x/data.pkl", other}},
           {{"x/", ""}, {"x/data.pkl", other}, {"x/byteorder", "little"}, {"x/data/94110339", bytes_of(counted(7))}}}) {
    const Tensor x = files.load(zip_bytes(entries)).tensor();
    CHECK(x.shape() == Shape{2, 3});
    CHECK(x.to_vector<float>() == counted(6));
  }
  // Big-endian machines.
  std::string swapped = bytes_of(counted(6));
  for (std::size_t i = 0; i < swapped.size(); i += 4) std::reverse(swapped.begin() + i, swapped.begin() + i + 4);
  CHECK(
      files.load(zip_bytes({{"x/data.pkl", pickle(tensor_pickle({}))}, {"x/byteorder", "big"}, {"x/data/0", swapped}}))
          .tensor()
          .to_vector<float>() == counted(6));
  // The first way to make a tensor, storages named after the GPU, strings of Python 2, a storage without a record.
  CHECK(files
            .load(archive(global("torch._utils", "_rebuild_tensor") + "((U\x07storage" +
                          global("torch.cuda", "FloatStorage") + "U\x01" + "0U\x06" + "cuda:0" + integer(6) + "tQ" +
                          integer(1) + tuple({2}) + tuple({3}) + "tR"))
            .tensor()
            .to_vector<float>() == std::vector<float>{1, 4});
  CHECK(
      files.load(archive(tensor_pickle({.key = "none", .count = 0, .shape = {0}, .strides = {1}}))).tensor().shape() ==
      Shape{0});
  // OrderedDict of Python 2.
  const PytorchValue dict = files.load(archive(global("collections", "OrderedDict") + "(](](" + text("a") + "K\x01" +
                                               "e](" + text("b") + "K\x02" + "eetR"));
  CHECK(dict.key(1).string() == "b");
  CHECK(dict.at("a").integer() == 1);
  // A stride that means nothing.
  CHECK(files.load(archive(tensor_pickle({.shape = {1, 6}, .strides = {std::numeric_limits<std::int64_t>::max(), 1}})))
            .tensor()
            .is_contiguous());
}

TEST_CASE("pytorch: the old form, with views of storages") {
  const Files files;
  const std::string view = std::string("(") + text("7") + integer(2) + integer(4) + "t";
  const std::string two =
      tensor_pickle({.view = "N"}) + tensor_pickle({.offset = 1, .shape = {3}, .strides = {1}, .view = view}) + "\x86";
  const std::string six = bytes_of<std::int64_t>(6) + bytes_of(counted(6));
  const PytorchValue both = files.load(legacy(two, "](" + text("0") + "e", six));
  CHECK(both.element(0).tensor().to_vector<float>() == counted(6));
  CHECK(both.element(1).tensor().to_vector<float>() == std::vector<float>{3, 4, 5});
  CHECK(both.element(0).tensor().storage() == both.element(1).tensor().storage());

  const std::string one = tensor_pickle({.view = "N"}), keys = "](" + text("0") + "e";
  CHECK(files.load(legacy(one, keys, six)).tensor().to_vector<float>() == counted(6));
  CHECK(files.load(legacy("K\x05", "]", "")).integer() == 5);
  CHECK(files.error(legacy(one, keys, six.substr(0, six.size() - 1))) == "the file is cut short in storage \"0\"");
  CHECK(files.error(legacy(one, keys, six.substr(0, 7))) == "the file is cut short in storage \"0\"");
  CHECK(files.error(legacy(one, keys, bytes_of<std::int64_t>(5) + bytes_of(counted(6)))) ==
        "storage \"0\" has the wrong size; got 5 elements; expected 6");
  CHECK(files.error(legacy(one, "]", six)) == "storage \"0\" is missing");
  CHECK(files.error(legacy(one, "](" + text("0") + text("0") + "e", six + six)) == "storage \"0\" comes twice");
  CHECK(files.error(legacy(one, "](" + text("1") + "e", six)) == "storage \"1\" belongs to no tensor");
  CHECK(files.error(legacy(one, "K\x01", six)) == "the keys of its storages are no list");
  CHECK(files.error(legacy(one, "](K\x01" + std::string("e"), six)) == "the key of a storage is no str");
  CHECK(files.error(legacy(tensor_pickle({.count = std::int64_t{1} << 40, .view = "N"}), keys, six)) ==
        "storage \"0\" cannot lie in this file; got 1099511627776 elements of float32");
  CHECK(files.error(legacy(one + tensor_pickle({.type = "IntStorage", .view = "N"}) + "\x86", keys, six)) ==
        "storage \"0\" is used both as 6 elements of float32 and as 6 of int32");
  CHECK(files
            .error(legacy(tensor_pickle({.view = std::string("(") + text("7") + integer(3) + integer(4) + "t"}), keys,
                          six))
            .ends_with("a view of elements 3 to 7 of a storage of 6"));
  CHECK(files.error(legacy(tensor_pickle({.shape = {5}, .strides = {1}, .view = view}), keys, six))
            .ends_with("a tensor of shape (5,) reaches beyond its storage of 4 elements"));
  const std::string file = legacy(one, keys, six);
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    files.error(file.substr(0, size));
  }
  std::string other_version = file;
  other_version[other_version.find('M') + 1] = '\x01';
  CHECK(files.error(other_version) == "not a PyTorch file: a protocol other than 1001");
}

// ---- what saw writes ----

namespace {

// Tensors in every layout, as golden_pytorch.py --check expects them.
StateDict varied_state() {
  const Tensor base = arange(12.0).reshape({3, 4});
  const Tensor other = tensor({{0.0, 0.0, 0.0, 0.0}, {8.0, 10.0, 12.0, 14.0}});
  return {{"base", base},
          {"tied", base},
          {"transposed", base.transpose(0, 1)},
          {"strided", base.slice(0, 1, 3).slice(1, 0, 4, 2)},
          {"row", other.select(0, 1)},
          {"scalar", scalar(3.5, float64)},
          {"empty", zeros({0, 3})},
          {"ids", tensor(std::vector<std::int64_t>{-1, std::int64_t{1} << 62})},
          {"mask", tensor(std::vector<bool>{true, false, true})},
          {"naïve", ones({1, 1, 2})}};
}

Tensor halves() { return tensor(counted(12, 0.5F), {3, 4}); }

}  // namespace

TEST_CASE("pytorch: what is saved is loaded, and what shared memory still does") {
  const Files files;
  const StateDict state = varied_state();
  state[0].second.set_requires_grad(true);
  save_pytorch(files.path(), state);
  CHECK(files.count() == 1);
  const StateDict loaded = load_pytorch_state_dict(files.path());
  REQUIRE(loaded.size() == state.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    const std::string& name = state[i].first;
    CAPTURE(name);
    CHECK(loaded[i].first == name);
    const Tensor &saved = state[i].second, &x = loaded[i].second;
    CHECK(x.shape() == saved.shape());
    REQUIRE(x.dtype() == saved.dtype());
    if (x.dtype() == float32) CHECK(x.to_vector<float>() == saved.to_vector<float>());
    if (x.dtype() == float64) CHECK(x.to_vector<double>() == saved.to_vector<double>());
    if (x.dtype() == int64) CHECK(x.to_vector<std::int64_t>() == saved.to_vector<std::int64_t>());
    if (x.dtype() == boolean) CHECK(x.to_vector<bool>() == saved.to_vector<bool>());
  }
  const auto storage = [&](const char* name) { return find_tensor(loaded, name).storage(); };
  for (const char* view : {"tied", "transposed", "strided"}) CHECK(storage(view) == storage("base"));
  CHECK(find_tensor(loaded, "strided").strides() == Strides{4, 2});
  CHECK(storage("row")->bytes() == 4 * sizeof(float));  // not the whole matrix

  save_pytorch(files.path(), halves());
  CHECK(load_pytorch_tensor(files.path()).to_vector<float>() == counted(12, 0.5F));
  save_pytorch(files.path(), StateDict{});
  CHECK(load_pytorch_state_dict(files.path()).empty());
  CHECK(load_pytorch(files.path()).kind() == Kind::dict);
}

TEST_CASE("pytorch: the same tensors give the same bytes, aligned as PyTorch aligns them") {
  const Files files;
  save_pytorch(files.path("1.pt"), varied_state());
  save_pytorch(files.path("2.pt"), varied_state());
  const std::string bytes = test::read_file(files.path("1.pt"));
  CHECK((bytes == test::read_file(files.path("2.pt"))));
  const std::string row = bytes_of(std::vector<float>{8, 10, 12, 14});
  REQUIRE(bytes.find(row) != std::string::npos);
  CHECK(bytes.find(row) % 64 == 0);
}

TEST_CASE("pytorch: what cannot be saved") {
  const Files files;
  const auto error = [&](const StateDict& state) {
    return test::error_text(ErrorKind::argument, [&] { save_pytorch(files.path(), state); });
  };
  const Tensor x = scalar(1.0);
  CHECK(error({{"x", Tensor()}}) == "save_pytorch: tensor \"x\" is undefined");
  CHECK(error({{"x", x}, {"y", x}, {"x", x}}) == "save_pytorch: two tensors have the name \"x\"");
  CHECK(error({{"\xFF", x}}) == "save_pytorch: a name is not UTF-8; got \"\\xff\"");
  CHECK(test::error_text(ErrorKind::argument, [&] { save_pytorch(files.path(), Tensor()); }) ==
        "save_pytorch: the tensor is undefined");
  CHECK(files.count() == 0);
  CHECK(test::error_text(ErrorKind::io, [&] { save_pytorch(files.path("missing/t.pt"), x); }) ==
        files.path("missing/t.pt") + ": cannot write; No such file or directory");
}

TEST_CASE("pytorch: PyTorch and NumPy read what is saved") {
  const char* python = std::getenv("SAW_PYTHON");
  if (python == nullptr) {
    MESSAGE("skipped: SAW_PYTHON is not set to a Python that has torch and numpy");
    return;
  }
  const Files files;
  save_pytorch(files.path("tensor.pt"), halves());
  save_pytorch(files.path("state.pt"), varied_state());
  save_pytorch(files.path("empty.pt"), StateDict{});
  data::save_npy(files.path("array.npy"), halves());
  data::save_npy(files.path("fortran.npy"), varied_state()[0].second.transpose(0, 1));
  data::save_npz(files.path("state.npz"), varied_state());
  const std::string script = test::directory() / "golden" / "golden_pytorch.py";
  const std::string command =
      fmt::format("\"{}\" -B \"{}\" --check \"{}\"", python, script, files.directory().path().string());
  CHECK(std::system(command.c_str()) == 0);
}
