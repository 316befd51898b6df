"""Writes files of torch.save and numpy.save for the tests of saw's readers, and reads what saw's writers made.

    python golden_pytorch.py [--output DIRECTORY]
    python golden_pytorch.py --check DIRECTORY     # of files that saw wrote: exits with 1 where one is not as it should be

The files have values that the tests state themselves. Needs torch and numpy only.
"""

import argparse
import collections
import io
import pickle
import pickletools
import struct
import sys
from pathlib import Path

import numpy
import torch

DTYPES = ("float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool").split()


def dtypes():
    """0, 1, 0, 1 in every dtype that saw reads."""
    return {name: torch.tensor([0, 1, 0, 1]).to(getattr(torch, name)) for name in DTYPES}


def structure():
    """What a checkpoint may have beside plain tensors: views, shared storage, containers, numbers, strings."""
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    return {
        "base": base,
        "transposed": base.t(),
        "strided": base[1:, ::2],
        "scalar_view": base[2, 3],
        "expanded": base[0].expand(5, 4),
        "own": base.clone(),
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.tensor([1.5, -2.5])),
        "none": None,
        "true": True,
        "int": -5,
        "large": 2**40,
        "largest": 2**63 - 1,
        "smallest": -(2**63),
        "float": 0.1,
        "string": "naïve",
        "bytes": b"a\xff",
        "no_bytes": b"",
        "list": [1, [2, []]],
        "tuple": (1, (2, ()), 3, 4, 5),
        "set": {7},
        "counter": collections.Counter("abca"),
        "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
        "size": base.shape,
        "dtype": torch.float16,
        "device": torch.device("cuda:1"),
    }


def checkpoint():
    """A model after one step of AdamW, with the optimizer's state, whose keys are ints."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
    with torch.no_grad():
        for value, parameter in enumerate(model.parameters()):
            parameter.fill_(value + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    model(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    optimizer.step()
    return {"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict()}


def save_legacy(value):
    """The bytes of the form before PyTorch 1.6, with storage keys that do not depend on addresses in memory."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    stream.seek(0)
    ends = []
    for _ in range(5):
        for opcode, argument, position in pickletools.genops(stream):
            pass
        ends.append(stream.tell())
    head, content = stream.getvalue()[: ends[2]], stream.getvalue()[ends[2] : ends[3]]
    keys = pickle.loads(stream.getvalue()[ends[3] : ends[4]])

    # Keys are in no order but that of memory: they get that of their first mention.
    widths, elements = {}, {}

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            if name == "UntypedStorage":
                return 1
            if name.endswith("Storage"):
                return torch.serialization.StorageType(name).dtype.itemsize
            return (lambda *arguments: None) if module.startswith("torch") else super().find_class(module, name)

        def persistent_load(self, reference):
            _, width, key, _, count, _ = reference
            widths.setdefault(key, width)
            elements.setdefault(key, count)

    Reader(io.BytesIO(content)).load()
    records = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        assert count == elements[key]
        records[key] = struct.pack("<q", count) + stream.read(count * widths[key])
    renamed = {key: str(number).zfill(len(key)) for number, key in enumerate(widths)}
    for key, name in renamed.items():
        content = content.replace(key.encode(), name.encode())
    tail = pickle.dumps(list(renamed.values()), protocol=2)
    return head + content + tail + b"".join(records[key] for key in renamed)


def save(directory):
    directory = Path(directory) / "pytorch"
    directory.mkdir(parents=True, exist_ok=True)
    tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 2
    objects = {"tensor": tensor, "dtypes": dtypes(), "structure": structure(), "checkpoint": checkpoint()}
    for name, value in objects.items():
        torch.save(value, directory / f"{name}.pt")
        (directory / f"{name}_legacy.pt").write_bytes(save_legacy(value))
    for protocol in (4, 5):
        torch.save(structure(), directory / f"structure_protocol{protocol}.pt", pickle_protocol=protocol)

    array = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    numpy.save(directory / "array.npy", array)
    numpy.save(directory / "fortran.npy", numpy.asfortranarray(array))
    numpy.save(directory / "scalar.npy", numpy.array(7, dtype=">i2"))
    arrays = {"first": array, "second": numpy.array([True, False]), "zeros": numpy.zeros((100, 100))}
    numpy.savez(directory / "arrays.npz", **arrays | {"zeros": numpy.zeros((0, 4))})
    numpy.savez_compressed(directory / "compressed.npz", **arrays)
    for path in sorted(directory.iterdir()):
        print(f"pytorch/{path.name}: {path.stat().st_size} bytes")


def check(directory):
    """What the tests wrote with saw is what PyTorch and NumPy read."""
    directory = Path(directory)

    def load(name):
        return torch.load(directory / name, weights_only=True)

    def same(actual, expected):
        assert actual.dtype == expected.dtype, (actual.dtype, expected.dtype)
        assert actual.shape == expected.shape, (actual.shape, expected.shape)
        assert torch.equal(actual, expected), (actual, expected)

    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    same(load("tensor.pt"), base / 2)
    state = load("state.pt")
    expected = {
        "base": base,
        "tied": base,
        "transposed": base.t(),
        "strided": base[1:, ::2],
        "row": base[1] * 2,
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "ids": torch.tensor([-1, 2**62]),
        "mask": torch.tensor([True, False, True]),
        "naïve": torch.ones(1, 1, 2),
    }
    assert list(state) == list(expected), list(state)
    for name, tensor in expected.items():
        same(state[name], tensor)
    for name in ("tied", "transposed", "strided"):
        assert state[name].untyped_storage().data_ptr() == state["base"].untyped_storage().data_ptr(), name
    assert state["row"].untyped_storage().nbytes() == 16
    same(torch.load(directory / "state.pt", weights_only=True, mmap=True)["transposed"], base.t())
    assert dict(load("empty.pt")) == {}

    for name in ("array", "fortran"):
        array = numpy.load(directory / f"{name}.npy", allow_pickle=False)
        same(torch.from_numpy(numpy.ascontiguousarray(array)), base / 2 if name == "array" else base.t().contiguous())
    with numpy.load(directory / "state.npz", allow_pickle=False) as arrays:
        assert arrays.files == list(expected), arrays.files
        for name, tensor in expected.items():
            same(torch.from_numpy(arrays[name]), tensor)


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Writes files of PyTorch and NumPy, or checks files of saw.")
    parser.add_argument("--output", type=Path, default=here, help="directory to write to (default: beside this script)")
    parser.add_argument("--check", type=Path, help="a directory of files that saw wrote")
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.check)
    else:
        save(arguments.output)


if __name__ == "__main__":
    sys.exit(main())
