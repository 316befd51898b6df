"""Writes init.json, PyTorch's default initialisation, after checking each entry against fresh PyTorch layers."""

import json
import math
from pathlib import Path

import torch
from torch import nn

# uniform: in [-bound, bound]; normal: mean 0; constant: value. The numbers follow from the formulas for the layer given.
LAYERS = {
    "Linear(300, 200)": (lambda: nn.Linear(300, 200), {
        "weight": ("uniform", "1/sqrt(in)", 1 / math.sqrt(300)),
        "bias": ("uniform", "1/sqrt(in)", 1 / math.sqrt(300))}),
    "Conv1d(64, 96, 5)": (lambda: nn.Conv1d(64, 96, 5), {
        "weight": ("uniform", "1/sqrt(in*kernel/groups)", 1 / math.sqrt(320)),
        "bias": ("uniform", "1/sqrt(in*kernel/groups)", 1 / math.sqrt(320))}),
    "Conv1d(400, 400, 9, groups=400)": (lambda: nn.Conv1d(400, 400, 9, groups=400), {
        "weight": ("uniform", "1/sqrt(in*kernel/groups)", 1 / 3),
        "bias": ("uniform", "1/sqrt(in*kernel/groups)", 1 / 3)}),
    "BatchNorm1d(100)": (lambda: nn.BatchNorm1d(100), {
        "weight": ("constant", "1", 1.0), "bias": ("constant", "0", 0.0)}),
    "GroupNorm(4, 100)": (lambda: nn.GroupNorm(4, 100), {
        "weight": ("constant", "1", 1.0), "bias": ("constant", "0", 0.0)}),
    "Embedding(400, 100)": (lambda: nn.Embedding(400, 100), {
        "weight": ("normal", "1", 1.0)}),
    "LayerNorm(100)": (lambda: nn.LayerNorm(100), {
        "weight": ("constant", "1", 1.0), "bias": ("constant", "0", 0.0)}),
    "RMSNorm(100)": (lambda: nn.RMSNorm(100), {
        "weight": ("constant", "1", 1.0)}),
    "MultiheadAttention(120, 4)": (lambda: nn.MultiheadAttention(120, 4), {
        "in_proj_weight": ("uniform", "sqrt(6/(in+out)), out=3*embed", math.sqrt(6 / 480)),
        "in_proj_bias": ("constant", "0", 0.0),
        "out_proj.weight": ("uniform", "1/sqrt(embed)", 1 / math.sqrt(120)),
        "out_proj.bias": ("constant", "0", 0.0)}),
    "MultiheadAttention(120, 4, kdim=80, vdim=60)": (lambda: nn.MultiheadAttention(120, 4, kdim=80, vdim=60), {
        "q_proj_weight": ("uniform", "sqrt(6/(embed+embed))", math.sqrt(6 / 240)),
        "k_proj_weight": ("uniform", "sqrt(6/(kdim+embed))", math.sqrt(6 / 200)),
        "v_proj_weight": ("uniform", "sqrt(6/(vdim+embed))", math.sqrt(6 / 180)),
        "in_proj_bias": ("constant", "0", 0.0),
        "out_proj.weight": ("uniform", "1/sqrt(embed)", 1 / math.sqrt(120)),
        "out_proj.bias": ("constant", "0", 0.0)}),
}


def check(name, values, kind, size):
    """Throws unless a fresh parameter fits the table."""
    values = values.detach().double()
    spread = {"uniform": size / math.sqrt(3), "normal": size, "constant": 0.0}[kind]
    sigma = spread / math.sqrt(2 * values.numel())  # of the standard deviation, at most
    fits = abs((values - (size if kind == "constant" else 0)).square().mean().sqrt() - spread) <= 5 * sigma + 1e-12
    if kind == "uniform":
        # float32 rounding of the bound; the largest of n values lies within 10/n of the bound but once in 22,000
        fits = fits and size * (1 - 10 / values.numel()) <= values.abs().max() <= size * (1 + 1e-6)
    if not fits:
        raise ValueError(f"{name} is not {kind} of size {size}")


def save(directory):
    torch.manual_seed(6)
    table = {}
    for layer, (build, expected) in LAYERS.items():
        parameters = dict(build().named_parameters())
        if set(parameters) != set(expected):
            raise ValueError(f"{layer} has the parameters {sorted(parameters)}")
        for name, (kind, formula, size) in expected.items():
            check(f"{layer}.{name}", parameters[name], kind, size)
        key = {"uniform": "bound", "normal": "standard_deviation", "constant": "value"}
        table[layer] = {name: {"distribution": kind, "formula": formula, key[kind]: size}
                        for name, (kind, formula, size) in expected.items()}
    path = Path(directory) / "init.json"
    path.write_text(json.dumps({"torch": torch.__version__, "layers": table}, indent=2) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")
