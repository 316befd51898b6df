// Connectionist temporal classification beside PyTorch, and where the registry's samples do not reach.

#include "saw/autograd/ops/ctc.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "saw/autograd/base/random.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "support/golden.h"
#include "support/tensors.h"

using namespace saw;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor symbols(const std::vector<std::int64_t>& values) { return tensor(values); }

bool finite(const Tensor& x) {
  for (const double value : to(x, float64).to_vector<double>())
    if (!std::isfinite(value)) return false;
  return true;
}

}  // namespace

TEST_CASE("ctc_loss equals PyTorch") {
  const test::Golden golden("ctc.safetensors");
  struct Case {
    const char* name;
    std::int64_t blank = 0;
    bool zero_infinity = false;
  };
  for (const Case& c : {Case{"ragged"}, Case{"last_blank", 4}, Case{"empty_targets"}, Case{"repeated"},
                        Case{"impossible", 0, true}, Case{"long"}})
    for (const auto& [suffix, reduction] :
         {std::pair{"mean", Reduction::mean}, std::pair{"sum", Reduction::sum}, std::pair{"none", Reduction::none}}) {
      const std::string name = c.name, variant = name + "." + suffix;
      CAPTURE(variant);
      const Tensor logits = golden.at(name + ".logits").clone().set_requires_grad(true);
      const Tensor loss = ctc_loss(log_softmax(logits, 1), golden.segments(name + ".lengths"),
                                   golden.at(name + ".targets"), golden.segments(name + ".target_lengths"),
                                   {.blank = c.blank, .reduction = reduction, .zero_infinity = c.zero_infinity});
      CHECK_EQ(test::difference(loss, golden.at(variant + ".output"), 1e-10, 1e-10), "");
      loss.backward(golden.at(variant + ".grad_output"));
      CHECK_EQ(test::difference(logits.grad(), golden.at(variant + ".grad_logits"), 1e-10, 1e-10), "");
    }
}

TEST_CASE("ctc_loss: an impossible target has an infinite loss, or 0 as asked, and no gradient") {
  const GeneratorGuard seeded(Generator(1));
  const Segments frames = Segments::from_lengths({3, 0, 4}), lengths = Segments::from_lengths({2, 1, 2});
  for (const DType dtype : {float32, float64})
    for (const bool zero_infinity : {false, true}) {
      const Tensor x = log_softmax(randn({7, 3}, dtype), 1).set_requires_grad(true);
      // 1 1 needs three frames, 1 one; there are three and none.
      const Tensor losses = ctc_loss(x, frames, symbols({1, 1, 1, 2, 2}), lengths,
                                     {.reduction = Reduction::none, .zero_infinity = zero_infinity});
      const std::vector<double> values = to(losses, float64).to_vector<double>();
      CHECK(std::isfinite(values[0]));
      CHECK(values[1] == (zero_infinity ? 0.0 : infinity));
      CHECK(std::isfinite(values[2]));
      const Tensor short_of_one = ctc_loss(x, frames, symbols({1, 1, 1, 1, 2, 2, 2}), Segments::from_lengths({4, 0, 3}),
                                           {.reduction = Reduction::none, .zero_infinity = zero_infinity});
      CHECK(to(short_of_one, float64).to_vector<double>()[0] == (zero_infinity ? 0.0 : infinity));
      CHECK(to(short_of_one, float64).to_vector<double>()[1] == 0.0);
      CHECK(to(short_of_one, float64).to_vector<double>()[2] == (zero_infinity ? 0.0 : infinity));
      short_of_one.sum().backward();
      CHECK_EQ(test::difference(x.grad(), zeros({7, 3}, dtype), 0.0), "");
      CHECK(std::isinf(ctc_loss(x, frames, symbols({1, 1, 1, 2, 2}), lengths).item()));
      CHECK(std::isfinite(ctc_loss(x, frames, symbols({1, 1, 1, 2, 2}), lengths, {.zero_infinity = true}).item()));
    }
}

TEST_CASE("ctc_loss: symbols of probability 0 give neither NaN nor gradients, in both orders") {
  const GeneratorGuard seeded(Generator(2));
  Tensor x = log_softmax(randn({6, 4}, float64), 1);
  x.mutable_data<double>()[4 + 1] = -infinity;      // the target's symbol, where others will do
  x.mutable_data<double>()[2 * 4 + 0] = -infinity;  // the blank
  x.mutable_data<double>()[3 * 4 + 3] = -infinity;  // a symbol that nobody asks for
  x.set_requires_grad(true);
  const Tensor loss = ctc_loss(x, Segments::single(6), symbols({1, 2}), Segments::single(2));
  CHECK(std::isfinite(loss.item()));
  const Tensor first = grad({loss}, {x}, {.create_graph = true})[0];
  CHECK(finite(first));
  for (const std::size_t at : {5, 8, 15}) CHECK(first.to_vector<double>()[at] == 0.0);
  CHECK(finite(grad({sum(first * first)}, {x})[0]));
  loss.backward();
  CHECK_EQ(test::difference(x.grad(), first, 1e-10, 1e-12), "");
}

