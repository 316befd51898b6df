"""Golden file of single ops: values and gradients at random inputs and at the edges of their domains."""

import math

import torch
from torch.nn import functional as F

from golden_common import Golden, leaf


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def op(golden, name, function, *inputs, **options):
    """Stores inputs, output and the gradient of every floating-point input; a second result is named indices."""
    golden.case(name, **options)
    for i, value in enumerate(inputs):
        golden.put(f"{name}.input.{i}", value)
    leaves = [leaf(value) for value in inputs]
    output = function(*leaves)
    if isinstance(output, tuple):
        output, indices = output
        golden.put(f"{name}.indices", indices)
    grad_output = golden.randn(*output.shape)
    golden.put(f"{name}.output", output)
    golden.put(f"{name}.grad_output", grad_output)
    wanted = {i: value for i, value in enumerate(leaves) if value.requires_grad}
    for i, gradient in zip(wanted, torch.autograd.grad(output, list(wanted.values()), grad_output)):
        if not gradient.isfinite().all():
            raise ValueError(f"{name}: the gradient of input {i} is not finite")
        golden.put(f"{name}.grad.{i}", gradient)


def elementwise(golden):
    x = golden.randn(4, 5, scale=1.5)
    positive = golden.randn(4, 5).abs() + 0.1
    unbounded = {
        "exp": torch.exp, "expm1": torch.expm1, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh,
        "sigmoid": torch.sigmoid, "erf": torch.erf, "relu": F.relu, "silu": F.silu, "softplus": F.softplus,
        "gelu.erf": F.gelu, "gelu.tanh": lambda t: F.gelu(t, approximate="tanh"), "abs": torch.abs,
    }
    for name, function in unbounded.items():
        op(golden, name, function, x)
    for name in ("log", "log1p", "sqrt", "rsqrt"):
        op(golden, name, getattr(torch, name), positive)
    op(golden, "leaky_relu", lambda t: F.leaky_relu(t, 0.2), x, negative_slope=0.2)
    op(golden, "elu", F.elu, x, alpha=1.0)
    op(golden, "elu.alpha", lambda t: F.elu(t, 0.7), x, alpha=0.7)

    # where the function saturates, cancels, or has a corner
    far = tensor(-700, -100, -40, -9, -1, -1e-3, -1e-9, 0, 1e-9, 1e-3, 1, 9, 40, 100, 700)
    for name in ("tanh", "sigmoid", "erf", "relu", "silu", "softplus", "gelu.erf", "gelu.tanh", "abs"):
        op(golden, f"{name}.edge", unbounded[name], far)
    op(golden, "elu.edge", F.elu, far, alpha=1.0)
    op(golden, "leaky_relu.edge", lambda t: F.leaky_relu(t, 0.2), far, negative_slope=0.2)
    op(golden, "expm1.edge", torch.expm1, far[:-2])
    op(golden, "log1p.edge", torch.log1p, tensor(-0.999, -0.5, -1e-12, 0, 1e-300, 1e-12, 1e-5, 1, 1e10))

    op(golden, "clamp", lambda t: t.clamp(-1, 0.5), x, minimum=-1.0, maximum=0.5)
    op(golden, "clamp.edge", lambda t: t.clamp(-1, 0.5), tensor(-1, 0.5, -1.5, 2, 0), minimum=-1.0, maximum=0.5)
    op(golden, "clamp.minimum", lambda t: t.clamp(min=0.25), x, minimum=0.25)
    op(golden, "pow.square", lambda t: t ** 2, x, exponent=2.0)
    op(golden, "pow.cube", lambda t: t ** 3, x, exponent=3.0)
    op(golden, "pow.fraction", lambda t: t ** -1.5, positive, exponent=-1.5)
    op(golden, "pow.square.edge", lambda t: t ** 2, tensor(-2, -1, 0, 1, 2), exponent=2.0)
    op(golden, "pow.zero.edge", lambda t: t ** 0, tensor(-2, 0, 2), exponent=0.0)
    op(golden, "pow.tensor", torch.pow, positive, golden.randn(4, 5))
    op(golden, "pow.tensor.broadcast", torch.pow, positive, golden.randn(4, 1))
    op(golden, "pow.base", lambda t: 2.5 ** t, x, base=2.5)
    op(golden, "divide.broadcast", torch.div, x, golden.randn(5).abs() + 0.5)
    op(golden, "maximum.ties", torch.maximum, tensor(1, 2, 3, -1), tensor(1, 3, 2, -1))
    op(golden, "minimum.ties", torch.minimum, tensor(1, 2, 3, -1), tensor(1, 3, 2, -1))


