#include <algorithm>
#include <array>
#include <string>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/einsum.h"
#include "saw/autograd/ops/internal/families.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/slice.h"
#include "saw/autograd/ops/sort.h"
#include "saw/autograd/ops/view.h"

namespace saw {
namespace {

// Axes are named by their letters; the axes that "..." stands for are named by the digits 0, 1, … counted from the
// right, so that they broadcast against one another.

/// An operand whose axes carry distinct names.
struct Named {
  Tensor tensor;
  std::string axes;
};

std::string without_spaces(std::string_view text) {
  std::string result;
  for (const char c : text)
    if (c != ' ') result += c;
  return result;
}

/// "b...i" for rank 4 becomes "b10i".
std::string expand_dots(std::string_view equation, const std::string& term, std::size_t rank) {
  std::string result;
  const std::size_t dots = term.find("...");
  const std::size_t letters = dots == std::string::npos ? term.size() : term.size() - 3;
  if (letters > rank || (dots == std::string::npos && letters != rank))
    fail(ErrorKind::shape, "einsum: '{}' in '{}' does not fit its operand; got {} dimension(s)", term, equation, rank);
  for (std::size_t i = 0; i < term.size(); ++i) {
    if (i == dots) {
      for (std::size_t j = rank - letters; j-- > 0;) result += static_cast<char>('0' + j);
      i += 2;
    } else {
      result += term[i];
    }
  }
  return result;
}

void check_letters(std::string_view equation, const std::string& term) {
  std::string plain = term;
  if (const std::size_t dots = plain.find("..."); dots != std::string::npos) plain.erase(dots, 3);
  for (const char c : plain)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
      fail(ErrorKind::argument, "einsum: unexpected '{}' in '{}'; expected letters, one '...' a term, ',' and '->'",
           std::string(1, c), equation);
}

/// A letter that occurs twice in one operand means its diagonal.
Named take_diagonals(std::string_view equation, Named x) {
  for (std::size_t i = 0; i < x.axes.size(); ++i) {
    const std::size_t j = x.axes.find(x.axes[i], i + 1);
    if (j == std::string::npos) continue;
    if (x.tensor.shape()[i] != x.tensor.shape()[j])
      fail(ErrorKind::shape, "einsum: '{}' in '{}' stands for two sizes; got {} and {}", std::string(1, x.axes[i]),
           equation, x.tensor.shape()[i], x.tensor.shape()[j]);
    x.tensor = diagonal(x.tensor, 0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(j));
    const char letter = x.axes[i];
    x.axes.erase(j, 1);
    x.axes.erase(i, 1);
    x.axes += letter;
    --i;
  }
  return x;
}

/// Sums over the axes that nobody needs any more.
Named sum_unneeded(const Named& x, const std::string& needed) {
  Shape axes;
  std::string kept;
  for (std::size_t i = 0; i < x.axes.size(); ++i) {
    if (needed.find(x.axes[i]) == std::string::npos)
      axes.push_back(static_cast<std::int64_t>(i));
    else
      kept += x.axes[i];
  }
  return axes.empty() ? x : Named{sum(x.tensor, axes), kept};
}

/// x with its axes in the order of `order`, axes it does not have as size 1.
Tensor arrange(const Named& x, const std::string& order) {
  Shape permutation;
  for (const char c : order)
    if (const std::size_t at = x.axes.find(c); at != std::string::npos)
      permutation.push_back(static_cast<std::int64_t>(at));
  Tensor result = permute(x.tensor, permutation);
  for (std::size_t i = 0; i < order.size(); ++i)
    if (x.axes.find(order[i]) == std::string::npos) result = unsqueeze(result, static_cast<std::int64_t>(i));
  return result;
}

/// The product of two operands, summed over the axes that only they have: one batched matrix product.
Named contract(const Named& a, const Named& b, const std::string& needed) {
  std::string batch, left, right, inner;
  for (const char c : a.axes) {
    const bool in_b = b.axes.find(c) != std::string::npos;
    const bool stays = needed.find(c) != std::string::npos;
    if (!in_b)
      left += c;
    else if (stays)
      batch += c;
    else
      inner += c;
  }
  for (const char c : b.axes)
    if (a.axes.find(c) == std::string::npos) right += c;

  const auto size_of_axis = [&](char c) {
    const std::size_t in_a = a.axes.find(c), in_b = b.axes.find(c);
    const std::int64_t size_a = in_a == std::string::npos ? 1 : a.tensor.shape()[in_a];
    const std::int64_t size_b = in_b == std::string::npos ? 1 : b.tensor.shape()[in_b];
    return size_a == 1 ? size_b : size_a;
  };
  const auto product_of = [&](const std::string& axes) {
    std::int64_t result = 1;
    for (const char c : axes) result *= size_of_axis(c);
    return result;
  };
  // (batch…, rows, columns) with every shared axis at its full size
  const auto matrix = [&](const Named& x, const std::string& rows, const std::string& columns) {
    const std::string order = batch + rows + columns;
    Shape full, flat;
    for (const char c : order) full.push_back(size_of_axis(c));
    for (const char c : batch) flat.push_back(size_of_axis(c));
    flat.push_back(product_of(rows));
    flat.push_back(product_of(columns));
    return reshape(expand(arrange(x, order), full), flat);
  };
  const Tensor product = matmul(matrix(a, left, inner), matrix(b, inner, right));
  Shape shape;
  for (const char c : batch + left + right) shape.push_back(size_of_axis(c));
  return {reshape(product, shape), batch + left + right};
}

struct Equation {
  std::vector<std::string> terms;
  std::string result;
};

Equation parse(std::string_view text, const TensorList& operands) {
  const std::string equation = without_spaces(text);
  const std::size_t arrow = equation.find("->");
  Equation parsed;
  std::string term;
  for (const char c : equation.substr(0, arrow)) {
    if (c == ',') {
      parsed.terms.push_back(term);
      term.clear();
    } else {
      term += c;
    }
  }
  parsed.terms.push_back(term);
  if (parsed.terms.size() != operands.size())
    fail(ErrorKind::argument, "einsum: '{}' names {} operand(s); got {}", text, parsed.terms.size(), operands.size());
  std::size_t dots = 0;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    check_letters(text, parsed.terms[i]);
    parsed.terms[i] = expand_dots(text, parsed.terms[i], operands[i].rank());
    dots = std::max(dots, static_cast<std::size_t>(std::count_if(parsed.terms[i].begin(), parsed.terms[i].end(),
                                                                 [](char c) { return c >= '0' && c <= '9'; })));
  }
  std::string all;
  for (const std::string& t : parsed.terms) all += t;
  if (arrow != std::string::npos) {
    std::string result = equation.substr(arrow + 2);
    check_letters(text, result);
    const std::size_t letters = result.find("...") == std::string::npos ? result.size() : result.size() - 3;
    parsed.result = expand_dots(text, result, result.find("...") == std::string::npos ? letters : letters + dots);
  } else {
    for (std::size_t j = dots; j-- > 0;) parsed.result += static_cast<char>('0' + j);
    std::string once;
    for (const char c : all)
      if (c > '9' && std::count(all.begin(), all.end(), c) == 1) once += c;
    std::sort(once.begin(), once.end());
    parsed.result += once;
  }
  for (std::size_t i = 0; i < parsed.result.size(); ++i) {
    if (all.find(parsed.result[i]) == std::string::npos)
      fail(ErrorKind::argument, "einsum: '{}' of the result of '{}' occurs in no operand",
           std::string(1, parsed.result[i]), text);
    if (parsed.result.find(parsed.result[i], i + 1) != std::string::npos)
      fail(ErrorKind::argument, "einsum: '{}' occurs twice in the result of '{}'", std::string(1, parsed.result[i]),
           text);
  }
  return parsed;
}

/// One size for each letter over all operands; an axis of size 1 stretches to it.
void check_sizes(std::string_view text, const std::vector<Named>& operands) {
  std::array<std::int64_t, 128> sizes;
  sizes.fill(-1);
  for (const Named& x : operands)
    for (std::size_t i = 0; i < x.axes.size(); ++i) {
      std::int64_t& known = sizes[static_cast<unsigned char>(x.axes[i])];
      const std::int64_t size = x.tensor.shape()[i];
      if (known != -1 && known != size && known != 1 && size != 1)
        fail(ErrorKind::shape, "einsum: '{}' in '{}' stands for two sizes; got {} and {}",
             x.axes[i] <= '9' ? std::string("...") : std::string(1, x.axes[i]), text, known, size);
      if (known == -1 || known == 1) known = size;
    }
}

const OpInfo einsum_info{"einsum", "Σ over the letters that the result lacks", true};

}  // namespace