TEST_CASE("ctc_loss: a segment has the same bits alone, in a batch and beside NaN") {
  const GeneratorGuard seeded(Generator(3));
  const Segments frames = Segments::from_lengths({9, 1, 40, 0, 25}), lengths = Segments::from_lengths({4, 0, 12, 0, 9});
  const Tensor x = log_softmax(randn({frames.rows(), 5}), 1).set_requires_grad(true);
  const Tensor targets = randint(1, 5, {lengths.rows()});
  const Tensor losses = ctc_loss(x, frames, targets, lengths, {.reduction = Reduction::none});
  losses.sum().backward();
  for (std::int64_t b = 0; b < frames.count(); ++b)
    for (const bool poisoned : {false, true}) {
      CAPTURE(b);
      Tensor rows = x.detach().slice(0, frames.begin(b), frames.end(b)).clone();
      Tensor own = targets.slice(0, lengths.begin(b), lengths.end(b)).clone();
      Segments of_rows = Segments::single(rows.size(0)), of_own = Segments::single(own.size(0));
      const std::int64_t skipped = poisoned ? 3 : 0, at = poisoned ? 1 : 0;
      if (poisoned) {
        rows = cat({full({3, 5}, std::numeric_limits<double>::quiet_NaN()), rows}, 0);
        own = cat({symbols({1, 2}), own}, 0);
        of_rows = Segments::from_lengths({3, frames.length(b)});
        of_own = Segments::from_lengths({2, lengths.length(b)});
      }
      rows.set_requires_grad(true);
      const Tensor loss = ctc_loss(rows, of_rows, own, of_own, {.reduction = Reduction::none});
      CHECK(test::same_bits(loss.slice(0, at, at + 1), losses.slice(0, b, b + 1)));
      if (poisoned) CHECK(std::isnan(loss.to_vector<float>()[0]));
      loss.sum().backward();
      CHECK(test::same_bits(rows.grad().slice(0, skipped, rows.size(0)).clone(),
                            x.grad().slice(0, frames.begin(b), frames.end(b)).clone()));
    }
}

TEST_CASE("ctc_loss: long segments lose nothing in float32") {
  const GeneratorGuard seeded(Generator(4));
  const Segments frames = Segments::single(3000), lengths = Segments::single(300);
  const Tensor wide = log_softmax(randn({3000, 30}, float64) * 3.0, 1), targets = randint(1, 30, {300});
  const Tensor narrow = to(wide, float32).set_requires_grad(true);
  wide.set_requires_grad(true);
  const Tensor loss = ctc_loss(narrow, frames, targets, lengths), exact = ctc_loss(wide, frames, targets, lengths);
  CHECK(loss.item() == doctest::Approx(exact.item()).epsilon(1e-6));
  loss.backward();
  exact.backward();
  // Each frame rounds numbers of a few units, and what was expected of one frame passes through all before it.
  CHECK_EQ(test::difference(narrow.grad() * 300.0, wide.grad() * 300.0, 3000 * 8 * test::epsilon(float32)), "");
  // One symbol is expected per frame.
  CHECK_EQ(test::difference(sum(narrow.grad() * -300.0, {1}), ones({3000}), 1e-5), "");
}

TEST_CASE("ctc_loss keeps nothing for a backward that nobody asks for, and sees no later change of the targets") {
  const GeneratorGuard seeded(Generator(5));
  const Tensor x = log_softmax(randn({6, 3}, float64), 1).set_requires_grad(true);
  const Tensor targets = symbols({1, 2});
  const Tensor loss = ctc_loss(x, Segments::single(6), targets, Segments::single(2));
  {
    const NoGradGuard no_grad;
    CHECK(ctc_loss(x, Segments::single(6), targets, Segments::single(2)).item() == loss.item());
  }
  targets.mutable_data<std::int64_t>()[0] = 2;
  const Tensor second = grad({loss}, {x}, {.create_graph = true})[0];
  loss.backward();
  CHECK_EQ(test::difference(x.grad(), second, 1e-10, 1e-12), "");
}

TEST_CASE("ctc_loss: NaN stays NaN, for targets of any length") {
  for (const DType dtype : {float32, float64})
    for (std::int64_t length = 0; length <= 20; ++length) {
      CAPTURE(length);
      const Tensor log_probs = full({50, 3}, std::nan(""), dtype), finite_rows = log_softmax(zeros({50, 3}, dtype), 1);
      std::vector<std::int64_t> target;
      for (std::int64_t u = 0; u < length; ++u) target.push_back(1 + u % 2);
      const Tensor targets = target.empty() ? zeros({0}, int64) : tensor(target);
      for (const bool zero_infinity : {false, true}) {
        const auto loss = [&](const Tensor& rows) {
          return ctc_loss(rows, Segments::single(50), targets, Segments::single(length),
                          {.zero_infinity = zero_infinity})
              .item();
        };
        CHECK(std::isnan(loss(log_probs)));
        CHECK(std::isfinite(loss(finite_rows)));
        const Tensor one_row = finite_rows.clone();
        one_row.slice(0, 7, 8).fill_(std::nan(""));
        CHECK(std::isnan(loss(one_row)));
      }
    }
}