def reductions(golden):
    x = golden.randn(3, 4, 5)
    for name, dims in {"axis0": 0, "axis1": 1, "axis2": 2}.items():
        op(golden, f"softmax.{name}", lambda t: F.softmax(t, dims), x, axis=dims)
        op(golden, f"log_softmax.{name}", lambda t: F.log_softmax(t, dims), x, axis=dims)
        op(golden, f"logsumexp.{name}", lambda t: torch.logsumexp(t, dims), x, axis=dims)
    op(golden, "logsumexp.axes02", lambda t: torch.logsumexp(t, (0, 2)), x, axes=[0, 2])
    large = torch.stack([tensor(1000, 999, -1000, 1000), tensor(-1e4, -1e4, -1e4, -1e4 + 1), tensor(0, 1e4, 0, 0)])
    op(golden, "softmax.large", lambda t: F.softmax(t, 1), large, axis=1)
    op(golden, "log_softmax.large", lambda t: F.log_softmax(t, 1), large, axis=1)
    op(golden, "logsumexp.large", lambda t: torch.logsumexp(t, 1), large, axis=1)
    minus = torch.stack([tensor(0.5, -math.inf, 1.5), tensor(-math.inf, -math.inf, 2)])
    op(golden, "softmax.minus_infinity", lambda t: F.softmax(t, 1), minus, axis=1)
    op(golden, "logsumexp.minus_infinity", lambda t: torch.logsumexp(t, 1), minus, axis=1)

    for kind, function in {"var": torch.var, "std": torch.std}.items():
        for correction, label in ((1, "unbiased"), (0, "biased")):
            op(golden, f"{kind}.{label}", lambda t: function(t, 1, correction=correction), x,
               axis=1, correction=correction)
            op(golden, f"{kind}.{label}.axes02", lambda t: function(t, (0, 2), correction=correction), x,
               axes=[0, 2], correction=correction)
            op(golden, f"{kind}.{label}.all", lambda t: function(t, correction=correction), x, correction=correction)
        shifted = 1e6 + golden.randn(2, 6)
        op(golden, f"{kind}.shifted", lambda t: function(t, 1, correction=1), shifted, axis=1, correction=1)
        constant = torch.stack([tensor(2, 2, 2), tensor(1, 2, 4)])
        op(golden, f"{kind}.constant", lambda t: function(t, 1, correction=0), constant, axis=1, correction=0)

    edge = torch.stack([tensor(0, 0, 0), tensor(3, -3, 1), tensor(0, -4, 3)])
    for label, p in {"1": 1.0, "2": 2.0, "infinity": math.inf}.items():
        op(golden, f"norm.{label}", lambda t: torch.linalg.vector_norm(t, p, 1), x, axis=1, p=label)
        op(golden, f"norm.{label}.all", lambda t: torch.linalg.vector_norm(t, p), x, p=label)
        op(golden, f"norm.{label}.edge", lambda t: torch.linalg.vector_norm(t, p, 1), edge, axis=1, p=label)

    op(golden, "prod", lambda t: t.prod(1), x, axis=1)
    op(golden, "prod.all", torch.prod, golden.randn(7))
    zeros = torch.stack([tensor(1.5, -2, 0.5, 3), tensor(1.5, 0, 0.5, 3), tensor(0, 2, 0, 3)])
    op(golden, "prod.zeros", lambda t: t.prod(1), zeros, axis=1)
    for axis in range(3):
        op(golden, f"cumsum.axis{axis}", lambda t: t.cumsum(axis), x, axis=axis)

    ties = torch.stack([tensor(1, 3, 3, 2), tensor(-1, -1, -1, -1), tensor(4, 1, 1, 0)])
    for name in ("amax", "amin"):
        function = getattr(torch, name)
        op(golden, name, lambda t: function(t, 1), x, axis=1)
        op(golden, f"{name}.ties", lambda t: function(t, 1), ties, axis=1)
        op(golden, f"{name}.ties_all", function, ties)
    for axis in (0, 2):
        for descending in (False, True):
            op(golden, f"sort.axis{axis}.{'descending' if descending else 'ascending'}",
               lambda t: tuple(torch.sort(t, stable=True, dim=axis, descending=descending)), x, axis=axis, descending=descending)
    op(golden, "sort.ties", lambda t: tuple(torch.sort(t, stable=True, dim=1)), ties, axis=1, descending=False)
    op(golden, "sort.ties_descending", lambda t: tuple(torch.sort(t, stable=True, dim=1, descending=True)), ties, axis=1,
       descending=True)
    op(golden, "topk.largest", lambda t: tuple(t.topk(3, 2)), x, k=3, axis=2, largest=True)
    op(golden, "topk.smallest", lambda t: tuple(t.topk(2, 1, largest=False)), x, k=2, axis=1, largest=False)


