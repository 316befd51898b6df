// The whole text of common mistakes: op, what is wrong, what came, what was expected, what to do.

#include <doctest/doctest.h>

#include "saw/autograd/base/error.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace {

using saw::ErrorKind;
using saw::Segments;
using saw::Tensor;
using Integers = std::vector<std::int64_t>;

void check(ErrorKind kind, const std::string& text, const std::function<void()>& call) {
  CHECK(test::error_text(kind, call) == text);
}

TEST_CASE("error texts: shapes that do not fit") {
  check(ErrorKind::shape,
        "add: shapes do not broadcast; got (2, 3) and (4,); expected equal sizes, or 1, counted from the last axis",
        [] {
          saw::zeros({2, 3}) + saw::zeros({4});
        });
  check(ErrorKind::shape, "matmul: inner sizes differ; got (2, 3) and (4, 5); expected (…, m, k) and (…, k, n)", [] {
    saw::matmul(saw::zeros({2, 3}), saw::zeros({4, 5}));
  });
  check(ErrorKind::shape, "linear: the input has the wrong size; got (2, 3) for weight (5, 4); expected (…, 4)", [] {
    saw::linear(saw::zeros({2, 3}), saw::zeros({5, 4}));
  });
  check(ErrorKind::shape,
        "reshape: the number of elements changes; got (4, 2) (8 elements); expected 6 elements as in (2, 3)", [] {
          saw::zeros({2, 3}).reshape({4, 2});
        });
  check(ErrorKind::shape,
        "cat: shapes do not fit together; got (2, 3) and (2, 4) (tensor 1); expected equal sizes except along axis 0",
        [] {
          saw::cat({saw::zeros({2, 3}), saw::zeros({2, 4})}, 0);
        });
  check(ErrorKind::shape,
        "layer_norm: weight does not fit the input's last axis; got (4,) for input (2, 3); expected (3,)", [] {
          saw::layer_norm(saw::zeros({2, 3}), saw::ones({4}), saw::zeros({4}));
        });
  check(ErrorKind::shape, "einsum: 'j' in 'ij,jk->ik' stands for two sizes; got 3 and 4", [] {
    saw::einsum("ij,jk->ik", {saw::zeros({2, 3}), saw::zeros({4, 5})});
  });
  check(ErrorKind::shape,
        "split: the sizes do not add up; got (2, 2), together 4; expected 5, the size of axis 0 of (5,)", [] {
          saw::split(saw::zeros({5}), {2, 2});
        });
}

TEST_CASE("error texts: dtypes") {
  check(ErrorKind::dtype, "mul: the dtypes differ; got float32 and float64; expected equal ones; convert with to()",
        [] { saw::zeros({2}) * saw::zeros({2}, saw::float64); });
  check(ErrorKind::dtype, "exp: needs floating point elements; got int64; expected float32 or float64",
        [] { saw::exp(saw::arange(3)); });
  check(ErrorKind::dtype, "where: needs conditions; got float32; expected bool; make one with a comparison",
        [] { saw::where(saw::zeros({2}), saw::zeros({2}), saw::zeros({2})); });
  check(ErrorKind::dtype, "cross_entropy: targets are class numbers; got float32; expected int64", [] {
    saw::cross_entropy(saw::zeros({2, 5}), saw::zeros({2}));
  });
}

TEST_CASE("error texts: tensors without data") {
  const Tensor x = saw::ones({2});
  check(ErrorKind::argument, "exp: the tensor is undefined; expected one with data", [&] { saw::exp(Tensor()); });
  check(ErrorKind::argument, "add: the tensor is undefined; expected one with data", [&] { x + Tensor(); });
  check(ErrorKind::argument, "mul: the tensor is undefined; expected one with data", [&] { Tensor() * x; });
}