Tensor einsum(std::string_view text, const TensorList& operands) {
  if (operands.empty()) fail(ErrorKind::argument, "einsum: '{}' got no operands", text);
  for (const Tensor& x : operands)
    if (!is_floating(x.dtype()) || x.dtype() != operands[0].dtype())
      fail(ErrorKind::dtype, "einsum: needs floating operands of one dtype; got {} and {}", operands[0].dtype(),
           x.dtype());
  const Equation equation = parse(text, operands);
  std::vector<Named> named;
  for (std::size_t i = 0; i < operands.size(); ++i)
    named.push_back(take_diagonals(text, {operands[i], equation.terms[i]}));
  check_sizes(text, named);

  // From the left; what neither the result nor a later operand names is summed as soon as possible.
  const auto needed_after = [&](std::size_t next) {
    std::string needed = equation.result;
    for (std::size_t i = next; i < named.size(); ++i) needed += named[i].axes;
    return needed;
  };
  Named result = sum_unneeded(named[0], needed_after(1));
  for (std::size_t i = 1; i < named.size(); ++i) {
    const std::string needed = needed_after(i + 1);
    const Named next = sum_unneeded(named[i], needed + result.axes);
    result = contract(sum_unneeded(result, needed + next.axes), next, needed);
  }
  return arrange(result, equation.result);
}

OpList einsum_ops() { return {&einsum_info}; }

}  // namespace saw
