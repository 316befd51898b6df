"""Golden files of Muon and of schedules that are made of others or begin anew."""

from unittest import mock

import torch
from torch.optim import SGD, Muon
from torch.optim import lr_scheduler as schedulers

from golden_common import Golden
from golden_optim import descend, start

# Every hyper-parameter that matters is spelled out, also where it is PyTorch's default.
BASE = dict(lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=(3.4445, -4.7750, 2.0315), eps=1e-7,
            ns_steps=5)
MUONS = {
    "muon": BASE,
    "muon_plain": {**BASE, "nesterov": False, "momentum": 0.9, "weight_decay": 0.0},
    "muon_rms": {**BASE, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3},
}


def muon():
    golden = Golden("muon", "parameters after each of 50 steps of Muon, float64, without its rounding to bfloat16", seed=3)
    initial, gradients = start(golden, torch.float64)
    # start() makes a matrix (4, 3) and a vector (5): the vector becomes a wide matrix and a tall one.
    shapes = [(4, 3), (1, 5)]
    initial = [tensor.reshape(shape) for tensor, shape in zip(initial, shapes)]
    gradients = [tensor.reshape(-1, *shape) for tensor, shape in zip(gradients, shapes)]
    with mock.patch.object(torch.Tensor, "bfloat16", lambda self: self.clone()):
        for case, options in MUONS.items():
            golden.case(case, optimizer="Muon", **{k: str(v) for k, v in options.items()})
            descend(golden, case, initial, gradients, lambda p: Muon(p, **options))
    return golden


def schedules():
    golden = Golden("schedules_more", "learning rates over 60 steps of schedules in sequence and with restarts", seed=4)
    build = {
        "warm_restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, T_0=7),
        "warm_restarts_longer": lambda o: schedulers.CosineAnnealingWarmRestarts(o, T_0=5, T_mult=2, eta_min=0.01),
        "sequential": lambda o: schedulers.SequentialLR(
            o, [schedulers.LinearLR(o, start_factor=0.1, total_iters=10), schedulers.ExponentialLR(o, gamma=0.9),
                schedulers.StepLR(o, step_size=4, gamma=0.5)], milestones=[10, 30]),
        "sequential_cosine": lambda o: schedulers.SequentialLR(
            o, [schedulers.LinearLR(o, start_factor=0.25, total_iters=12),
                schedulers.CosineAnnealingWarmRestarts(o, T_0=6, T_mult=3)], milestones=[12]),
    }
    for case, make in build.items():
        golden.case(case, learning_rate=0.1)
        optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        scheduler = make(optimizer)
        rates = []
        for step in range(60):
            rates.append(optimizer.param_groups[0]["lr"])
            if step < 59:
                optimizer.step()
                scheduler.step()
        golden.put(case, rates)
    return golden


def files():
    return [muon(), schedules()]
