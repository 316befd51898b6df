#pragma once

// The ops that PyTorch has as well, on the same shapes and kinds of values as bench/peers/pytorch_ops.py, which has the
// same names. One line here and one line there make a case; `bench/compare` reports a name that only one side has.

#include <saw/saw.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace saw::bench {

/// What one case runs: a function and its inputs. With floating inputs it is timed with backward too, when its outputs
/// have gradients.
struct Prepared {
  TensorList inputs;
  std::function<TensorList(const TensorList&)> run;
};

/// A case for matrices of so many rows and columns.
using MakeCase = std::function<Prepared(std::int64_t rows, std::int64_t columns)>;

namespace cases {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);
using Rows = std::int64_t;

/// Normal values.
inline MakeCase of(std::function<Tensor(const Tensor&)> f) {
  return [f](Rows r, Rows c) {
    return Prepared{{randn({r, c})}, [f](const TensorList& in) { return TensorList{f(in[0])}; }};
  };
}
/// Values in [0.1, 1.1).
inline MakeCase positive(std::function<Tensor(const Tensor&)> f) {
  return [f](Rows r, Rows c) {
    return Prepared{{rand({r, c}) + 0.1}, [f](const TensorList& in) { return TensorList{f(in[0])}; }};
  };
}
/// Half of them true.
inline MakeCase of_bool(std::function<Tensor(const Tensor&)> f) {
  return [f](Rows r, Rows c) {
    return Prepared{{less(rand({r, c}), 0.5)}, [f](const TensorList& in) { return TensorList{f(in[0])}; }};
  };
}
inline MakeCase of_two(std::function<Tensor(const Tensor&, const Tensor&)> f) {
  return [f](Rows r, Rows c) {
    return Prepared{{randn({r, c}), rand({r, c}) + 0.5},
                    [f](const TensorList& in) { return TensorList{f(in[0], in[1])}; }};
  };
}
inline MakeCase of_two_bool(std::function<Tensor(const Tensor&, const Tensor&)> f) {
  return [f](Rows r, Rows c) {
    return Prepared{{less(rand({r, c}), 0.5), less(rand({r, c}), 0.5)},
                    [f](const TensorList& in) { return TensorList{f(in[0], in[1])}; }};
  };
}
/// No inputs: a tensor is made.
inline MakeCase made(std::function<Tensor(Rows, Rows)> f) {
  return [f](Rows r, Rows c) { return Prepared{{}, [f, r, c](const TensorList&) { return TensorList{f(r, c)}; }}; };
}
inline MakeCase with(std::function<TensorList(Rows, Rows)> inputs, std::function<Tensor(const TensorList&)> f) {
  return [inputs, f](Rows r, Rows c) {
    return Prepared{inputs(r, c), [f](const TensorList& in) { return TensorList{f(in)}; }};
  };
}

/// The rows as sequences of `length` rows, the last perhaps shorter.
inline Segments sequences(Rows rows, Rows length) {
  std::vector<std::int64_t> lengths;
  for (Rows left = rows; left > 0; left -= length) lengths.push_back(std::min(left, length));
  return Segments::from_lengths(lengths);
}
/// For ops on sequences: 64 rows are one sequence, 4,096 rows are sixteen.
inline Segments long_sequences(Rows rows) { return sequences(rows, std::min<Rows>(rows, 256)); }

inline MakeCase on_sequences(std::function<TensorList(Rows, Rows)> inputs,
                             std::function<Tensor(const TensorList&, const Segments&)> f) {
  return [inputs, f](Rows r, Rows c) {
    const Segments segments = long_sequences(r);
    return Prepared{inputs(r, c), [f, segments](const TensorList& in) { return TensorList{f(in, segments)}; }};
  };
}
/// Segments of 16 rows.
inline MakeCase on_segments(std::function<Tensor(const Tensor&, const Segments&)> f) {
  return [f](Rows r, Rows c) {
    const Segments segments = sequences(r, 16);
    return Prepared{{randn({r, c})}, [f, segments](const TensorList& in) { return TensorList{f(in[0], segments)}; }};
  };
}