TEST_CASE("error texts: axes, indices and other values") {
  check(ErrorKind::argument, "softmax: axis out of range; got 2 for 2 dimension(s); expected -2 … 1", [] {
    saw::softmax(saw::zeros({2, 3}), 2);
  });
  check(ErrorKind::index, "embedding: index out of range; got 10 at position (1,); expected 0 … 9", [] {
    saw::embedding(saw::zeros({10, 4}), saw::tensor(Integers{3, 10}));
  });
  check(ErrorKind::index, "cross_entropy: target out of range; got 7 in row 1; expected 0 … 4 or ignore_index -100",
        [] {
          saw::cross_entropy(saw::zeros({2, 5}), saw::tensor(Integers{1, 7}));
        });
  check(ErrorKind::index, "gather: index out of range; got 3 at position (0, 1); expected 0 … 2", [] {
    saw::gather(saw::zeros({2, 3}), 1, saw::tensor(Integers{0, 3}, {1, 2}));
  });
  check(ErrorKind::argument, "dropout: the probability must lie in [0, 1]; got 1.5",
        [] { saw::dropout(saw::zeros({4}), 1.5); });
  check(ErrorKind::argument, "topk: k does not fit the axis; got 4 for shape (3,) and axis -1; expected 0 … 3",
        [] { saw::topk(saw::zeros({3}), 4); });
  check(ErrorKind::shape,
        "amax: the reduced axes are empty; got shape (0, 3) and axes (0,); expected at least one element", [] {
          saw::amax(saw::zeros({0, 3}), {0});
        });
  check(ErrorKind::argument, "slice: the step must be positive; got -1; use flip for the other way",
        [] { saw::zeros({4}).slice(0, 0, 4, -1); });
}

TEST_CASE("error texts: segments that are not those of the rows") {
  const auto segments = Segments::from_lengths({2, 3});
  check(ErrorKind::shape,
        "segment_sum: the rows do not match the segments; got shape (4, 2) for Segments(lengths 2, 3; rows 5); "
        "expected 5 rows",
        [=] {
          saw::segment_sum(saw::zeros({4, 2}), segments);
        });
  check(ErrorKind::shape, "attention: rows of the query do not fit its segments; got (4, 2, 8); expected 5 rows", [=] {
    saw::attention(saw::zeros({4, 2, 8}), saw::zeros({5, 2, 8}), saw::zeros({5, 2, 8}), segments, segments);
  });
  check(ErrorKind::shape,
        "conv1d: channels differ; got x (5, 4) and weight (6, 3, 3); expected (rows, in) and (out, in, kernel)", [=] {
          saw::conv1d(saw::zeros({5, 4}), segments, saw::zeros({6, 3, 3}));
        });
}

TEST_CASE("error texts: the tape") {
  const Tensor x = saw::ones({2}).set_requires_grad(true);
  check(ErrorKind::autograd,
        "backward: needs a scalar or a gradient for the output; got shape (2,); take sum() or mean()",
        [&] { (x * 2.0).backward(); });
  check(
      ErrorKind::autograd,
      "backward: the output of shape () does not depend on any tensor that requires a gradient; was it computed under "
      "NoGradGuard or detached?",
      [&] { x.detach().sum().backward(); });
  const Tensor loss = (x * x).sum();
  loss.backward();
  check(ErrorKind::autograd,
        "backward: the saved tensors of sum were freed by an earlier backward; pass retain_graph = true to that one",
        [&] { loss.backward(); });
  check(ErrorKind::autograd,
        "mul_: a tensor of shape (2,) that requires a gradient would change in place; do it under NoGradGuard",
        [&] { x.mul_(2.0); });
  check(ErrorKind::shape, "item: needs exactly one element; got shape (2,); take sum(), mean() or select()",
        [&] { x.item(); });
}

TEST_CASE("error texts: what a terminal and a log can take, whatever comes from outside") {
  CHECK(std::string(saw::Error(ErrorKind::io, "a\x1b[31m\x07\x7f\r\xc2\x9b!é\t\n…").what()) ==
        "a\\x1b[31m\\x07\\x7f\\x0d\\xc2\\x9b!é\t\n…");
  CHECK(std::string(saw::Error(ErrorKind::io, "cut off \xc2").what()) == "cut off \xc2");
  std::string accents;
  for (int i = 0; i < 1'000'000; ++i) accents += "é";
  const std::string text = saw::Error(ErrorKind::io, "x" + accents + "; the end").what();
  CHECK(text.size() < 17'000);
  CHECK(text.starts_with("xéé"));
  CHECK(text.ends_with("é; the end"));
  CHECK(text.find("é … é") != std::string::npos);
  const std::string whole(16'000, 'x');
  CHECK(saw::Error(ErrorKind::io, whole).what() == whole);
}

}  // namespace
