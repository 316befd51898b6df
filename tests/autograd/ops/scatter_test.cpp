// Scattering, and elements found and counted, against PyTorch: tests/golden/scatter.safetensors. What PyTorch leaves
// open or does otherwise stands below.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "saw/data/safetensors.h"
#include "support/files.h"
#include "support/tensors.h"

namespace {

using saw::ScatterReduction;
using saw::Tensor;
using saw::TensorList;

struct Golden {
  std::map<std::string, Tensor> tensors;
  nlohmann::json cases;

  Golden() {
    const auto file = saw::data::load_safetensors((test::directory() / "golden" / "scatter.safetensors").string());
    for (const auto& [name, tensor] : file.tensors) tensors[name] = tensor;
    cases = nlohmann::json::parse(file.metadata.at("golden")).at("cases");
  }
};

const std::map<std::string, ScatterReduction>& reductions() {
  static const std::map<std::string, ScatterReduction> named{{"sum", ScatterReduction::sum},
                                                             {"prod", ScatterReduction::prod},
                                                             {"mean", ScatterReduction::mean},
                                                             {"amax", ScatterReduction::amax},
                                                             {"amin", ScatterReduction::amin}};
  return named;
}

TEST_CASE("scatter, scatter_reduce: values and gradients equal PyTorch's, ties and zeros included") {
  const Golden golden;
  std::size_t met = 0;
  for (const auto& entry : golden.cases.items()) {
    const std::string name = entry.key();
    const auto& options = entry.value();
    if (name.rfind("scatter", 0) != 0) continue;
    ++met;
    const Tensor x = golden.tensors.at(name + ".input.0").clone().set_requires_grad(true);
    const Tensor index = golden.tensors.at(name + ".input.1");
    const Tensor source = golden.tensors.at(name + ".input.2").clone().set_requires_grad(true);
    const Tensor y = name == "scatter"
                         ? saw::scatter(x, 1, index, source)
                         : saw::scatter_reduce(x, 0, index, source, reductions().at(options.at("reduction")),
                                               options.at("include_self").get<bool>());
    const TensorList gradients =
        saw::grad({y}, {x, source}, {.grad_outputs = {golden.tensors.at(name + ".grad_output")}});
    // At most seven factors or terms of magnitude below 10 meet.
    const double tolerance = 64 * test::epsilon(saw::float64) * 10;
    CHECK_MESSAGE(test::difference(y, golden.tensors.at(name + ".output"), tolerance).empty(), name);
    const std::string of_x = test::difference(gradients[0], golden.tensors.at(name + ".grad.0"), tolerance);
    const std::string of_source = test::difference(gradients[1], golden.tensors.at(name + ".grad.2"), tolerance);
    CHECK_MESSAGE(of_x.empty(), name, ", gradient of x: ", of_x);
    CHECK_MESSAGE(of_source.empty(), name, ", gradient of source: ", of_source);
  }
  CHECK(met == 10);
}

TEST_CASE("nonzero, bincount, unique, searchsorted: equal PyTorch's") {
  const Golden golden;
  const Tensor numbers = golden.tensors.at("numbers");
  CHECK(test::same_bits(saw::nonzero(numbers), golden.tensors.at("nonzero")));
  CHECK(test::same_bits(saw::bincount(numbers, 9), golden.tensors.at("bincount")));
  const saw::Unique found = saw::unique(numbers);
  CHECK(test::same_bits(found.values, golden.tensors.at("unique.values")));
  CHECK(test::same_bits(found.inverse, golden.tensors.at("unique.inverse")));
  CHECK(test::same_bits(found.counts, golden.tensors.at("unique.counts")));
  const Tensor sorted = golden.tensors.at("sorted"), wanted = golden.tensors.at("wanted");
  CHECK(test::same_bits(saw::searchsorted(sorted, wanted), golden.tensors.at("searchsorted")));
  CHECK(test::same_bits(saw::searchsorted(sorted, wanted, true), golden.tensors.at("searchsorted.right")));
}

TEST_CASE("scatter: of several elements for one place the last stays, and it alone gets the gradient") {
  const Tensor x = saw::zeros({3}).clone().set_requires_grad(true);
  const Tensor source = saw::tensor({1.0, 2.0, 3.0}).set_requires_grad(true);
  const Tensor y = saw::scatter(x, 0, saw::tensor({1, 1, 2}, saw::int64), source);
  CHECK(y.to_vector<float>() == std::vector<float>{0, 2, 3});
  const TensorList gradients = saw::grad({y.sum()}, {x, source});
  CHECK(gradients[0].to_vector<float>() == std::vector<float>{1, 0, 0});
  CHECK(gradients[1].to_vector<float>() == std::vector<float>{0, 1, 1});
}

TEST_CASE("scatter_reduce: NaN wins, and a product without x is exact where x is 0") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto reduction : {ScatterReduction::amax, ScatterReduction::amin}) {
    const Tensor y = saw::scatter_reduce(saw::tensor({nan, 0.0, 0.0}), 0, saw::tensor({0, 1, 1, 2}, saw::int64),
                                         saw::tensor({1.0, nan, 1.0, 0.0}), reduction);
    CHECK(std::isnan(y.to_vector<float>()[0]));
    CHECK(std::isnan(y.to_vector<float>()[1]));
    CHECK(y.to_vector<float>()[2] == 0.0f);
  }
  const Tensor x = saw::zeros({2}).clone().set_requires_grad(true);
  const Tensor source = saw::tensor({2.0, 5.0}).set_requires_grad(true);
  const Tensor y = saw::scatter_reduce(x, 0, saw::tensor({0, 0}, saw::int64), source, ScatterReduction::prod, false);
  CHECK(y.to_vector<float>() == std::vector<float>{10, 0});
  const TensorList gradients = saw::grad({y.sum()}, {x, source});
  CHECK(gradients[0].to_vector<float>() == std::vector<float>{0, 1});
  CHECK(gradients[1].to_vector<float>() == std::vector<float>{5, 2});
}

