"""Golden file of the losses that compare two or three tensors.

    python golden_pair_losses.py [--output DIRECTORY]     (make_golden.py writes it too)
"""

import argparse
import sys
from pathlib import Path

import torch
from torch.nn import functional as F

sys.dont_write_bytecode = True

from golden_common import Golden, leaf
from golden_nn import loss


def pair_losses():
    golden = Golden("pair_losses", "losses of two or three tensors: values and gradients of the first, float64", seed=11)
    rows, width = 6, 4
    x, t, third = golden.randn(rows, width, scale=2.0), golden.randn(rows, width), golden.randn(rows, width)
    pair = dict(input=x, target=t)
    loss(golden, "l1_loss", F.l1_loss, pair)
    loss(golden, "smooth_l1_loss.plain", F.smooth_l1_loss, pair)
    loss(golden, "smooth_l1_loss.beta", F.smooth_l1_loss, pair, beta=0.5)
    loss(golden, "huber_loss.plain", F.huber_loss, pair)
    loss(golden, "huber_loss.delta", F.huber_loss, pair, delta=0.5)
    logits = torch.tensor([[-100.0, -17.0, -12.0, -1.0], [1.0, 12.0, 17.0, 100.0]], dtype=torch.float64)
    for value in (0.0, 1.0, 0.25):
        loss(golden, f"bce.{value}", F.binary_cross_entropy_with_logits,
             dict(input=logits, target=torch.full_like(logits, value)))
    probabilities = torch.softmax(t, 1)
    probabilities[0] = torch.tensor([0.0, 0.5, 0.5, 0.0])
    log_x = torch.log_softmax(x, 1)
    loss(golden, "kl_div.plain", F.kl_div, dict(input=log_x, target=probabilities))
    loss(golden, "kl_div.log_target", F.kl_div, dict(input=log_x, target=torch.log_softmax(t, 1)), log_target=True)
    name = golden.case("kl_div.batchmean")
    value = leaf(log_x)
    output = F.kl_div(value, probabilities, reduction="batchmean")
    golden.put(f"{name}.input", log_x)
    golden.put(f"{name}.target", probabilities)
    golden.put(f"{name}.output", output)
    golden.put(f"{name}.grad_input", *torch.autograd.grad(output, value))
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0, 1.0], dtype=torch.float64)

    def cosine(input, other, target, **options):
        return F.cosine_embedding_loss(input, other, target, **options)
    loss(golden, "cosine_embedding_loss.plain", cosine, dict(input=x, other=t, target=signs))
    loss(golden, "cosine_embedding_loss.margin", cosine, dict(input=x, other=t, target=signs), margin=0.2)

    def triplet(input, target, other, **options):
        return F.triplet_margin_loss(input, target, other, **options)
    triple = dict(input=x, target=t, other=third)
    loss(golden, "triplet_margin_loss.plain", triplet, triple)
    loss(golden, "triplet_margin_loss.swap", triplet, triple, swap=True, margin=2.0)
    loss(golden, "triplet_margin_loss.p", triplet, triple, p=3.0, margin=0.5)

    def ranking(input, other, target, **options):
        return F.margin_ranking_loss(input, other, target, **options)
    loss(golden, "margin_ranking_loss", ranking, dict(input=x[:, 0].clone(), other=t[:, 0].clone(), target=signs),
         margin=0.3)

    name = golden.case("normalize")
    golden.put(f"{name}.input", x)
    golden.put(f"{name}.output", F.normalize(x, dim=1))
    name = golden.case("cosine_similarity")
    golden.put(f"{name}.input", x)
    golden.put(f"{name}.other", t)
    golden.put(f"{name}.output", F.cosine_similarity(x, t, dim=1))
    return golden


def files():
    return [pair_losses()]


def main():
    parser = argparse.ArgumentParser(description="Writes the golden file of losses of two or three tensors.")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent)
    torch.set_num_threads(1)
    for golden in files():
        golden.save(parser.parse_args().output)


if __name__ == "__main__":
    main()
