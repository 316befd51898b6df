"""Golden file of connectionist temporal classification.

    python golden_ctc.py [--output DIRECTORY]     (make_golden.py writes it too)
"""

import argparse
import sys
from pathlib import Path

import torch
from torch.nn import functional as F

sys.dont_write_bytecode = True

from golden_common import Golden, leaf


def case(golden, name, lengths, target_lengths, symbols, blank=0, zero_infinity=False, targets=None):
    """Logits of all segments one below the other; losses and gradients behind log_softmax, for each reduction."""
    logits = golden.randn(sum(lengths), symbols, scale=2.0)
    if targets is None:
        targets = golden.randint(0, symbols - 1, (sum(target_lengths),))
        targets = targets + (targets >= blank)  # all but the blank
    name = golden.case(name, blank=blank, zero_infinity=zero_infinity)
    golden.put(f"{name}.logits", logits)
    golden.put(f"{name}.targets", targets)
    golden.put(f"{name}.lengths", torch.tensor(lengths))
    golden.put(f"{name}.target_lengths", torch.tensor(target_lengths))
    for reduction in ("mean", "sum", "none"):
        rows = leaf(logits)
        pieces = torch.split(torch.log_softmax(rows, 1), lengths)
        padded = torch.nn.utils.rnn.pad_sequence(pieces)  # (frames, batch, symbols)
        output = F.ctc_loss(padded, targets, tuple(lengths), tuple(target_lengths), blank=blank, reduction=reduction,
                            zero_infinity=zero_infinity)
        grad_output = golden.randn(*output.shape)
        output.backward(grad_output)
        golden.put(f"{name}.{reduction}.output", output)
        golden.put(f"{name}.{reduction}.grad_output", grad_output)
        golden.put(f"{name}.{reduction}.grad_logits", rows.grad)


def ctc():
    golden = Golden("ctc", "connectionist temporal classification: losses, gradients of the logits, float64", seed=12)
    case(golden, "ragged", [12, 7, 1, 20], [5, 3, 1, 8], 6)
    case(golden, "last_blank", [9, 15], [4, 6], 5, blank=4)
    case(golden, "empty_targets", [6, 4, 9], [0, 2, 0], 4)
    case(golden, "repeated", [9, 12], [4, 6], 3, targets=torch.tensor([1, 1, 2, 2, 2, 2, 2, 1, 1, 1]))
    case(golden, "impossible", [4, 8, 3], [4, 3, 5], 4, zero_infinity=True,
         targets=torch.tensor([1, 1, 2, 3, 2, 3, 1, 1, 2, 3, 1, 2]))
    case(golden, "long", [150], [40], 8)
    return golden


def files():
    return [ctc()]


def main():
    parser = argparse.ArgumentParser(description="Writes the golden file of connectionist temporal classification.")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent)
    torch.set_num_threads(1)
    for golden in files():
        golden.save(parser.parse_args().output)


if __name__ == "__main__":
    main()