inline TensorList attention_inputs(Rows r, Rows c) {
  return {randn({r, 4, c / 4}), randn({r, 4, c / 4}), randn({r, 4, c / 4})};
}

}  // namespace cases

/// All cases by name.
inline std::map<std::string, MakeCase> op_cases() {
  using namespace cases;
  std::map<std::string, MakeCase> table;
  // elementwise, one input
  table["neg"] = of([](const Tensor& x) { return neg(x); });
  table["abs"] = of([](const Tensor& x) { return abs(x); });
  table["sign"] = of([](const Tensor& x) { return sign(x); });
  table["square"] = of([](const Tensor& x) { return square(x); });
  table["reciprocal"] = positive([](const Tensor& x) { return reciprocal(x); });
  table["exp"] = of([](const Tensor& x) { return exp(x); });
  table["expm1"] = of([](const Tensor& x) { return expm1(x); });
  table["log"] = positive([](const Tensor& x) { return log(x); });
  table["log1p"] = positive([](const Tensor& x) { return log1p(x); });
  table["log2"] = positive([](const Tensor& x) { return log2(x); });
  table["log10"] = positive([](const Tensor& x) { return log10(x); });
  table["sqrt"] = positive([](const Tensor& x) { return sqrt(x); });
  table["rsqrt"] = positive([](const Tensor& x) { return rsqrt(x); });
  table["sin"] = of([](const Tensor& x) { return sin(x); });
  table["cos"] = of([](const Tensor& x) { return cos(x); });
  table["erf"] = of([](const Tensor& x) { return erf(x); });
  table["floor"] = of([](const Tensor& x) { return floor(x); });
  table["ceil"] = of([](const Tensor& x) { return ceil(x); });
  table["round"] = of([](const Tensor& x) { return round(x); });
  table["clamp"] = of([](const Tensor& x) { return clamp(x, -1.0, 1.0); });
  table["pow_2.5"] = positive([](const Tensor& x) { return pow(x, 2.5); });
  table["isnan"] = of([](const Tensor& x) { return isnan(x); });
  table["isfinite"] = of([](const Tensor& x) { return isfinite(x); });
  table["tanh"] = of([](const Tensor& x) { return tanh(x); });
  table["sigmoid"] = of([](const Tensor& x) { return sigmoid(x); });
  table["relu"] = of([](const Tensor& x) { return relu(x); });
  table["leaky_relu"] = of([](const Tensor& x) { return leaky_relu(x, 0.01); });
  table["elu"] = of([](const Tensor& x) { return elu(x); });
  table["gelu"] = of([](const Tensor& x) { return gelu(x); });
  table["gelu_tanh"] = of([](const Tensor& x) { return gelu(x, GeluKind::tanh); });
  table["silu"] = of([](const Tensor& x) { return silu(x); });
  table["mish"] = of([](const Tensor& x) { return mish(x); });
  table["log_sigmoid"] = of([](const Tensor& x) { return log_sigmoid(x); });
  table["exp2"] = of([](const Tensor& x) { return exp2(x); });
  table["trunc"] = of([](const Tensor& x) { return trunc(x); });
  table["isinf"] = of([](const Tensor& x) { return isinf(x); });
  table["nan_to_num"] = of([](const Tensor& x) { return nan_to_num(x); });
  table["softplus"] = of([](const Tensor& x) { return softplus(x); });
  table["glu"] = of([](const Tensor& x) { return glu(x); });
  table["dropout"] = of([](const Tensor& x) { return dropout(x, 0.3); });
  // elementwise, two inputs
  table["add"] = of_two([](const Tensor& a, const Tensor& b) { return a + b; });
  table["sub"] = of_two([](const Tensor& a, const Tensor& b) { return a - b; });
  table["mul"] = of_two([](const Tensor& a, const Tensor& b) { return a * b; });
  table["div"] = of_two([](const Tensor& a, const Tensor& b) { return a / b; });
  table["maximum"] = of_two([](const Tensor& a, const Tensor& b) { return maximum(a, b); });
  table["logaddexp"] = of_two([](const Tensor& a, const Tensor& b) { return logaddexp(a, b); });
  table["atan2"] = of_two([](const Tensor& a, const Tensor& b) { return atan2(a, b); });
  table["minimum"] = of_two([](const Tensor& a, const Tensor& b) { return minimum(a, b); });
  table["pow"] = with(
      [](Rows r, Rows c) {
        return TensorList{rand({r, c}) + 0.1, randn({r, c})};
      },
      [](const TensorList& in) { return pow(in[0], in[1]); });
  table["add_scalar"] = of([](const Tensor& x) { return x + 2.0; });
  table["mul_scalar"] = of([](const Tensor& x) { return x * 2.0; });
  table["rsub_scalar"] = of([](const Tensor& x) { return 1.0 - x; });
  table["add_row"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c})};
      },
      [](const TensorList& in) { return in[0] + in[1]; });
  table["mul_row"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c})};
      },
      [](const TensorList& in) { return in[0] * in[1]; });
  table["mul_column"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({r, 1})};
      },
      [](const TensorList& in) { return in[0] * in[1]; });
  table["equal"] = of_two([](const Tensor& a, const Tensor& b) { return equal(a, b); });
  table["not_equal"] = of_two([](const Tensor& a, const Tensor& b) { return not_equal(a, b); });
  table["less"] = of_two([](const Tensor& a, const Tensor& b) { return less(a, b); });
  table["less_equal"] = of_two([](const Tensor& a, const Tensor& b) { return less_equal(a, b); });
  table["greater"] = of_two([](const Tensor& a, const Tensor& b) { return greater(a, b); });
  table["greater_equal"] = of_two([](const Tensor& a, const Tensor& b) { return greater_equal(a, b); });
  table["less_scalar"] = of([](const Tensor& x) { return less(x, 0.5); });
  table["logical_and"] = of_two_bool([](const Tensor& a, const Tensor& b) { return logical_and(a, b); });
  table["logical_or"] = of_two_bool([](const Tensor& a, const Tensor& b) { return logical_or(a, b); });
  table["logical_xor"] = of_two_bool([](const Tensor& a, const Tensor& b) { return logical_xor(a, b); });
  table["logical_not"] = of_bool([](const Tensor& x) { return logical_not(x); });
  table["where"] = with(
      [](Rows r, Rows c) {
        return TensorList{less(rand({r, c}), 0.5), randn({r, c}), randn({r, c})};
      },
      [](const TensorList& in) { return where(in[0], in[1], in[2]); });
  table["masked_fill"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), less(rand({r, c}), 0.5)};
      },
      [](const TensorList& in) { return masked_fill(in[0], in[1], -1.0); });
  // reductions
  table["sum"] = of([](const Tensor& x) { return sum(x); });
  table["sum_0"] = of([](const Tensor& x) { return sum(x, {0}); });
  table["sum_1"] = of([](const Tensor& x) { return sum(x, {1}); });
  table["mean"] = of([](const Tensor& x) { return mean(x); });
  table["mean_0"] = of([](const Tensor& x) { return mean(x, {0}); });
  table["mean_1"] = of([](const Tensor& x) { return mean(x, {1}); });
  table["prod_1"] = positive([](const Tensor& x) { return prod(x, {1}); });
  table["amax"] = of([](const Tensor& x) { return amax(x); });
  table["amax_0"] = of([](const Tensor& x) { return amax(x, {0}); });
  table["amax_1"] = of([](const Tensor& x) { return amax(x, {1}); });
  table["amin_1"] = of([](const Tensor& x) { return amin(x, {1}); });
  table["any_1"] = of_bool([](const Tensor& x) { return any(x, {1}); });
  table["all_1"] = of_bool([](const Tensor& x) { return all(x, {1}); });
  table["var_0"] = of([](const Tensor& x) { return var(x, {0}); });
  table["var_1"] = of([](const Tensor& x) { return var(x, {1}); });
  table["std"] = of([](const Tensor& x) { return stddev(x); });
  table["logsumexp_0"] = of([](const Tensor& x) { return logsumexp(x, {0}); });
  table["logsumexp_1"] = of([](const Tensor& x) { return logsumexp(x, {1}); });
  table["norm"] = of([](const Tensor& x) { return norm(x); });
  table["norm_1"] = of([](const Tensor& x) { return norm(x, 2.0, {1}); });
  table["argmax_0"] = of([](const Tensor& x) { return argmax(x, 0); });
  table["argmax_1"] = of([](const Tensor& x) { return argmax(x, 1); });
  table["argmin_1"] = of([](const Tensor& x) { return argmin(x, 1); });
  // along an axis
  table["cumsum_0"] = of([](const Tensor& x) { return cumsum(x, 0); });
  table["cumsum_1"] = of([](const Tensor& x) { return cumsum(x, 1); });
  table["sort_0"] = of([](const Tensor& x) { return sort(x, 0).values; });
  table["sort_1"] = of([](const Tensor& x) { return sort(x, 1).values; });
  table["topk_1"] = of([](const Tensor& x) { return topk(x, 8, 1).values; });
  table["softmax_0"] = of([](const Tensor& x) { return softmax(x, 0); });
  table["softmax_1"] = of([](const Tensor& x) { return softmax(x, 1); });
  table["log_softmax_0"] = of([](const Tensor& x) { return log_softmax(x, 0); });
  table["log_softmax_1"] = of([](const Tensor& x) { return log_softmax(x, 1); });
  // copies and views
  table["clone"] = of([](const Tensor& x) { return x.clone(); });
  table["transpose_contiguous"] = of([](const Tensor& x) { return contiguous(transpose(x, 0, 1)); });
  table["to_float64"] = of([](const Tensor& x) { return to(x, float64); });
  table["cat_0"] = of_two([](const Tensor& a, const Tensor& b) { return cat({a, b}, 0); });
  table["cat_1"] = of_two([](const Tensor& a, const Tensor& b) { return cat({a, b}, 1); });
  table["stack_0"] = of_two([](const Tensor& a, const Tensor& b) { return stack({a, b}, 0); });
  table["stack_2"] = of_two([](const Tensor& a, const Tensor& b) { return stack({a, b}, 2); });
  table["repeat"] = of([](const Tensor& x) { return repeat(x, {2, 2}); });
  table["flip_0"] = of([](const Tensor& x) { return flip(x, {0}); });
  table["flip_1"] = of([](const Tensor& x) { return flip(x, {1}); });
  table["roll"] = of([](const Tensor& x) { return roll(x, {3, 5}, {0, 1}); });
  table["tril"] = of([](const Tensor& x) { return tril(x); });
  table["triu"] = of([](const Tensor& x) { return triu(x); });
  table["pad"] = of([](const Tensor& x) { return pad(x, {1, 2}, {3, 4}); });
  table["reshape"] = of([](const Tensor& x) { return reshape(x, {x.size(1), x.size(0)}); });
  table["transpose"] = of([](const Tensor& x) { return transpose(x, 0, 1); });
  table["permute"] = of([](const Tensor& x) { return permute(x, {1, 0}); });
  table["unsqueeze"] = of([](const Tensor& x) { return unsqueeze(x, 1); });
  table["expand"] = of([](const Tensor& x) { return expand(x, {2, x.size(0), x.size(1)}); });
  table["slice_0"] = of([](const Tensor& x) { return slice(x, 0, 1, x.size(0) / 2); });
  table["slice_1"] = of([](const Tensor& x) { return slice(x, 1, 1, x.size(1) / 2); });
  table["select_0"] = of([](const Tensor& x) { return select(x, 0, 3); });
  table["select_1"] = of([](const Tensor& x) { return select(x, 1, 3); });
  table["diagonal"] = of([](const Tensor& x) { return diagonal(x); });
  table["chunk_1"] = [](Rows r, Rows c) {
    return Prepared{{randn({r, c})}, [](const TensorList& in) { return chunk(in[0], 4, 1); }};
  };
  // tensors from nothing
  table["zeros"] = made([](Rows r, Rows c) { return zeros({r, c}); });
  table["ones"] = made([](Rows r, Rows c) { return ones({r, c}); });
  table["full"] = made([](Rows r, Rows c) { return full({r, c}, 0.5); });
  table["eye"] = made([](Rows r, Rows c) { return eye(r, c); });
  table["arange"] = made([](Rows r, Rows c) { return arange(0.0, static_cast<double>(r * c), 1.0, float32); });
  table["linspace"] = made([](Rows r, Rows c) { return linspace(0.0, 1.0, r * c); });
  table["rand"] = made([](Rows r, Rows c) { return rand({r, c}); });
  table["randn"] = made([](Rows r, Rows c) { return randn({r, c}); });
  table["randint"] = made([](Rows r, Rows c) { return randint(0, 1000, {r, c}); });
  table["randperm"] = made([](Rows r, Rows c) { return randperm(r * c); });
  table["one_hot"] = with(
      [](Rows r, Rows c) {
        return TensorList{randint(0, c, {r}), zeros({c})};
      },
      [](const TensorList& in) { return one_hot(in[0], in[1].size(0), int64); });
  // by index
  table["gather_0"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, r, {r, c})};
      },
      [](const TensorList& in) { return gather(in[0], 0, in[1]); });
  table["gather_1"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, c, {r, c})};
      },
      [](const TensorList& in) { return gather(in[0], 1, in[1]); });
  table["scatter_add_0"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, r, {r, c}), randn({r, c})};
      },
      [](const TensorList& in) { return scatter_add(in[0], 0, in[1], in[2]); });
  table["scatter_add_1"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, c, {r, c}), randn({r, c})};
      },
      [](const TensorList& in) { return scatter_add(in[0], 1, in[1], in[2]); });
  table["index_select_0"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, r, {r})};
      },
      [](const TensorList& in) { return index_select(in[0], 0, in[1]); });
  table["index_select_1"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, c, {c})};
      },
      [](const TensorList& in) { return index_select(in[0], 1, in[1]); });
  table["index_add_0"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, r, {r}), randn({r, c})};
      },
      [](const TensorList& in) { return index_add(in[0], 0, in[1], in[2]); });
  table["masked_select"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), less(rand({r, c}), 0.5)};
      },
      [](const TensorList& in) { return masked_select(in[0], in[1]); });
  table["embedding"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, r, {r})};
      },
      [](const TensorList& in) { return embedding(in[0], in[1]); });
  // products
  table["matmul"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c, c})};
      },
      [](const TensorList& in) { return matmul(in[0], in[1]); });
  table["matmul_transposed"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c, c})};
      },
      [](const TensorList& in) { return matmul(in[0], transpose(in[1], 0, 1)); });
  table["matmul_batched"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({8, r / 8, c}), randn({8, c, r / 8})};
      },
      [](const TensorList& in) { return matmul(in[0], in[1]); });
  table["matmul_vector"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c})};
      },
      [](const TensorList& in) { return matmul(in[0], in[1]); });
  table["linear"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c, c}), randn({c})};
      },
      [](const TensorList& in) { return linear(in[0], in[1], in[2]); });
  table["linear_4x"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({4 * c, c}), randn({4 * c})};
      },
      [](const TensorList& in) { return linear(in[0], in[1], in[2]); });
  table["einsum"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c, c})};
      },
      [](const TensorList& in) { return einsum("ij,kj->ik", in); });
  // layers
  table["layer_norm"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), rand({c}), randn({c})};
      },
      [](const TensorList& in) { return layer_norm(in[0], in[1], in[2]); });
  table["rms_norm"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), rand({c})};
      },
      [](const TensorList& in) { return rms_norm(in[0], in[1]); });
  table["batch_norm"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), rand({c}), randn({c})};
      },
      [](const TensorList& in) { return batch_norm(in[0], in[1], in[2]); });
  table["group_norm"] = on_sequences(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), rand({c}), randn({c})};
      },
      [](const TensorList& in, const Segments& s) { return group_norm(in[0], s, 4, in[1], in[2]); });
  table["conv1d_3"] = on_sequences(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c, c, 3}), randn({c})};
      },
      [](const TensorList& in, const Segments& s) { return conv1d(in[0], s, in[1], in[2]); });
  table["conv1d_1"] = on_sequences(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c, c, 1}), randn({c})};
      },
      [](const TensorList& in, const Segments& s) { return conv1d(in[0], s, in[1], in[2]); });
  table["depthwise_conv1d_15"] = on_sequences(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randn({c, 1, 15}), randn({c})};
      },
      [](const TensorList& in, const Segments& s) { return depthwise_conv1d(in[0], s, in[1], in[2]); });
  table["attention"] = on_sequences(
      attention_inputs, [](const TensorList& in, const Segments& s) { return attention(in[0], in[1], in[2], s, s); });
  table["attention_causal"] = on_sequences(attention_inputs, [](const TensorList& in, const Segments& s) {
    return attention(in[0], in[1], in[2], s, s, {.right = 0});
  });
  // losses
  table["cross_entropy"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, c, {r})};
      },
      [](const TensorList& in) { return cross_entropy(in[0], in[1]); });
  table["cross_entropy_smoothed"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, c, {r})};
      },
      [](const TensorList& in) { return cross_entropy(in[0], in[1], {.label_smoothing = 0.1}); });
  table["nll"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), randint(0, c, {r})};
      },
      [](const TensorList& in) { return nn::nll(in[0], in[1]); });
  table["mse"] = of_two([](const Tensor& a, const Tensor& b) { return nn::mse(a, b); });
  table["binary_cross_entropy_with_logits"] = with(
      [](Rows r, Rows c) {
        return TensorList{randn({r, c}), to(less(rand({r, c}), 0.5), float32)};
      },
      [](const TensorList& in) { return nn::binary_cross_entropy_with_logits(in[0], in[1].detach()); });
  // 16 utterances of 400 frames, 30 symbols, 60 letters each; the smaller size is one of 100 frames and 15 letters
  table["ctc_loss"] = [](Rows r, Rows) {
    const Rows utterances = r > 64 ? 16 : 1, length = r > 64 ? 400 : 100, letters = r > 64 ? 60 : 15;
    const std::vector<Rows> lengths(static_cast<std::size_t>(utterances), length);
    const std::vector<Rows> target_lengths(static_cast<std::size_t>(utterances), letters);
    const Segments frames = Segments::from_lengths(lengths), targets = Segments::from_lengths(target_lengths);
    const Tensor symbols = randint(1, 30, {targets.rows()});
    return Prepared{{log_softmax(randn({frames.rows(), 30}), 1)},
                    [=](const TensorList& in) { return TensorList{ctc_loss(in[0], frames, symbols, targets)}; }};
  };
  // 32 sentences of 20 words and 17 labels; the smaller size is one sentence
  table["crf_loss"] = [](Rows r, Rows) {
    const std::vector<Rows> lengths(r > 64 ? 32 : 1, 20);
    const Segments sentences = Segments::from_lengths(lengths);
    const Tensor labels = randint(0, 17, {sentences.rows()});
    return Prepared{
        {randn({sentences.rows(), 17}), randn({17, 17}), randn({17}), randn({17})},
        [=](const TensorList& in) { return TensorList{crf_loss(in[0], in[1], in[2], in[3], labels, sentences)}; }};
  };
  // segments
  table["segment_sum"] = on_segments([](const Tensor& x, const Segments& s) { return segment_sum(x, s); });
  table["segment_mean"] = on_segments([](const Tensor& x, const Segments& s) { return segment_mean(x, s); });
  table["segment_max"] = on_segments([](const Tensor& x, const Segments& s) { return segment_max(x, s); });
  table["segment_expand"] = [](Rows r, Rows c) {
    const Segments segments = sequences(r, 16);
    return Prepared{{randn({segments.count(), c})},
                    [segments](const TensorList& in) { return TensorList{segment_expand(in[0], segments)}; }};
  };
  return table;
}

}  // namespace saw::bench
