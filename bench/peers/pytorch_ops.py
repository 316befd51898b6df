"""Single ops in PyTorch: the peer of bench/ops_cases.h, which has the same names. Started by bench/compare.

    pip install torch==2.13.0 numpy
    echo "exp/4096x256/forward 0.1" | python pytorch_ops.py

A case is a name, the inputs for so many rows and columns, and the function; see bench/serve.h for the lines that are
read and written.
"""

import argparse

import torch
from serve import serve
from torch.nn import functional as F

SIZES = ((64, 64), (4096, 256))

randn = torch.randn
CASES = {}


def positive(*shape):
    return torch.rand(*shape) + 0.1


def half(*shape):
    return torch.rand(*shape) < 0.5


def randint(limit, *shape):
    return torch.randint(0, limit, shape)


def case(name, inputs, function):
    CASES[name] = (inputs, function)


def of(name, function):
    case(name, lambda r, c: [randn(r, c)], function)


def of_positive(name, function):
    case(name, lambda r, c: [positive(r, c)], function)


def of_two(name, function):
    case(name, lambda r, c: [randn(r, c), torch.rand(r, c) + 0.5], function)


def of_bool(name, function):
    case(name, lambda r, c: [half(r, c)], function)


def of_two_bool(name, function):
    case(name, lambda r, c: [half(r, c), half(r, c)], function)


def made(name, function):
    case(name, lambda r, c: [], function)


# elementwise, one input
for function in ("neg", "abs", "sign", "square", "exp", "expm1", "sin", "cos", "erf", "floor", "ceil", "round", "isnan",
                 "isfinite", "tanh", "sigmoid", "relu"):
    of(function, getattr(torch, function))
for function in ("reciprocal", "log", "log1p", "log2", "log10", "sqrt", "rsqrt"):
    of_positive(function, getattr(torch, function))
of("clamp", lambda x: torch.clamp(x, -1.0, 1.0))
of_positive("pow_2.5", lambda x: torch.pow(x, 2.5))
of("leaky_relu", lambda x: F.leaky_relu(x, 0.01))
of("elu", F.elu)
of("gelu", F.gelu)
of("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"))
of("silu", F.silu)
of("mish", F.mish)
of("log_sigmoid", F.logsigmoid)
for function in ("exp2", "trunc", "isinf", "nan_to_num"):
    of(function, getattr(torch, function))
of("softplus", F.softplus)
of("glu", F.glu)
of("dropout", lambda x: F.dropout(x, 0.3))
# elementwise, two inputs
for function in ("add", "sub", "mul", "div", "maximum", "minimum", "not_equal", "less", "less_equal", "greater",
                 "greater_equal", "logaddexp", "atan2"):
    of_two(function, getattr(torch, function))
of_two("equal", torch.eq)
case("pow", lambda r, c: [positive(r, c), randn(r, c)], torch.pow)
of("add_scalar", lambda x: x + 2.0)
of("mul_scalar", lambda x: x * 2.0)
of("rsub_scalar", lambda x: 1.0 - x)
case("add_row", lambda r, c: [randn(r, c), randn(c)], torch.add)
case("mul_row", lambda r, c: [randn(r, c), randn(c)], torch.mul)
case("mul_column", lambda r, c: [randn(r, c), randn(r, 1)], torch.mul)
of("less_scalar", lambda x: x < 0.5)
for function in ("logical_and", "logical_or", "logical_xor"):
    of_two_bool(function, getattr(torch, function))
of_bool("logical_not", torch.logical_not)
case("where", lambda r, c: [half(r, c), randn(r, c), randn(r, c)], torch.where)
case("masked_fill", lambda r, c: [randn(r, c), half(r, c)], lambda x, mask: x.masked_fill(mask, -1.0))
# reductions
of("sum", torch.sum)
of("mean", torch.mean)
for axis in (0, 1):
    of(f"sum_{axis}", lambda x, axis=axis: x.sum(axis))
    of(f"mean_{axis}", lambda x, axis=axis: x.mean(axis))
    of(f"amax_{axis}", lambda x, axis=axis: x.amax(axis))
    of(f"var_{axis}", lambda x, axis=axis: x.var(axis))
    of(f"logsumexp_{axis}", lambda x, axis=axis: x.logsumexp(axis))
    of(f"argmax_{axis}", lambda x, axis=axis: x.argmax(axis))
of_positive("prod_1", lambda x: x.prod(1))
of("amax", torch.amax)
of("amin_1", lambda x: x.amin(1))
of_bool("any_1", lambda x: x.any(1))
of_bool("all_1", lambda x: x.all(1))
of("std", torch.std)
of("norm", torch.linalg.vector_norm)
of("norm_1", lambda x: torch.linalg.vector_norm(x, dim=1))
of("argmin_1", lambda x: x.argmin(1))
# along an axis
for axis in (0, 1):
    of(f"cumsum_{axis}", lambda x, axis=axis: x.cumsum(axis))
    of(f"sort_{axis}", lambda x, axis=axis: x.sort(dim=axis, stable=True).values)
    of(f"softmax_{axis}", lambda x, axis=axis: x.softmax(axis))
    of(f"log_softmax_{axis}", lambda x, axis=axis: x.log_softmax(axis))
