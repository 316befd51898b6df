"""Golden file of scatter, scatter_reduce, repeat_interleave and of what is found and counted.

    python golden_scatter.py [--output DIRECTORY]
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import torch

from golden_common import Golden
from golden_ops import op


def scattering(golden):
    x, source = golden.randn(4, 3), golden.randn(6, 3)
    index = golden.randint(0, 3, (6, 3))  # row 3 of x stays as it is
    reductions = {"sum": (x, source), "mean": (x, source)}
    # ties among x and source, and a NaN that no index meets
    tied = torch.tensor([[1.0, 2.0, 0.0], [2.0, 2.0, 1.0], [0.0, 1.0, 2.0], [5.0, 5.0, 5.0]], dtype=torch.float64)
    candidates = golden.randint(0, 3, (6, 3)).double()
    reductions["amax"] = reductions["amin"] = (tied, candidates)
    # zeros among factors: none, one and two in a place
    factors = golden.randn(6, 3)
    factors[1, 0] = factors[4, 1] = factors[5, 1] = 0.0
    own = golden.randn(4, 3)
    own[0, 2] = own[3, 0] = 0.0
    reductions["prod"] = (own, factors)
    for reduction, (there, values) in reductions.items():
        for include_self in (True, False):
            if reduction == "prod" and not include_self:
                continue  # PyTorch divides by x where x takes no part, which gives NaN for 0
            if reduction in ("amax", "amin") and not include_self:
                there = there + 0.5  # PyTorch shares the gradient with an equal x even where x takes no part
            name = f"scatter_reduce.{reduction}.{'with' if include_self else 'without'}"
            op(golden, name,
               lambda a, i, b: a.scatter_reduce(0, i, b, reduction, include_self=include_self), there, index, values,
               reduction=reduction, include_self=include_self)
    places = torch.stack([torch.randperm(5, generator=golden.generator)[:3] for _ in range(4)])
    op(golden, "scatter", lambda a, i, b: a.scatter(1, i, b), golden.randn(4, 5), places, golden.randn(4, 3))


def counting(golden):
    numbers = golden.randint(0, 6, (4, 5))
    golden.case("counting")
    golden.put("numbers", numbers)
    golden.put("nonzero", torch.nonzero(numbers))
    golden.put("bincount", torch.bincount(numbers.flatten(), minlength=9))
    values, inverse, counts = torch.unique(numbers, return_inverse=True, return_counts=True)
    golden.put("unique.values", values)
    golden.put("unique.inverse", inverse)
    golden.put("unique.counts", counts)
    ascending = golden.randint(0, 9, (3, 7)).sort().values
    wanted = golden.randint(-1, 11, (3, 4))
    golden.put("sorted", ascending)
    golden.put("wanted", wanted)
    golden.put("searchsorted", torch.searchsorted(ascending, wanted))
    golden.put("searchsorted.right", torch.searchsorted(ascending, wanted, right=True))


def files():
    golden = Golden("scatter", "scatter and scatter_reduce with gradients, float64; elements found and counted", seed=23)
    scattering(golden)
    counting(golden)
    return [golden]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent)
    output = parser.parse_args().output
    for golden in files():
        golden.save(output)


if __name__ == "__main__":
    main()
