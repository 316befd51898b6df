"""Golden file of attention with relative positions, written here from the paper (Dai et al. 2019): one pair of
positions after the other, each sequence alone.
"""

import torch

from golden_common import Golden, leaf
from golden_conformer import RelativeAttention
from golden_nn import LENGTHS, alone, layer, randomise


def attend(query, key, value, positions, content_bias, position_bias, left, right, scale):
    """One sequence, (T, heads, width) each; the middle row of positions belongs to distance 0."""
    length, heads, _ = query.shape
    zero = positions.shape[0] // 2
    rows = []
    for i in range(length):
        for h in range(heads):
            seen = range(max(0, i - left), min(length, i + right + 1))
            scores = [(query[i, h] + content_bias[h]) @ key[j, h]
                      + (query[i, h] + position_bias[h]) @ positions[zero - (i - j), h] for j in seen]
            weights = torch.softmax(scale * torch.stack(scores), 0)
            rows.append(sum(weight * value[j, h] for weight, j in zip(weights, seen)))
    return torch.stack(rows).reshape(length, heads, -1)


def op(golden, name, lengths, heads, width, value_width, longest, left=10**6, right=10**6, scale=None):
    golden.case(name, left=left, right=right, scale=scale)
    rows = sum(lengths)
    inputs = {
        "query": golden.randn(rows, heads, width),
        "key": golden.randn(rows, heads, width),
        "value": golden.randn(rows, heads, value_width),
        "positions": golden.randn(2 * longest - 1, heads, width),
        "content_bias": golden.randn(heads, width),
        "position_bias": golden.randn(heads, width),
    }
    leaves = {key: leaf(value) for key, value in inputs.items()}
    packed = [leaves[key].split(lengths) for key in ("query", "key", "value")]
    shared = [leaves[key] for key in ("positions", "content_bias", "position_bias")]
    output = torch.cat([attend(*sequence, *shared, left, right, scale or width ** -0.5) for sequence in zip(*packed)])
    grad_output = golden.randn(*output.shape)
    gradients = torch.autograd.grad(output, list(leaves.values()), grad_output)
    golden.put(f"{name}.lengths", torch.tensor(lengths, dtype=torch.int64))
    for key, value in inputs.items():
        golden.put(f"{name}.input.{key}", value)
    golden.put(f"{name}.output", output)
    golden.put(f"{name}.grad_output", grad_output)
    for key, gradient in zip(leaves, gradients):
        golden.put(f"{name}.grad.{key}", gradient)


def files():
    golden = Golden("relative_attention", "attention with relative positions and its gradients, float64", seed=6)
    op(golden, "full", LENGTHS, 2, 4, 3, longest=7)
    op(golden, "longer_positions", LENGTHS, 2, 4, 4, longest=10)
    op(golden, "scale", LENGTHS, 1, 5, 5, longest=7, scale=0.7)
    op(golden, "causal", LENGTHS, 2, 4, 4, longest=7, right=0)
    op(golden, "window", LENGTHS, 2, 3, 4, longest=7, left=2, right=1)
    op(golden, "long", [66, 2], 1, 3, 2, longest=66)
    layer(golden, "layer", randomise(golden, RelativeAttention(12, 3)), golden.randn(sum(LENGTHS), 12),
          alone(lambda module, x: module(x[0])[None]), dict(lengths=LENGTHS), heads=3)
    return [golden]
