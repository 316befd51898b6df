// What holds for the tape and for errors, op by op; and that the registry has every op there is.

#include <doctest/doctest.h>

#include <filesystem>

#include "saw/autograd/base/memory.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/statistics.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/registry.h"
#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/record.h"
#include "support/files.h"
#include "support/registry.h"
#include "support/tensors.h"

namespace {

using saw::DType;
using saw::OpInfo;
using saw::Tensor;
using saw::TensorList;
using test::Call;
using test::Layout;

TEST_CASE("registry: nothing is recorded under NoGradGuard") {
  test::for_each_call(DType::float32, Layout::contiguous, [](const OpInfo&, const Call& call) {
    const TensorList leaves = call.fresh_leaves();
    const saw::NoGradGuard no_grad;
    const auto nodes = saw::live_nodes();
    for (const Tensor& output : call.run(leaves)) {
      bool is_leaf = false;  // an op may hand an input through
      for (const Tensor& leaf : leaves) is_leaf = is_leaf || output.is_same(leaf);
      CHECK_MESSAGE((is_leaf || !output.requires_grad()), call.name);
    }
    CHECK_MESSAGE(saw::live_nodes() == nodes, call.name);
  });
}

TEST_CASE("registry: nothing is recorded when no input requires a gradient") {
  test::for_each_call(DType::float32, Layout::contiguous, [](const OpInfo&, const Call& call) {
    const TensorList leaves = call.fresh_leaves(0);
    const auto nodes = saw::live_nodes();
    const TensorList outputs = call.run(leaves);
    for (const Tensor& output : outputs) CHECK_MESSAGE(!output.requires_grad(), call.name);
    CHECK_MESSAGE(saw::live_nodes() == nodes, call.name);
  });
}

TEST_CASE("registry: outputs of ops without a gradient, integers and bools never require one") {
  test::for_each_call(DType::float64, Layout::contiguous, [](const OpInfo& op, const Call& call) {
    TensorList leaves = call.fresh_leaves(0);
    for (const Tensor& leaf : leaves)
      if (leaf.defined() && saw::is_floating(leaf.dtype())) leaf.set_requires_grad(true);
    for (const Tensor& output : call.run(leaves)) {
      if (!op.differentiable || !saw::is_floating(output.dtype())) {
        CHECK_MESSAGE(!output.requires_grad(), call.name);
      } else if (call.any_differentiable()) {
        CHECK_MESSAGE(output.requires_grad(), call.name);
      }
    }
  });
}

TEST_CASE("registry: nodes and memory are gone when the results are") {
  for (const bool twice : {false, true})
    test::for_each_call(DType::float32, Layout::contiguous, [&](const OpInfo&, const Call& call) {
      const auto nodes = saw::live_nodes();
      const auto bytes = saw::memory_stats().active_bytes;
      {
        const TensorList leaves = call.fresh_leaves();
        const TensorList outputs = call.run(leaves);
        const TensorList gradients = test::gradients_of(outputs, leaves, twice);
        if (twice) test::gradients_of(gradients, leaves);
      }
      CHECK_MESSAGE(saw::live_nodes() == nodes, call.name);
      CHECK_MESSAGE(saw::memory_stats().active_bytes == bytes, call.name);
    });
}

TEST_CASE("registry: mistakes are reported with kind, op and what is wrong") {
  for (const OpInfo* op : saw::op_registry())
    for (const samples::ErrorSample& sample : samples::find(op->name)->errors()) {
      const std::string name = std::string(op->name) + ", mistake '" + sample.name + "'";
      try {
        sample.call();
        FAIL_CHECK(name, ": nothing was thrown");
      } catch (const saw::Error& error) {
        const std::string text = error.what();
        CHECK_MESSAGE(error.kind() == sample.kind, name, ": ", saw::to_string(error.kind()), ": ", text);
        CHECK_MESSAGE(text.find(sample.message) != std::string::npos, name, ": '", text, "' lacks '", sample.message,
                      "'");
        CHECK_MESSAGE(text.rfind(op->name, 0) == 0, name, ": '", text, "' does not begin with the op");
      } catch (const std::exception& error) {
        FAIL_CHECK(name, ": not a saw::Error: ", error.what());
      }
    }
}

// ---- completeness ----

TEST_CASE("registry: entries are complete") {
  for (const std::string& defect : test::defects(saw::op_registry())) FAIL_CHECK(defect);
  for (const OpInfo* op : saw::op_registry()) CHECK(saw::find_op(op->name) == op);
  CHECK(saw::find_op("no such op") == nullptr);
}

/// Functions that the ops' headers declare beside ops.
bool is_helper(const std::string& name) {
  return name == "conv1d_output_length" || name == "conv1d_segments" ||
         name == "conv_transpose1d_segments"  // plain arithmetic on lengths
         || name == "all_close"               // gives a bool, not a tensor
         || name == "attention_weights";      // a look inside, for drawing
}

TEST_CASE("registry: every function that a header of ops declares is in it") {
  std::map<std::string, std::string> declared;
  std::size_t headers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::directory().parent_path() / "autograd" / "ops")) {
    const std::string file = entry.path().filename().string();
    // Creation makes tensors from nothing that could have a gradient.
    if (entry.path().extension() != ".h" || file == "families.h" || file == "creation.h" || file == "literal.h")
      continue;
    ++headers;
    for (const auto& [name, where] : test::declared_functions(test::read_file(entry.path()), file))
      if (!is_helper(name)) declared[name] = where;
  }
  REQUIRE(headers >= 15);
  REQUIRE(declared.size() >= 100);
  CHECK(declared.contains("softmax"));
  CHECK(declared.contains("einsum"));
  for (const std::string& name : test::without_op(declared, saw::op_registry()))
    FAIL_CHECK(name, ": declared, but not in the registry");
}

