"""What the pages of the rooms are made of: which names belong under which heading."""

from dataclasses import dataclass
from typing import Callable, Optional


# What the classes of a room are there to have called.
CALLED = {
    "nn": ("forward", "loss"),
    "optim": ("step", "rate"),
    "data": ("next", "operator()"),
    "train": ("update",),
}


class Library:
    """All names outside of classes, in groups of those that are called alike."""

    def __init__(self, names, headers):
        self.headers = headers  # the first sentence of each
        self.classes = {name.full: name for name in names if name.kind in ("class", "struct")}
        self.members = {}
        for name in names:
            self.members.setdefault(name.scope, []).append(name)
        groups = {}
        for name in names:
            if name.kind in ("value", "namespace", "friend") or name.scope in self.classes or "<" in name.full:
                continue
            # An operator has many faces; those of one header are one row.
            called = "operators" if name.name.startswith("operator") else name.name
            groups.setdefault((name.header, name.scope, called, name.kind == "function"), []).append(name)
        self.groups = list(groups.values())

    def groups_of(self, room):
        return [group for group in self.groups if group[0].header.split("/")[0] == room]

    def derives_from(self, name, base):
        """Whether a class derives from `base`, by any number of steps."""
        for each in name.bases:
            full = next((f for f in (each, f"{name.scope}::{each}", f"saw::{each}") if f in self.classes), None)
            if full == base or (full and self.derives_from(self.classes[full], base)):
                return True
        return False

    def signatures(self, group):
        """Of functions their own; of a class those of its constructors and of what it is called for."""
        first = group[0]
        if first.kind not in ("class", "struct"):
            return [name.signature for name in group]
        members = [m for m in self.members.get(first.full, []) if m.kind == "function"]
        made = [m for m in members if m.name == first.name and not m.is_made_by_the_language]
        called = [m for m in members if m.name in CALLED.get(first.header.split("/")[0], ())]
        itself = [first.signature] if first.template or not made else []
        return itself + [m.signature for m in made + called]


@dataclass
class Section:
    title: str
    has: Callable  # (name, library) → bool; what an earlier section has is not asked for again
    guests: Optional[Callable] = None  # what lies in another room and is listed here, too
    by_header: bool = False  # a heading for each header, with what the header says of itself

    def parts(self, groups, library):
        if not self.by_header:
            return [("", groups)]
        headers = {}
        for group in groups:
            headers.setdefault(group[0].header, []).append(group)
        parts = []
        for header, part in headers.items():
            said = library.headers.get(header, "")
            parts.append((f"{header.split('/')[-1][:-2]}: {said}" if said else header.split("/")[-1][:-2], part))
        return parts


@dataclass
class Room:
    name: str
    title: str
    sentence: str
    sections: list


def under(*beginnings):
    return lambda name, library: name.header.startswith(beginnings)


def derived(base):
    return lambda name, library: name.kind in ("class", "struct") and library.derives_from(name, base)


def called(*beginnings, ends=()):
    def has(name, library):
        function = name.kind == "function" and name.name.startswith(beginnings)
        return function or (name.kind in ("class", "struct") and bool(ends) and name.name.endswith(ends))
    return has


def options(name, library):
    return name.kind == "struct" and name.name.endswith("Options")


def anything(name, library):
    return True


def loss(name, library):
    return name.kind == "function" and ("loss" in name.header.split("/")[-1] or name.name.endswith("_loss"))


def loss_elsewhere(name, library):
    """Ops, and layers that have one."""
    with_loss = {scope for scope, members in library.members.items() if any(m.name == "loss" for m in members)}
    has_one = name.full in with_loss or any(library.derives_from(name, each) for each in with_loss)
    return (loss(name, library) and name.header.startswith("autograd/")) or (has_one and derived(MODULE)(name, library))


MODULE = "saw::nn::Module"
CONTAINERS = ("nn/module", "nn/sequential.h")

ROOMS = [
    Room("autograd", "autograd: tensors and ops",
         "Namespace `saw`. Tensors, the tape that remembers how they were made, and every op, by family.", [
             Section("Tensors", under("autograd/tape/tensor.h", "autograd/tape/indexing.h", "autograd/tape/format.h")),
             Section("The tape", under("autograd/tape/")),
             Section("Ops", under("autograd/ops/"), by_header=True),
             Section("Shapes, segments, errors, memory, threads, random streams", under("autograd/base/")),
             Section("Checks, recomputation, functions of one's own", anything),
         ]),
    Room("nn", "nn: layers and losses",
         "Namespace `saw::nn`. Layers take packed rows, and `Segments` where they look across positions.", [
             Section("Modules and containers", lambda n, l: n.header.startswith(CONTAINERS) and not options(n, l)),
             Section("Layers", derived(MODULE)),
             Section("Losses", loss, guests=loss_elsewhere),
             Section("Initialisation", under("nn/init.h")),
             Section("Options of layers and losses", options),
             Section("Functions and what belongs to them", anything),
         ]),
    Room("optim", "optim: optimizers and schedules", "Namespace `saw::optim`.", [
        Section("Optimizers", lambda n, l: n.full == "saw::optim::Optimizer" or derived("saw::optim::Optimizer")(n, l)),
        Section("Schedules of the learning rate",
                lambda n, l: under("optim/schedule.h", "optim/plateau.h")(n, l) and not options(n, l)),
        Section("Options", options),
        Section("Parameters, clipping, averages", anything),
    ]),
    Room("data", "data: readers and batches",
         "Namespace `saw::data`. From files to packed batches, and tensors back into files.", [
             Section("Readers", called("read_", "load_", "parse_", ends=("Reader", "Table", "InputFile"))),
             Section("Writers", called("save_", "write_", ends=("AtomicFile",))),
             Section("Corpora, vocabularies, splits",
                     lambda n, l: under("data/conllu", "data/split", "data/speaker_splits", "data/vocabulary",
                                        "data/subwords", "data/tagging", "data/summary", "data/word_vectors",
                                        "data/manifest", "data/hw04", "data/text.h")(n, l) and not options(n, l)),
             Section("Batches", lambda n, l: under("data/batch", "data/packing", "data/frame_batches",
                                                   "data/text_streams")(n, l) and not options(n, l)),
             Section("Sound", lambda n, l: under("data/audio/", "data/verification.h")(n, l) and not options(n, l)),
             Section("Options", options),
             Section("Formats and tools", anything),
         ]),
    Room("train", "train: runs, metrics, reports", "Namespace `saw::train`.", [
        Section("Runs, checkpoints, models", lambda n, l: under(
            "train/run", "train/checkpoint", "train/state", "train/signals", "train/model_file", "train/early_stopping",
            "train/program", "train/output_paths")(n, l) and not options(n, l)),
        Section("Metrics", lambda n, l: under("train/metrics/")(n, l) and not options(n, l)),
        Section("Options", options),
        Section("Progress, records, pictures, profiles", anything),
    ]),
]