def products(golden):
    equations = {
        "batched": ("bij,bjk->bik", (3, 4, 5), (3, 5, 2)),
        "row_sums": ("ij,j->i", (4, 5), (5,)),
        "attention_scores": ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)),
        "diagonal": ("ii->i", (4, 4)),
        "transpose": ("...ij->...ji", (2, 3, 4)),
        "ellipsis": ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
        "outer": ("i,j->ij", (3,), (4,)),
        "trace": ("ii->", (4, 4)),
        "bilinear": ("bi,ijk,bk->bj", (3, 4), (4, 2, 5), (3, 5)),
        "implicit": ("ba,cb", (3, 4), (2, 3)),
    }
    for label, (equation, *shapes) in equations.items():
        op(golden, f"einsum.{label}", lambda *t: torch.einsum(equation, *t), *[golden.randn(*s) for s in shapes],
           equation=equation)
    shapes = {
        "broadcast": ((2, 1, 3, 4), (5, 4, 2)), "matrix": ((3, 4), (4, 5)), "vector_vector": ((4,), (4,)),
        "matrix_vector": ((3, 4), (4,)), "vector_matrix": ((4,), (4, 5)), "batch_vector": ((2, 3, 4), (4,)),
        "vector_batch": ((3,), (2, 3, 4)), "batch_matrix": ((2, 3, 4), (4, 5)),
    }
    for label, pair in shapes.items():
        op(golden, f"matmul.{label}", torch.matmul, *[golden.randn(*s) for s in pair])
    op(golden, "linear", F.linear, golden.randn(2, 3, 4), golden.randn(5, 4), golden.randn(5))


def indexing(golden):
    x = golden.randn(4, 5)
    for axis in (0, 1):
        # index (3, 4) is smaller than the input on both axes and repeats positions
        index = golden.randint(0, x.shape[axis], (3, 4))
        index[0] = index[1]
        op(golden, f"gather.axis{axis}", lambda t, i: t.gather(axis, i), x, index, axis=axis)
        op(golden, f"scatter_add.axis{axis}", lambda t, i, s: t.scatter_add(axis, i, s), x, index, golden.randn(3, 4),
           axis=axis)
        chosen = torch.tensor([2, 0, 2, 3], dtype=torch.int64)
        op(golden, f"index_select.axis{axis}", lambda t, i: t.index_select(axis, i), x, chosen, axis=axis)
        source = golden.randn(*(len(chosen) if a == axis else n for a, n in enumerate(x.shape)))
        op(golden, f"index_add.axis{axis}", lambda t, i, s: t.index_add(axis, i, s), x, chosen, source, axis=axis)
    op(golden, "masked_select", torch.masked_select, x, golden.randn(4, 5) > 0)
    op(golden, "masked_select.broadcast", torch.masked_select, x, tensor(1, 0, 0, 1, 1) > 0)
    op(golden, "masked_fill", lambda t, m: t.masked_fill(m, -2.0), x, golden.randn(4, 5) > 0, value=-2.0)


