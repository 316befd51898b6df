#include <string>
#include <utility>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

Tensor matmul_reference(const Tensor& a, const Tensor& b) {
  Tensor left = a.rank() == 1 ? unsqueeze(a, 0) : a;
  Tensor right = b.rank() == 1 ? unsqueeze(b, 1) : b;
  Tensor result = naive_product(left, right);
  if (a.rank() == 1) result = squeeze(result, -2);
  if (b.rank() == 1) result = squeeze(result, -1);
  return result;
}

Sample matmul_sample(std::string name, TensorList inputs) {
  return {.name = std::move(name),
          .inputs = std::move(inputs),
          .run = [](const TensorList& in) { return TensorList{matmul(in[0], in[1])}; },
          .reference = [](const TensorList& in) { return TensorList{matmul_reference(in[0], in[1])}; }};
}

std::vector<Sample> samples_of_matmul(SampleMaker& make) {
  return {matmul_sample("matrix, matrix", {make.normal({3, 4}), make.normal({4, 5})}),
          matmul_sample("vector, vector", {make.normal({4}), make.normal({4})}),
          matmul_sample("matrix, vector", {make.normal({3, 4}), make.normal({4})}),
          matmul_sample("vector, matrix", {make.normal({4}), make.normal({4, 3})}),
          matmul_sample("batch, matrix", {make.normal({2, 3, 4}), make.normal({4, 2})}),
          matmul_sample("batch, vector", {make.normal({2, 3, 4}), make.normal({4})}),
          matmul_sample("broadcast batches", {make.normal({2, 1, 3, 4}), make.normal({3, 4, 2})}),
          matmul_sample("empty rows", {make.normal({0, 4}), make.normal({4, 2})}),
          matmul_sample("empty inner axis", {make.normal({3, 0}), make.normal({0, 2})}),
          matmul_sample("batch, matrix, empty inner axis", {make.normal({2, 3, 0}), make.normal({0, 4})}),
          matmul_sample("size 1", {make.normal({1, 1}), make.normal({1, 1})}),
          matmul_sample("tiles", {make.normal({40, 3}), make.normal({3, 33})})};
}

std::vector<ErrorSample> matmul_errors() {
  return {{"inner sizes",
           [] {
             matmul(zeros({2, 3}), zeros({4, 5}));
           },
           ErrorKind::shape, "matmul: inner sizes differ"},
          {"scalar", [] { matmul(zeros({}), zeros({2})); }, ErrorKind::shape, "matmul: needs at least 1 dimension"},
          {"dtypes",
           [] {
             matmul(zeros({2, 2}), zeros({2, 2}, float64));
           },
           ErrorKind::dtype, "float32 and float64"},
          {"batches",
           [] {
             matmul(zeros({2, 3, 4}), zeros({3, 4, 5}));
           },
           ErrorKind::shape, "do not broadcast"}};
}

Sample linear_sample(std::string name, TensorList inputs) {
  return {
      .name = std::move(name),
      .inputs = std::move(inputs),
      .run = [](const TensorList& in) { return TensorList{linear(in[0], in[1], in.size() > 2 ? in[2] : Tensor())}; },
      .reference =
          [](const TensorList& in) {
            const Tensor y = naive_product(in[0].rank() == 1 ? unsqueeze(in[0], 0) : in[0], transpose(in[1], 0, 1));
            const Tensor shaped = in[0].rank() == 1 ? squeeze(y, 0) : y;
            return TensorList{in.size() > 2 ? shaped + in[2] : shaped};
          }};
}

