// Ops against PyTorch: values and gradients of tests/golden/ops.safetensors.

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "saw/data/safetensors.h"
#include "support/files.h"
#include "support/tensors.h"

namespace {

using nlohmann::json;
using saw::Shape;
using saw::Tensor;
using saw::TensorList;

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Golden {
  std::map<std::string, Tensor> tensors;
  json cases;

  Golden() {
    const auto file = saw::data::load_safetensors((test::directory() / "golden" / "ops.safetensors").string());
    for (const auto& [name, tensor] : file.tensors) tensors[name] = tensor;
    cases = json::parse(file.metadata.at("golden")).at("cases");
  }
  TensorList inputs(const std::string& name) const {
    TensorList result;
    for (int i = 0; tensors.contains(name + ".input." + std::to_string(i)); ++i)
      result.push_back(tensors.at(name + ".input." + std::to_string(i)));
    return result;
  }
};

const Golden& golden() {
  static const Golden instance;
  return instance;
}

/// What an op gets beside its inputs.
struct Options {
  std::string name;
  const json& values;

  double number(const char* key, double otherwise = 0.0) const { return values.value(key, otherwise); }
  std::int64_t integer(const char* key, std::int64_t otherwise = 0) const { return values.value(key, otherwise); }
  bool flag(const char* key) const { return values.value(key, false); }
  Shape list(const char* key) const { return values.at(key).get<std::vector<std::int64_t>>(); }
  /// One axis, several, or (empty) all.
  Shape axes() const {
    if (values.contains("axis")) return {integer("axis")};
    if (values.contains("axes")) return list("axes");
    return {};
  }
  saw::Segments segments(const char* key) const {
    return saw::Segments::from_lengths(golden().tensors.at(name + "." + key).to_vector<std::int64_t>());
  }
};

using Op = std::function<Tensor(const TensorList& in, const Options& options)>;

template <Tensor (*f)(const Tensor&)>
Tensor unary(const TensorList& in, const Options&) {
  return f(in[0]);
}
template <Tensor (*f)(const Tensor&, const Shape&, bool)>
Tensor reduction(const TensorList& in, const Options& options) {
  return f(in[0], options.axes(), false);
}

Tensor attention(const TensorList& in, const Options& options) {
  saw::AttentionOptions pattern;
  if (options.flag("causal")) pattern = saw::AttentionOptions::causal();
  if (options.values.contains("left"))
    pattern = saw::AttentionOptions::window(options.integer("left"), options.integer("right"));
  if (options.values.contains("scale")) pattern.scale = options.number("scale");
  return saw::attention(in[0], in[1], in[2], options.segments("lengths"), options.segments("memory_lengths"), pattern);
}

Tensor power(const TensorList& in, const Options& options) {
  if (options.values.contains("exponent")) return saw::pow(in[0], options.number("exponent"));
  if (options.values.contains("base")) return saw::pow(saw::scalar(options.number("base"), in[0].dtype()), in[0]);
  return saw::pow(in[0], in[1]);
}

Tensor pad(const TensorList& in, const Options& options) {
  Shape before, after;
  for (const auto& pair : options.values.at("pads")) {
    before.push_back(pair[0].get<std::int64_t>());
    after.push_back(pair[1].get<std::int64_t>());
  }
  return saw::pad(in[0], before, after, options.number("value"));
}

double order_of_norm(const Options& options) {
  const auto text = options.values.at("p").get<std::string>();
  return text == "infinity" ? infinity : std::stod(text);
}

const std::map<std::string, Op>& elementwise_ops() {
  static const std::map<std::string, Op> ops{
      {"exp", unary<saw::exp>},
      {"expm1", unary<saw::expm1>},
      {"sin", unary<saw::sin>},
      {"cos", unary<saw::cos>},
      {"tanh", unary<saw::tanh>},
      {"sigmoid", unary<saw::sigmoid>},
      {"erf", unary<saw::erf>},
      {"relu", unary<saw::relu>},
      {"silu", unary<saw::silu>},
      {"softplus", unary<saw::softplus>},
      {"abs", unary<saw::abs>},
      {"log", unary<saw::log>},
      {"log1p", unary<saw::log1p>},
      {"sqrt", unary<saw::sqrt>},
      {"rsqrt", unary<saw::rsqrt>},
      {"gelu",
       [](const TensorList& in, const Options& o) {
         return saw::gelu(in[0], o.name.rfind("gelu.tanh", 0) == 0 ? saw::GeluKind::tanh : saw::GeluKind::erf);
       }},
      {"leaky_relu",
       [](const TensorList& in, const Options& o) { return saw::leaky_relu(in[0], o.number("negative_slope")); }},
      {"elu", [](const TensorList& in, const Options& o) { return saw::elu(in[0], o.number("alpha")); }},
      {"clamp",
       [](const TensorList& in, const Options& o) {
         return saw::clamp(in[0], o.number("minimum", -infinity), o.number("maximum", infinity));
       }},
      {"pow", power},
      {"divide", [](const TensorList& in, const Options&) { return saw::div(in[0], in[1]); }},
      {"maximum", [](const TensorList& in, const Options&) { return saw::maximum(in[0], in[1]); }},
      {"minimum", [](const TensorList& in, const Options&) { return saw::minimum(in[0], in[1]); }},
  };
  return ops;
}

const std::map<std::string, Op>& other_ops() {
  static const std::map<std::string, Op> ops{
      {"softmax", [](const TensorList& in, const Options& o) { return saw::softmax(in[0], o.integer("axis")); }},
      {"log_softmax",
       [](const TensorList& in, const Options& o) { return saw::log_softmax(in[0], o.integer("axis")); }},
      {"logsumexp", reduction<saw::logsumexp>},
      {"var",
       [](const TensorList& in, const Options& o) { return saw::var(in[0], o.axes(), o.integer("correction")); }},
      {"std",
       [](const TensorList& in, const Options& o) { return saw::stddev(in[0], o.axes(), o.integer("correction")); }},
      {"norm", [](const TensorList& in, const Options& o) { return saw::norm(in[0], order_of_norm(o), o.axes()); }},
      {"prod", reduction<saw::prod>},
      {"amax", reduction<saw::amax>},
      {"amin", reduction<saw::amin>},
      {"cumsum", [](const TensorList& in, const Options& o) { return saw::cumsum(in[0], o.integer("axis")); }},
      {"sort", [](const TensorList& in,
                  const Options& o) { return saw::sort(in[0], o.integer("axis"), o.flag("descending")).values; }},
      {"topk",
       [](const TensorList& in, const Options& o) {
         return saw::topk(in[0], o.integer("k"), o.integer("axis"), o.flag("largest")).values;
       }},
      {"einsum", [](const TensorList& in,
                    const Options& o) { return saw::einsum(o.values.at("equation").get<std::string>(), in); }},
      {"matmul", [](const TensorList& in, const Options&) { return saw::matmul(in[0], in[1]); }},
      {"linear", [](const TensorList& in, const Options&) { return saw::linear(in[0], in[1], in[2]); }},
      {"gather", [](const TensorList& in, const Options& o) { return saw::gather(in[0], o.integer("axis"), in[1]); }},
      {"scatter_add",
       [](const TensorList& in, const Options& o) { return saw::scatter_add(in[0], o.integer("axis"), in[1], in[2]); }},
      {"index_select",
       [](const TensorList& in, const Options& o) { return saw::index_select(in[0], o.integer("axis"), in[1]); }},
      {"index_add",
       [](const TensorList& in, const Options& o) { return saw::index_add(in[0], o.integer("axis"), in[1], in[2]); }},
      {"masked_select",
       [](const TensorList& in, const Options&) { return saw::masked_select(in[0], in[1].expand(in[0].shape())); }},
      {"masked_fill",
       [](const TensorList& in, const Options& o) { return saw::masked_fill(in[0], in[1], o.number("value")); }},
      {"pad", pad},
      {"roll", [](const TensorList& in, const Options& o) { return saw::roll(in[0], o.list("shifts"), o.axes()); }},
      {"flip", [](const TensorList& in, const Options& o) { return saw::flip(in[0], o.axes()); }},
      {"tril", [](const TensorList& in, const Options& o) { return saw::tril(in[0], o.integer("offset")); }},
      {"triu", [](const TensorList& in, const Options& o) { return saw::triu(in[0], o.integer("offset")); }},
      {"diagonal",
       [](const TensorList& in, const Options& o) {
         return saw::diagonal(in[0], o.integer("offset"), o.axes()[0], o.axes()[1]);
       }},
      {"layer_norm",
       [](const TensorList& in, const Options& o) {
         const bool affine = in.size() > 1;
         return saw::layer_norm(in[0], affine ? in[1] : Tensor(), affine ? in[2] : Tensor(), o.number("eps"));
       }},
      {"rms_norm",
       [](const TensorList& in, const Options& o) {
         return saw::rms_norm(in[0], in.size() > 1 ? in[1] : Tensor(), o.number("eps"));
       }},
      {"scaled_dot_product_attention", attention},
  };
  return ops;
}

/// "" when every element is within units·eps of the expected one: of its own size, and of the argument's size for
/// functions that lose digits by cancellation (1 + erf(x) far to the left).
std::string elementwise_difference(const Tensor& got, const Tensor& expected, const Tensor& argument, double units,
                                   double eps) {
  if (got.shape() != expected.shape()) return test::difference(got, expected, 0.0);
  const auto a = got.to(saw::float64).to_vector<double>(), b = expected.to_vector<double>();
  const auto x = argument.shape() == got.shape() ? argument.to_vector<double>() : b;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double allowed = units * eps * std::max(std::abs(b[i]), std::min(1.0, std::abs(x[i])));
    if (a[i] == b[i] || std::abs(a[i] - b[i]) <= allowed) continue;
    return fmt::format("element {}: got {:.17g}; expected {:.17g} (argument {}); allowed difference {:.3g}", i, a[i],
                       b[i], x[i], allowed);
  }
  return "";
}