TEST_CASE("registry: everything that records itself is in it") {
  std::set<const OpInfo*> seen;
  const saw::OpObserver observer([&](const OpInfo& info) { seen.insert(&info); });
  test::for_each_call(DType::float64, Layout::contiguous, [](const OpInfo&, const Call& call) {
    const TensorList leaves = call.fresh_leaves();
    test::gradients_of(test::gradients_of(call.run(leaves), leaves, true), leaves);
    call.reference(leaves);
  });
  REQUIRE(seen.size() > 50);
  for (const std::string& name : test::not_registered(seen, saw::op_registry()))
    FAIL_CHECK(name, ": records itself, but is not in the registry");
}

// ---- the checks themselves, on planted mistakes ----

const OpInfo& planted_info();

/// x² whose backward is wrong for one element.
Tensor planted_square(const Tensor& x) {
  const Tensor y = saw::mul(x.detach(), x.detach());
  return saw::record(planted_info(), {x}, y, [&] {
    return saw::Gradient::of_ops({x}, [](const saw::BackwardContext& context) {
      const Tensor wrong = saw::affine(context.saved(0).detach(), 2.0, 0.0).clone();
      wrong.mutable_data<double>()[4] += 0.5;
      return TensorList{saw::mul(context.grad_output(), wrong)};
    });
  });
}

std::vector<samples::Sample> planted_samples(samples::SampleMaker& make) {
  return {{.name = "square",
           .inputs = {make.normal({2, 3})},
           .run = [](const TensorList& in) { return TensorList{planted_square(in[0])}; },
           .reference = [](const TensorList& in) { return TensorList{saw::mul(in[0], in[0])}; }}};
}

const OpInfo& planted_info() {
  static const OpInfo info{"planted_square", "x²", true};
  return info;
}

TEST_CASE("registry: a planted wrong gradient is reported with op, index and both values") {
  const auto calls =
      test::calls_of(planted_info(), {"planted_square", planted_samples, nullptr}, DType::float64, Layout::contiguous);
  REQUIRE(calls.size() == 1);
  const auto result = saw::gradcheck(calls[0].run, calls[0].fresh_leaves(), {.name = calls[0].name});
  CHECK_FALSE(result.ok);
  INFO(result.message);
  CHECK(result.message.find("planted_square, sample 'square', contiguous") == 0);
  CHECK(result.message.find("input 0 of shape (2, 3), element (1, 1)") != std::string::npos);
  // Σ w·x² has the gradient 2wx; the planted one has w·(2x + 0.5).
  double analytic = 0, numeric = 0;
  const std::size_t at = result.message.find("analytic ");
  REQUIRE(at != std::string::npos);
  REQUIRE(std::sscanf(result.message.c_str() + at, "analytic %lf, numeric %lf", &analytic, &numeric) == 2);
  const double x = calls[0].leaves[0].to_vector<double>()[4];
  const double weight = numeric / (2 * x);
  CHECK(analytic == doctest::Approx(weight * (2 * x + 0.5)).epsilon(1e-6));
}

TEST_CASE("registry: an op that is missing from it is caught") {
  std::set<const OpInfo*> seen;
  {
    const saw::OpObserver observer([&](const OpInfo& info) { seen.insert(&info); });
    planted_square(test::calls_of(planted_info(), {"planted_square", planted_samples, nullptr}, DType::float64,
                                  Layout::contiguous)[0]
                       .leaves[0]);
  }
  CHECK(test::not_registered(seen, saw::op_registry()) == std::vector<std::string>{"planted_square"});

  const auto declared = test::declared_functions(
      "#pragma once\n"
      "#include \"saw/autograd/tape/tensor.h\"\n"
      "namespace [[gnu::visibility(\"default\")]] saw {\n"
      "// Tensor only_a_comment(const Tensor& x);\n"
      "enum class Kind { one, two };\n"
      "struct Options {\n  double scale = 1.0;\n  static Options all() { return {}; }\n};\n"
      "/// A comment (with parentheses).\n"
      "Tensor exp(const Tensor& x);\n"
      "TensorList planted_split(const Tensor& x, const Shape& sizes = {},\n                         bool last = true); "
      " ///< f(x)\n"
      "std::int64_t planted_length(std::int64_t length, const Options& options = {});\n"
      "Tensor operator+(const Tensor& a, const Tensor& b);\n"
      "inline Tensor planted_inline(const Tensor& x) { return exp(x); }\n"
      "}  // namespace saw\n",
      "planted.h");
  CHECK(declared.size() == 4);
  CHECK(test::without_op(declared, saw::op_registry()) == std::vector<std::string>{"planted_inline (planted.h)",
                                                                                   "planted_length (planted.h)",
                                                                                   "planted_split (planted.h)"});

  std::vector<const OpInfo*> ops = saw::op_registry();
  ops.push_back(ops.front());
  ops.push_back(&planted_info());
  CHECK(test::defects(ops) == std::vector<std::string>{std::string(ops.front()->name) + ": two ops have this name",
                                                       "planted_square: no samples",
                                                       "planted_square: no error samples"});
}

}  // namespace
