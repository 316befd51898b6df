#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "samples/families.h"
#include "samples/naive.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

/// The letters of each axis of the terms; the axes of "..." become the digits 0, 1, … counted from the right.
std::vector<std::string> terms_of(std::string_view text, const TensorList& operands) {
  std::vector<std::string> terms{""};
  for (const char c : text)
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::size_t dots = terms[i].find("...");
    if (dots == std::string::npos) continue;
    std::string digits;
    for (std::size_t j = operands[i].rank() + 3 - terms[i].size(); j-- > 0;) digits += static_cast<char>('0' + j);
    terms[i].replace(dots, 3, digits);
  }
  return terms;
}

/// Σ over every letter, one element at a time: the definition. Without "->" in the equation its result is `implied`.
Tensor naive(std::string_view equation, const TensorList& operands, const std::string& implied) {
  const std::size_t arrow = equation.find("->");
  const std::vector<std::string> terms = terms_of(equation.substr(0, arrow), operands);
  std::string result = arrow == std::string::npos ? implied : std::string(equation.substr(arrow + 2));
  if (const std::size_t dots = result.find("..."); dots != std::string::npos) {
    std::string digits;
    for (char digit = '9'; digit >= '0'; --digit)
      if (std::any_of(terms.begin(), terms.end(), [&](const std::string& t) { return t.find(digit) != t.npos; }))
        digits += digit;
    result.replace(dots, 3, digits);
  }
  std::map<char, std::int64_t> sizes, index;
  std::string letters = result;
  for (std::size_t i = 0; i < operands.size(); ++i)
    for (std::size_t j = 0; j < terms[i].size(); ++j) {
      const char c = terms[i][j];
      const std::int64_t size = operands[i].shape()[j];
      if (!sizes.contains(c) || sizes[c] == 1) sizes[c] = size;  // an axis of size 1 stretches
      if (letters.find(c) == std::string::npos) letters += c;
    }
  Shape shape;
  for (const char c : result) shape.push_back(sizes[c]);
  std::vector<std::vector<double>> values;
  for (const Tensor& x : operands) values.push_back(doubles_of(x));
  std::vector<double> sums(static_cast<std::size_t>(shape.numel()), 0.0);
  std::int64_t total = 1;
  for (const char c : letters) total *= sizes[c];
  for (std::int64_t flat = 0; flat < total; ++flat) {
    std::int64_t rest = flat;
    for (std::size_t i = letters.size(); i-- > 0;) {
      index[letters[i]] = rest % sizes[letters[i]];
      rest /= sizes[letters[i]];
    }
    double term = 1.0;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      std::int64_t at = 0;
      for (std::size_t j = 0; j < terms[i].size(); ++j) {
        const std::int64_t size = operands[i].shape()[j];
        at = at * size + (size == 1 ? 0 : index[terms[i][j]]);
      }
      term *= values[i][static_cast<std::size_t>(at)];
    }
    std::int64_t at = 0;
    for (const char c : result) at = at * sizes[c] + index[c];
    sums[static_cast<std::size_t>(at)] += term;
  }
  return from_doubles(sums, shape, operands[0].dtype());
}

Sample einsum_sample(const char* equation, TensorList inputs, const std::string& implied = {}) {
  return {.name = equation,
          .inputs = std::move(inputs),
          .run = [equation](const TensorList& in) { return TensorList{einsum(equation, in)}; },
          .reference = [=](const TensorList& in) { return TensorList{naive(equation, in, implied)}; }};
}

std::vector<Sample> samples_of_einsum(SampleMaker& make) {
  return {einsum_sample("ij,jk->ik", {make.normal({2, 3}), make.normal({3, 4})}),
          einsum_sample("bij,bjk->bik", {make.normal({2, 2, 3}), make.normal({2, 3, 2})}),
          einsum_sample("bhid,bhjd->bhij", {make.normal({2, 2, 2, 3}), make.normal({2, 2, 3, 3})}),
          einsum_sample("ij,j->i", {make.normal({3, 4}), make.normal({4})}),
          einsum_sample("ii->i", {make.normal({3, 3})}),
          einsum_sample("ii", {make.normal({3, 3})}),
          einsum_sample("...ij->...ji", {make.normal({2, 3, 2})}),
          einsum_sample("...i,...i->...", {make.normal({2, 3, 4}), make.normal({3, 4})}),
          einsum_sample("i,j->ij", {make.normal({3}), make.normal({2})}),
          einsum_sample("ij->", {make.normal({2, 3})}),
          einsum_sample("ij,jk,kl->il", {make.normal({2, 3}), make.normal({3, 2}), make.normal({2, 2})}),
          einsum_sample("ij,ij->i", {make.normal({2, 3}), make.normal({2, 3})}),
          einsum_sample("ij,jk->ik", {make.normal({2, 1}), make.normal({3, 4})}),
          einsum_sample("ij,ij->ij", {make.normal({2, 1}), make.normal({1, 3})}),
          einsum_sample("bij,bjk->bik", {make.normal({1, 2, 3}), make.normal({2, 1, 2})}),
          einsum_sample("i,i,i->", {make.normal({1}), make.normal({3}), make.normal({3})})};
}

std::vector<ErrorSample> einsum_errors() {
  return {{"count",
           [] {
             einsum("ij,jk->ik", {zeros({2, 2})});
           },
           ErrorKind::argument, "einsum: 'ij,jk->ik' names 2"},
          {"size",
           [] {
             einsum("ij,jk->ik", {zeros({2, 3}), zeros({2, 3})});
           },
           ErrorKind::shape, "stands for two sizes"},
          {"rank", [] { einsum("ij->i", {zeros({2})}); }, ErrorKind::shape, "einsum: 'ij'"},
          {"letter",
           [] {
             einsum("i1->i", {zeros({2, 2})});
           },
           ErrorKind::argument, "unexpected '1'"},
          {"unknown result",
           [] {
             einsum("ij->ik", {zeros({2, 2})});
           },
           ErrorKind::argument, "occurs in no operand"},
          {"twice",
           [] {
             einsum("ij->ii", {zeros({2, 2})});
           },
           ErrorKind::argument, "occurs twice"}};
}

}  // namespace

SampleList einsum_samples() { return {{"einsum", samples_of_einsum, einsum_errors}}; }

}  // namespace samples