/// Numbers on an offset that is this many times their spread lose as many digits, in any way to compute.
double lost_digits(const std::string& name) {
  if (name == "var.shifted" || name == "std.shifted") return 1e6;
  if (name == "layer_norm.shifted") return 1e4;
  return 1.0;
}

void check_case(const std::string& name, const json& values, saw::DType dtype) {
  const std::string op_name = name.substr(0, name.find('.'));
  const bool elementwise = elementwise_ops().contains(op_name);
  const auto& ops = elementwise ? elementwise_ops() : other_ops();
  if (!ops.contains(op_name)) {
    FAIL_CHECK(name, ": the golden file has an op that the test does not know");
    return;
  }
  TensorList inputs, leaves;
  for (const Tensor& input : golden().inputs(name)) {
    inputs.push_back(saw::is_floating(input.dtype()) ? input.to(dtype).clone() : input);
    if (!saw::is_floating(input.dtype())) continue;
    inputs.back().set_requires_grad(true);
    leaves.push_back(inputs.back());
  }
  const double eps = test::epsilon(dtype);
  const auto compare = [&](const char* what, const Tensor& got, const Tensor& expected, const Tensor& argument) {
    // The rounding errors of sums of up to 64 terms, forward and backward.
    const double units = 64 * lost_digits(name);
    double largest = test::magnitude(expected);
    for (const Tensor& leaf : leaves) largest = std::max(largest, test::magnitude(leaf) / lost_digits(name));
    const std::string wrong = elementwise ? elementwise_difference(got, expected, argument, 16, eps)
                                          : test::difference(got, expected, units * eps * largest);
    CHECK_MESSAGE(wrong.empty(), name, ", ", saw::to_string(dtype), ", ", what, ": ", wrong);
  };
  const Tensor output = ops.at(op_name)(inputs, {name, values});
  compare("value", output, golden().tensors.at(name + ".output"), golden().inputs(name)[0]);
  const TensorList gradients =
      saw::grad({output}, leaves, {.grad_outputs = {golden().tensors.at(name + ".grad_output").to(dtype)}});
  std::size_t leaf = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    const std::string key = name + ".grad." + std::to_string(i);
    compare(("gradient " + std::to_string(i)).c_str(), gradients[leaf++], golden().tensors.at(key),
            golden().inputs(name)[i]);
  }
  if (op_name == "sort" || op_name == "topk") {
    const auto found =
        op_name == "sort"
            ? saw::sort(inputs[0], values.value("axis", 0), values.value("descending", false))
            : saw::topk(inputs[0], values.value("k", 0), values.value("axis", 0), values.value("largest", true));
    CHECK_MESSAGE(test::same_bits(found.indices, golden().tensors.at(name + ".indices")), name, ", indices");
  }
}

TEST_CASE("golden ops: values and gradients equal PyTorch's in float64") {
  REQUIRE(golden().cases.size() >= 150);
  for (const auto& [name, values] : golden().cases.items()) check_case(name, values, saw::float64);
}

TEST_CASE("golden ops: values and gradients equal PyTorch's in float32") {
  for (const auto& [name, values] : golden().cases.items()) {
    // Inputs of these are not exact in float32, or their results are not.
    const bool edge = name.find("edge") != std::string::npos || name.find("shifted") != std::string::npos ||
                      name.find("large") != std::string::npos;
    if (!edge) check_case(name, values, saw::float32);
  }
}

TEST_CASE("golden ops: every op of the test is in the file") {
  std::set<std::string> seen;
  for (const auto& [name, values] : golden().cases.items()) seen.insert(name.substr(0, name.find('.')));
  for (const auto* ops : {&elementwise_ops(), &other_ops()})
    for (const auto& entry : *ops) CHECK_MESSAGE(seen.contains(entry.first), entry.first);
}

}  // namespace
