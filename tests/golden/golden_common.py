"""What the golden scripts share: seeded random inputs and a writer of safetensors files.

Random values are drawn in float32 and widened, so that float32 and float64 runs start from the same numbers.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file


class Golden:
    """The tensors of one golden file, collected by name."""

    def __init__(self, name, description, seed):
        self.name = name
        self.description = description
        self.tensors = {}
        self.cases = {}
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)

    def randn(self, *shape, scale=1.0):
        return (scale * torch.randn(shape, generator=self.generator, dtype=torch.float32)).double()

    def randint(self, low, high, shape):
        return torch.randint(low, high, shape, generator=self.generator, dtype=torch.int64)

    def put(self, name, tensor):
        if name in self.tensors:
            raise ValueError(f"{self.name}: {name} is stored twice")
        if not isinstance(tensor, torch.Tensor):
            tensor = torch.tensor(tensor, dtype=torch.float64)
        # clone: the file format refuses tensors that share storage
        self.tensors[name] = tensor.detach().clone().contiguous()

    def case(self, name, **options):
        """Records the options of a case for the metadata; returns its name."""
        if name in self.cases:
            raise ValueError(f"{self.name}: case {name} is stored twice")
        self.cases[name] = options
        return name

    def save(self, directory):
        path = Path(directory) / f"{self.name}.safetensors"
        # One key only beside the tensors: with several, their order in the file is not fixed.
        about = {"torch": torch.__version__, "description": self.description, "cases": self.cases}
        save_file(self.tensors, path, metadata={"golden": json.dumps(about, sort_keys=True)})
        print(f"{path.name}: {len(self.tensors)} tensors, {path.stat().st_size} bytes")


def leaf(tensor):
    """A copy of a floating-point tensor that collects a gradient; other tensors as they are."""
    return tensor.detach().clone().requires_grad_(True) if tensor.is_floating_point() else tensor