TEST_CASE("gather, scatter: the same bits for any number of threads, and for sizes that run in parallel") {
  saw::Generator generator(3);
  const Tensor x = saw::randn({300, 256}, generator), source = saw::randn({700, 256}, generator);
  const Tensor index = saw::randint(0, 300, {700, 256}, generator);
  const int threads = saw::num_threads();
  TensorList before;
  for (const int count : {1, 2, 3}) {
    saw::set_num_threads(count);
    const TensorList now{saw::gather(x, 0, index), saw::scatter_add(x, 0, index, source),
                         saw::scatter(x, 0, index, source),
                         saw::scatter_add(x.transpose(0, 1), 1, index.transpose(0, 1), source.transpose(0, 1))};
    for (std::size_t i = 0; i < before.size(); ++i) CHECK(test::same_bits(now[i], before[i]));
    before = now;
  }
  saw::set_num_threads(threads);
  CHECK(test::same_bits(before[1], before[3].transpose(0, 1).contiguous()));
}

TEST_CASE("unique: every NaN is a value of its own, at the end") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const saw::Unique found = saw::unique(saw::tensor({nan, 1.0, nan, 1.0}));
  CHECK(found.values.to_vector<float>()[0] == 1.0f);
  CHECK(found.counts.to_vector<std::int64_t>() == std::vector<std::int64_t>{2, 1, 1});
  CHECK(found.inverse.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 0, 2, 0});
}

TEST_CASE("segment_logsumexp: infinities and empty segments") {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor x = saw::tensor({-infinity, -infinity, infinity, 0.0, -infinity, 0.0}).set_requires_grad(true);
  const Tensor y = saw::segment_logsumexp(x, saw::Segments::from_lengths({2, 2, 0, 2}));
  const auto values = y.to_vector<float>();
  CHECK(values[0] == -infinity);
  CHECK(values[1] == infinity);
  CHECK(values[2] == -infinity);
  CHECK(values[3] == 0.0f);
  const auto gradient = saw::grad({y.slice(0, 3, 4)}, {x}, {.grad_outputs = {saw::ones({1})}})[0].to_vector<float>();
  CHECK(gradient[4] == 0.0f);
  CHECK(gradient[5] == 1.0f);
}

}  // namespace