of("topk_1", lambda x: x.topk(8, 1).values)
# copies and views
of("clone", torch.clone)
of("transpose_contiguous", lambda x: x.transpose(0, 1).contiguous())
of("to_float64", lambda x: x.to(torch.float64))
of_two("cat_0", lambda a, b: torch.cat([a, b], 0))
of_two("cat_1", lambda a, b: torch.cat([a, b], 1))
of_two("stack_0", lambda a, b: torch.stack([a, b], 0))
of_two("stack_2", lambda a, b: torch.stack([a, b], 2))
of("repeat", lambda x: x.repeat(2, 2))
of("flip_0", lambda x: x.flip(0))
of("flip_1", lambda x: x.flip(1))
of("roll", lambda x: x.roll((3, 5), (0, 1)))
of("tril", torch.tril)
of("triu", torch.triu)
of("pad", lambda x: F.pad(x, (2, 4, 1, 3)))
of("reshape", lambda x: x.reshape(x.shape[1], x.shape[0]))
of("transpose", lambda x: x.transpose(0, 1))
of("permute", lambda x: x.permute(1, 0))
of("unsqueeze", lambda x: x.unsqueeze(1))
of("expand", lambda x: x.expand(2, *x.shape))
of("slice_0", lambda x: x[1:x.shape[0] // 2])
of("slice_1", lambda x: x[:, 1:x.shape[1] // 2])
of("select_0", lambda x: x.select(0, 3))
of("select_1", lambda x: x.select(1, 3))
of("diagonal", torch.diagonal)
of("chunk_1", lambda x: x.chunk(4, 1))
# tensors from nothing; the function is given the size
made("zeros", lambda r, c: torch.zeros(r, c))
made("ones", lambda r, c: torch.ones(r, c))
made("full", lambda r, c: torch.full((r, c), 0.5))
made("eye", lambda r, c: torch.eye(r, c))
made("arange", lambda r, c: torch.arange(0, r * c, 1, dtype=torch.float32))
made("linspace", lambda r, c: torch.linspace(0, 1, r * c))
made("rand", lambda r, c: torch.rand(r, c))
made("randn", lambda r, c: torch.randn(r, c))
made("randint", lambda r, c: torch.randint(0, 1000, (r, c)))
made("randperm", lambda r, c: torch.randperm(r * c))
case("one_hot", lambda r, c: [randint(c, r), torch.zeros(c)], lambda x, columns: F.one_hot(x, len(columns)))
# by index
for axis in (0, 1):
    case(f"gather_{axis}", lambda r, c, axis=axis: [randn(r, c), randint((r, c)[axis], r, c)],
         lambda x, index, axis=axis: x.gather(axis, index))
    case(f"scatter_add_{axis}", lambda r, c, axis=axis: [randn(r, c), randint((r, c)[axis], r, c), randn(r, c)],
         lambda x, index, source, axis=axis: x.scatter_add(axis, index, source))
    case(f"index_select_{axis}", lambda r, c, axis=axis: [randn(r, c), randint((r, c)[axis], (r, c)[axis])],
         lambda x, index, axis=axis: x.index_select(axis, index))
case("index_add_0", lambda r, c: [randn(r, c), randint(r, r), randn(r, c)],
     lambda x, index, source: x.index_add(0, index, source))
case("masked_select", lambda r, c: [randn(r, c), half(r, c)], torch.masked_select)
case("embedding", lambda r, c: [randn(r, c), randint(r, r)], lambda table, index: F.embedding(index, table))
# products
case("matmul", lambda r, c: [randn(r, c), randn(c, c)], torch.matmul)
case("matmul_transposed", lambda r, c: [randn(r, c), randn(c, c)], lambda a, b: a @ b.transpose(0, 1))
case("matmul_batched", lambda r, c: [randn(8, r // 8, c), randn(8, c, r // 8)], torch.matmul)
case("matmul_vector", lambda r, c: [randn(r, c), randn(c)], torch.matmul)
case("linear", lambda r, c: [randn(r, c), randn(c, c), randn(c)], F.linear)
case("linear_4x", lambda r, c: [randn(r, c), randn(4 * c, c), randn(4 * c)], F.linear)
case("einsum", lambda r, c: [randn(r, c), randn(c, c)], lambda a, b: torch.einsum("ij,kj->ik", a, b))


# layers; sequences of at most 256 rows, in the layout that PyTorch's op wants
def channels_first(r, c):
    length = min(r, 256)
    return randn(r // length, c, length)


def attention_inputs(r, c):
    length = min(r, 256)
    return [randn(r // length, 4, length, c // 4) for _ in range(3)]


case("layer_norm", lambda r, c: [randn(r, c), torch.rand(c), randn(c)],
     lambda x, weight, bias: F.layer_norm(x, x.shape[1:], weight, bias))
case("rms_norm", lambda r, c: [randn(r, c), torch.rand(c)], lambda x, weight: F.rms_norm(x, x.shape[1:], weight, 1e-6))
case("batch_norm", lambda r, c: [randn(r, c), torch.rand(c), randn(c)],
     lambda x, weight, bias: F.batch_norm(x, None, None, weight, bias, True))
case("group_norm", lambda r, c: [channels_first(r, c), torch.rand(c), randn(c)],
     lambda x, weight, bias: F.group_norm(x, 4, weight, bias))
case("conv1d_3", lambda r, c: [channels_first(r, c), randn(c, c, 3), randn(c)],
     lambda x, weight, bias: F.conv1d(x, weight, bias, padding=1))
case("conv1d_1", lambda r, c: [channels_first(r, c), randn(c, c, 1), randn(c)], F.conv1d)
case("depthwise_conv1d_15", lambda r, c: [channels_first(r, c), randn(c, 1, 15), randn(c)],
     lambda x, weight, bias: F.conv1d(x, weight, bias, padding=7, groups=x.shape[1]))
case("attention", attention_inputs, F.scaled_dot_product_attention)
case("attention_causal", attention_inputs, lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True))
# losses
case("cross_entropy", lambda r, c: [randn(r, c), randint(c, r)], F.cross_entropy)
case("cross_entropy_smoothed", lambda r, c: [randn(r, c), randint(c, r)],
     lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1))
case("nll", lambda r, c: [randn(r, c), randint(c, r)], F.nll_loss)
of_two("mse", F.mse_loss)
case("binary_cross_entropy_with_logits", lambda r, c: [randn(r, c), half(r, c).float()],
     lambda x, y: F.binary_cross_entropy_with_logits(x, y.detach()))


def ctc_inputs(rows, columns):
    """16 utterances of 400 frames, 30 symbols, 60 letters each; the smaller size is one of 100 frames, 15 letters."""
    utterances, length, letters = (16, 400, 60) if rows > 64 else (1, 100, 15)
    return [torch.log_softmax(randn(length, utterances, 30), 2), torch.randint(1, 30, (utterances * letters,)),
            torch.full((utterances,), length), torch.full((utterances,), letters)]


case("ctc_loss", ctc_inputs, F.ctc_loss)


def crf_inputs(rows, columns):
    """32 sentences of 20 words and 17 labels; the smaller size is one sentence."""
    sentences = 32 if rows > 64 else 1
    return [randn(20, sentences, 17), randn(17, 17), randn(17), randn(17), torch.randint(0, 17, (20, sentences))]


def crf_loss(emissions, transitions, begin, end, labels):
    """One step of all sentences at a time, as the packages for it do."""
    ahead = begin + emissions[0]
    for row in emissions[1:]:
        ahead = torch.logsumexp(ahead.unsqueeze(2) + transitions, 1) + row
    score = begin[labels[0]] + end[labels[-1]] + transitions[labels[:-1], labels[1:]].sum(0)
    return torch.logsumexp(ahead + end, 1) - score - emissions.gather(2, labels.unsqueeze(2)).sum((0, 2))


case("crf_loss", crf_inputs, crf_loss)


# segments of 16 rows
def segments(name, kind):
    case(name, lambda r, c: [randn(r, c), torch.full((r // 16,), 16)],
         lambda x, lengths: torch.segment_reduce(x, kind, lengths=lengths))


segments("segment_sum", "sum")
segments("segment_mean", "mean")
segments("segment_max", "max")
case("segment_expand", lambda r, c: [randn(r // 16, c), torch.full((r // 16,), 16)],
     lambda x, lengths: x.repeat_interleave(lengths, 0, output_size=16 * len(x)))


def inputs_and_function(name, rows, columns):
    inputs, function = CASES[name]
    inputs = inputs(rows, columns)
    return (inputs, function) if inputs else ([rows, columns], function)


def outputs_of(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def leaves_of(inputs):
    return [x.requires_grad_() for x in inputs if isinstance(x, torch.Tensor) and x.is_floating_point()]


def prepare(name):
    """One call of a case: forward without a graph, or forward and backward from a given gradient to all floating inputs."""
    torch.manual_seed(1)
    name, size, mode = name.split("/")
    inputs, function = inputs_and_function(name, *map(int, size.split("x")))
    if mode == "forward":
        def forward():
            with torch.no_grad():
                function(*inputs)
        return forward
    leaves = leaves_of(inputs)
    gradients = [torch.randn_like(y) for y in outputs_of(function(*inputs))]
    return lambda: torch.autograd.grad(outputs_of(function(*inputs)), leaves, gradients, allow_unused=True)


def has_gradient(name):
    inputs, function = inputs_and_function(name, 16, 16)
    leaves_of(inputs)
    return outputs_of(function(*inputs))[0].requires_grad


def names():
    return [f"{name}/{r}x{c}/{mode}" for name in sorted(CASES) for modes in
            [("forward", "backward") if has_gradient(name) else ("forward",)] for r, c in SIZES for mode in modes]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    torch.set_flush_denormal(True)
    serve(names(), prepare)
