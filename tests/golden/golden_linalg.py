"""Golden file of linear algebra: torch.linalg, one function after the other."""

import torch

from golden_common import Golden, leaf


def op(golden, name, function, *inputs, **options):
    """Stores inputs, outputs with their random gradients, and the gradient of every input."""
    golden.case(name, **options)
    leaves = [leaf(value) for value in inputs]
    outputs = function(*leaves)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    weighted = []
    for i, output in enumerate(outputs):
        golden.put(f"{name}.output.{i}", output)
        if output.requires_grad:
            grad_output = golden.randn(*output.shape)
            golden.put(f"{name}.grad_output.{i}", grad_output)
            weighted.append((output * grad_output).sum())
    for i, (value, gradient) in enumerate(zip(inputs, torch.autograd.grad(sum(weighted), leaves))):
        golden.put(f"{name}.input.{i}", value)
        golden.put(f"{name}.grad.{i}", gradient)


def eigh(a):
    """Eigenvalues, and what of the eigenvectors does not depend on their signs."""
    values, vectors = torch.linalg.eigh(a)
    return values, vectors * vectors


def files():
    golden = Golden("linalg", "torch.linalg: values and gradients, float64", seed=23)
    square = golden.randn(2, 5, 5)
    definite = square @ square.mT + torch.eye(5, dtype=torch.float64)
    right = golden.randn(2, 5, 3)
    op(golden, "cholesky", torch.linalg.cholesky, definite)
    op(golden, "cholesky.upper", lambda a: torch.linalg.cholesky(a, upper=True), definite)
    op(golden, "solve", torch.linalg.solve, square, right)
    op(golden, "solve.vectors", torch.linalg.solve, square, golden.randn(2, 5))
    op(golden, "solve.vector", torch.linalg.solve, square, golden.randn(5))
    op(golden, "solve.broadcast", torch.linalg.solve, square[:, None], golden.randn(3, 5, 2))
    for upper in (False, True):
        for left in (False, True):
            for unit in (False, True):
                options = {"upper": upper, "left": left, "unitriangular": unit}
                name = "solve_triangular." + "".join("ny"[flag] for flag in options.values())
                triangle = (square.triu() if upper else square.tril()) + 2 * torch.eye(5, dtype=torch.float64)
                op(golden, name, lambda a, b: torch.linalg.solve_triangular(a, b, **options), triangle,
                   right if left else right.mT.contiguous(), **options)
    op(golden, "inverse", torch.linalg.inv, square)
    op(golden, "det", torch.linalg.det, square)
    op(golden, "slogdet", torch.linalg.slogdet, square)
    op(golden, "eigh", eigh, definite)
    return [golden]