std::vector<Sample> samples_of_linear(SampleMaker& make) {
  return {linear_sample("rows", {make.normal({5, 4}), make.normal({3, 4}), make.normal({3})}),
          linear_sample("no bias", {make.normal({5, 4}), make.normal({3, 4})}),
          linear_sample("one vector", {make.normal({4}), make.normal({3, 4}), make.normal({3})}),
          linear_sample("batch", {make.normal({2, 3, 4}), make.normal({2, 4}), make.normal({2})}),
          linear_sample("nothing in", {make.normal({2, 3, 0}), make.normal({4, 0}), make.normal({4})}),
          linear_sample("nothing out", {make.normal({3, 2}), make.normal({0, 2}), make.normal({0})}),
          linear_sample("no rows", {make.normal({0, 4}), make.normal({3, 4}), make.normal({3})}),
          linear_sample("size 1", {make.normal({1, 1}), make.normal({1, 1}), make.normal({1})})};
}

std::vector<ErrorSample> linear_errors() {
  return {{"columns",
           [] {
             linear(zeros({2, 3}), zeros({5, 4}));
           },
           ErrorKind::shape, "linear: the input has the wrong"},
          {"weight rank",
           [] {
             linear(zeros({2, 3}), zeros({3}));
           },
           ErrorKind::shape, "linear: the weight"},
          {"bias",
           [] {
             linear(zeros({2, 3}), zeros({5, 3}), zeros({4}));
           },
           ErrorKind::shape, "linear: the bias"},
          {"dtype",
           [] {
             linear(zeros({2, 3}), zeros({5, 3}, float64));
           },
           ErrorKind::dtype, "linear: needs"}};
}

std::vector<Sample> samples_of_outer(SampleMaker& make) {
  const auto sample = [](const char* name, const Tensor& a, const Tensor& b) {
    return Sample{.name = name,
                  .inputs = {a, b},
                  .run = [](const TensorList& in) { return TensorList{outer(in[0], in[1])}; },
                  .reference =
                      [](const TensorList& in) {
                        return TensorList{naive_product(unsqueeze(in[0].detach(), 1), unsqueeze(in[1].detach(), 0))};
                      }};
  };
  return {sample("vectors", make.normal({3}), make.normal({4})), sample("long", make.normal({2}), make.normal({37})),
          sample("nothing", make.normal({0}), make.normal({2}))};
}

std::vector<ErrorSample> outer_errors() {
  return {{"matrix", [] { outer(zeros({2, 2}), zeros({2})); }, ErrorKind::shape, "outer: needs two vectors"}};
}

std::vector<Sample> samples_of_addmm(SampleMaker& make) {
  const auto sample = [](const char* name, const TensorList& inputs, double beta, double alpha) {
    return Sample{.name = name,
                  .inputs = inputs,
                  .run = [=](const TensorList& in) { return TensorList{addmm(in[0], in[1], in[2], beta, alpha)}; },
                  .reference =
                      [=](const TensorList& in) {
                        const NoGradGuard no_grad;
                        return TensorList{in[0] * beta + naive_product(in[1], in[2]) * alpha};
                      }};
  };
  return {sample("plain", {make.normal({3, 2}), make.normal({3, 4}), make.normal({4, 2})}, 1.0, 1.0),
          sample("row", {make.normal({2}), make.normal({3, 4}), make.normal({4, 2})}, 0.5, -2.0),
          sample("number", {make.normal({}), make.normal({3, 4}), make.normal({4, 2})}, 1.0, 3.0)};
}

std::vector<ErrorSample> addmm_errors() {
  return {{"rank",
           [] {
             addmm(zeros({2, 2}), zeros({2}), zeros({2, 2}));
           },
           ErrorKind::shape, "addmm: needs two matrices"},
          {"input",
           [] {
             addmm(zeros({3, 2, 2}), zeros({2, 4}), zeros({4, 2}));
           },
           ErrorKind::shape, "addmm: the input does not broadcast"}};
}

}  // namespace

SampleList matmul_samples() {
  return {{"matmul", samples_of_matmul, matmul_errors},
          {"linear", samples_of_linear, linear_errors},
          {"outer", samples_of_outer, outer_errors},
          {"addmm", samples_of_addmm, addmm_errors}};
}

}  // namespace samples
