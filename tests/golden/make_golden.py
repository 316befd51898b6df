"""Writes the golden files of this directory: inputs, outputs and gradients as PyTorch computes them.

    pip install torch==2.13.0 numpy safetensors
    python make_golden.py [--output DIRECTORY]

Two runs with the same versions write the same bytes. README.md says what the files hold.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.dont_write_bytecode = True

import golden_channels
import golden_conformer
import golden_ctc
import golden_init
import golden_linalg
import golden_nn
import golden_ops
import golden_optim
import golden_optim_more
import golden_pair_losses
import golden_pytorch
import golden_recurrent
import golden_relative_attention
import golden_scatter


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Writes the golden files.")
    parser.add_argument("--output", type=Path, default=here, help="directory to write to (default: beside this script)")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for room in (golden_optim, golden_optim_more, golden_nn, golden_ops, golden_channels, golden_conformer,
                 golden_relative_attention, golden_linalg, golden_pair_losses, golden_scatter, golden_ctc,
                 golden_recurrent):
        for golden in room.files():
            golden.save(output)
    golden_init.save(output)
    golden_pytorch.save(output)


if __name__ == "__main__":
    main()