def shapes(golden):
    x, cube = golden.randn(4, 5), golden.randn(2, 3, 4)
    # PyTorch lists the last axis first; the option lists (before, after) per axis, first axis first
    op(golden, "pad", lambda t: F.pad(t, (1, 2, 0, 3)), x, pads=[[0, 3], [1, 2]], value=0.0)
    op(golden, "pad.value", lambda t: F.pad(t, (2, 0, 1, 1), value=1.5), x, pads=[[1, 1], [2, 0]], value=1.5)
    op(golden, "roll.axis1", lambda t: t.roll(2, 1), x, shifts=[2], axes=[1])
    op(golden, "roll.axes02", lambda t: t.roll((-1, 6), (0, 2)), cube, shifts=[-1, 6], axes=[0, 2])
    op(golden, "flip.axis0", lambda t: t.flip(0), cube, axes=[0])
    op(golden, "flip.axes12", lambda t: t.flip(1, 2), cube, axes=[1, 2])
    for offset, label in ((0, "main"), (1, "above"), (-2, "below")):
        op(golden, f"tril.{label}", lambda t: t.tril(offset), x, offset=offset)
        op(golden, f"triu.{label}", lambda t: t.triu(offset), x, offset=offset)
        op(golden, f"diagonal.{label}", lambda t: t.diagonal(offset), x, offset=offset, axes=[0, 1])
    op(golden, "tril.batch", torch.tril, cube, offset=0)
    op(golden, "diagonal.axes02", lambda t: t.diagonal(0, 0, 2), cube, offset=0, axes=[0, 2])


def normalisations(golden):
    x, weight, bias = golden.randn(3, 4, 6), golden.randn(6), golden.randn(6)
    op(golden, "layer_norm", lambda t, w, b: F.layer_norm(t, (6,), w, b, 1e-5), x, weight, bias, eps=1e-5)
    op(golden, "layer_norm.plain", lambda t: F.layer_norm(t, (6,), eps=1e-5), x, eps=1e-5)
    op(golden, "layer_norm.shifted", lambda t: F.layer_norm(t, (6,), eps=1e-5), 1e4 + x, eps=1e-5)
    op(golden, "rms_norm", lambda t, w: F.rms_norm(t, (6,), w, 1e-5), x, weight, eps=1e-5)
    op(golden, "rms_norm.plain", lambda t: F.rms_norm(t, (6,), eps=1e-5), x, eps=1e-5)


def attention(golden):
    """Sequences of rows (N, heads, d), each run alone; .lengths and .memory_lengths say where they end."""
    lengths, memory_lengths, heads, width = [5, 1, 7, 3], [4, 6, 1, 2], 2, 6

    def ragged(key_lengths, mask=None, scale=None):
        def run(query, key, value):
            parts = zip(query.split(lengths), key.split(key_lengths), value.split(key_lengths))
            rows = []
            for q, k, v in parts:
                allowed = mask(len(q)) if mask else None
                q, k, v = (t.transpose(0, 1)[None] for t in (q, k, v))  # (1, heads, rows, d)
                rows.append(F.scaled_dot_product_attention(q, k, v, allowed, scale=scale)[0].transpose(0, 1))
            return torch.cat(rows)
        return run

    def window(left, right):
        def mask(length):
            distance = torch.arange(length)[None, :] - torch.arange(length)[:, None]  # key minus query
            return (distance >= -left) & (distance <= right)
        return mask

    def inputs(rows, value_width=width):
        return (golden.randn(sum(lengths), heads, width), golden.randn(rows, heads, width),
                golden.randn(rows, heads, value_width))

    name, rows = "scaled_dot_product_attention", sum(lengths)
    variants = {
        "full": (ragged(lengths), inputs(rows), {}),
        "scale": (ragged(lengths, scale=0.7), inputs(rows), dict(scale=0.7)),
        "causal": (ragged(lengths, window(100, 0)), inputs(rows), dict(causal=True)),
        "window": (ragged(lengths, window(2, 1)), inputs(rows), dict(left=2, right=1)),
        "window_left": (ragged(lengths, window(1, 0)), inputs(rows), dict(left=1, right=0)),
        "cross": (ragged(memory_lengths), inputs(sum(memory_lengths)), {}),
        "value_width": (ragged(lengths), inputs(rows, 4), {}),
    }
    for label, (run, tensors, options) in variants.items():
        op(golden, f"{name}.{label}", run, *tensors, **options)
        golden.put(f"{name}.{label}.lengths", torch.tensor(lengths))
        golden.put(f"{name}.{label}.memory_lengths", torch.tensor(memory_lengths if label == "cross" else lengths))


def files():
    golden = Golden("ops", "ops: inputs, outputs and gradients of the inputs, float64", seed=5)
    elementwise(golden)
    reductions(golden)
    products(golden)
    indexing(golden)
    shapes(golden)
    normalisations(golden)
    attention(golden)
    return [golden]
