"""Golden files of the optimizers and the learning-rate schedules."""

import math

import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from torch.optim import lr_scheduler as schedulers

from golden_common import Golden

STEPS = 50
SHAPES = [(4, 3), (5,)]

# Every hyper-parameter that matters is spelled out, also where it is PyTorch's default.
OPTIMIZERS = {
    "sgd": (SGD, dict(lr=0.1)),
    "sgd_momentum": (SGD, dict(lr=0.05, momentum=0.9)),
    "sgd_nesterov": (SGD, dict(lr=0.05, momentum=0.9, nesterov=True)),
    "sgd_dampening": (SGD, dict(lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.02)),
    "adam": (Adam, dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)),
    "adam_weight_decay": (Adam, dict(lr=0.02, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)),
    "adam_amsgrad": (Adam, dict(lr=0.02, betas=(0.9, 0.9), eps=1e-8, weight_decay=0.0, amsgrad=True)),
    "adamw": (AdamW, dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)),
    "adamw_weight_decay": (AdamW, dict(lr=0.02, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.1)),
    "rmsprop": (RMSprop, dict(lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0)),
    "rmsprop_centered": (RMSprop, dict(lr=0.01, alpha=0.9, eps=1e-8, centered=True)),
    "rmsprop_momentum": (RMSprop, dict(lr=0.01, alpha=0.95, eps=1e-6, weight_decay=0.05, momentum=0.8)),
    "adagrad": (Adagrad, dict(lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10)),
    "adagrad_decay": (Adagrad, dict(lr=0.1, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.0, eps=1e-10)),
    "adagrad_accumulator": (Adagrad, dict(lr=0.1, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.5, eps=1e-10)),
}
# One dictionary per parameter group; group i holds parameter i.
ADAMW_GROUPS = [
    dict(lr=0.02, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1),
    dict(lr=0.005, betas=(0.8, 0.99), eps=1e-8, weight_decay=0.0),
]


def start(golden, dtype):
    """Stores and returns the initial parameters and the gradients of every step."""
    initial, gradients = [], []
    for i, shape in enumerate(SHAPES):
        initial.append(golden.randn(*shape).to(dtype))
        gradient = golden.randn(STEPS, *shape)
        # Scale varies from step to step so that second moments do; the last element never moves by its gradient.
        gradient *= (1 + torch.arange(STEPS) % 7).double().view(-1, *[1] * len(shape)) / 4
        gradient[..., -1] *= 1 if i == 0 else 0
        gradients.append(gradient.to(dtype))
        golden.put(f"initial.{i}", initial[i])
        golden.put(f"gradient.{i}", gradients[i])
    return initial, gradients


def descend(golden, case, initial, gradients, build, schedule=None):
    """Stores the parameters after each step of the optimizer that build makes."""
    parameters = [tensor.clone().requires_grad_(True) for tensor in initial]
    optimizer = build(parameters)
    scheduler = schedule(optimizer) if schedule else None
    history = [[] for _ in parameters]
    for step in range(STEPS):
        for i, parameter in enumerate(parameters):
            parameter.grad = gradients[i][step].clone()
        optimizer.step()
        if scheduler:
            scheduler.step()
        for i, parameter in enumerate(parameters):
            history[i].append(parameter.detach().clone())
    for i, values in enumerate(history):
        golden.put(f"{case}.{i}", torch.stack(values))


def clipping(golden, gradients):
    """clip_grad_norm_ over both parameters at once, and clip_grad_value_, on the gradients of step 6."""
    variants = {"l2": dict(max_norm=1.0, norm_type=2.0), "l1": dict(max_norm=3.0, norm_type=1.0),
                "infinity": dict(max_norm=0.5, norm_type=math.inf), "untouched": dict(max_norm=1e6, norm_type=2.0)}
    for variant, options in variants.items():
        case = golden.case(f"clip_grad_norm.{variant}", step=6, **{k: str(v) for k, v in options.items()})
        parameters = [torch.zeros_like(gradient[6]).requires_grad_(True) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient[6].clone()
        golden.put(f"{case}.total", torch.nn.utils.clip_grad_norm_(parameters, **options, foreach=False))
        for i, parameter in enumerate(parameters):
            golden.put(f"{case}.{i}", parameter.grad)
    case = golden.case("clip_grad_value", step=6, clip_value=0.4)
    for i, gradient in enumerate(gradients):
        parameter = torch.zeros_like(gradient[6]).requires_grad_(True)
        parameter.grad = gradient[6].clone()
        torch.nn.utils.clip_grad_value_([parameter], 0.4, foreach=False)
        golden.put(f"{case}.{i}", parameter.grad)


def optimizers(dtype):
    name = {torch.float64: "optimizers", torch.float32: "optimizers_float32"}[dtype]
    golden = Golden(name, f"parameters after each of {STEPS} optimizer steps, {dtype}", seed=1)
    initial, gradients = start(golden, dtype)
    for case, (kind, options) in OPTIMIZERS.items():
        golden.case(case, optimizer=kind.__name__, **options)
        descend(golden, case, initial, gradients, lambda p: kind(p, **options, foreach=False))
    golden.case("adamw_groups", optimizer="AdamW", groups=ADAMW_GROUPS)
    descend(golden, "adamw_groups", initial, gradients,
            lambda p: AdamW([dict(params=[q], **o) for q, o in zip(p, ADAMW_GROUPS)], foreach=False))
    clipping(golden, gradients)
    return golden


def cosine_with_warmup(warmup, total):
    def factor(step):
        if step < warmup:
            return step / warmup
        return max(0.0, 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))))
    return factor


def noam(width, warmup, factor):
    return lambda step: factor * width ** -0.5 * min((step + 1) ** -0.5, (step + 1) * warmup ** -1.5)


# name: (PyTorch's class, base learning rate, the options of the schedule)
SCHEDULES = {
    "constant": ("LambdaLR", 0.1, dict(factor=1.0)),
    "step": ("StepLR", 0.1, dict(step_size=7, gamma=0.5)),
    "multi_step": ("MultiStepLR", 0.1, dict(milestones=[5, 20, 40], gamma=0.3)),
    "exponential": ("ExponentialLR", 0.1, dict(gamma=0.95)),
    "linear_warmup": ("LinearLR", 0.1, dict(start_factor=0.1, end_factor=1.0, total_iters=10)),
    "cosine_with_warmup": ("LambdaLR", 0.1, dict(warmup=10, total=60)),
    "cosine_without_warmup": ("LambdaLR", 0.1, dict(warmup=0, total=59)),
    "cosine_annealing": ("CosineAnnealingLR", 0.1, dict(T_max=60, eta_min=1e-5)),
    "noam": ("LambdaLR", 1.0, dict(width=64, warmup=10, factor=2.0)),
    "one_cycle": ("OneCycleLR", 0.1, dict(max_lr=0.1, total_steps=60)),
    "one_cycle_three_phase": ("OneCycleLR", 0.1, dict(max_lr=0.1, total_steps=60, three_phase=True)),
    "one_cycle_linear": ("OneCycleLR", 0.1, dict(max_lr=0.1, total_steps=60, anneal_strategy="linear")),
    "one_cycle_options": ("OneCycleLR", 0.1, dict(max_lr=0.3, total_steps=60, pct_start=0.2, div_factor=10.0,
                                                  final_div_factor=100.0)),
}
LAMBDAS = {"constant": lambda factor: lambda step: factor, "cosine_with_warmup": cosine_with_warmup,
           "cosine_without_warmup": cosine_with_warmup, "noam": noam}
PLATEAUS = {
    "plateau_min": dict(mode="min", factor=0.5, patience=3, threshold=1e-4, threshold_mode="rel", cooldown=2,
                        min_lr=1e-4, eps=1e-8),
    "plateau_max": dict(mode="max", factor=0.5, patience=3, threshold=1e-4, threshold_mode="rel", cooldown=2,
                        min_lr=1e-4, eps=1e-8),
    "plateau_absolute": dict(mode="min", factor=0.1, patience=2, threshold=0.05, threshold_mode="abs", cooldown=0,
                             min_lr=0.0, eps=1e-8),
}


def plateau_metrics(golden):
    """Falls, stalls, improves by less than the threshold, falls again, then stalls for good."""
    steps = torch.arange(60).double()
    metric = 2.0 * torch.exp(-steps.clamp(max=12) / 6) + 0.6
    metric[13:30] += 0.05 * golden.randn(17).abs()
    metric[20:26] = metric[12] * (1 - 1e-5 * torch.arange(6).double())
    metric[30:36] = torch.tensor([0.80, 0.75, 0.70, 0.66, 0.63, 0.60], dtype=torch.float64)
    metric[36:] = 0.62 + 0.03 * golden.randn(24).abs()
    return metric


def schedules():
    golden = Golden("schedules", "learning rates over 60 steps; parameters of AdamW with cosine and warm-up", seed=2)
    for case, (kind, rate, options) in SCHEDULES.items():
        golden.case(case, schedule=kind, learning_rate=rate, **options)
        optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=rate)
        if kind == "LambdaLR":
            scheduler = schedulers.LambdaLR(optimizer, LAMBDAS[case](**options))
        else:
            scheduler = getattr(schedulers, kind)(optimizer, **options)
        rates = []
        for step in range(60):
            rates.append(optimizer.param_groups[0]["lr"])
            if step < 59:
                optimizer.step()
                scheduler.step()
        golden.put(case, rates)
    metric = plateau_metrics(golden)
    for case, options in PLATEAUS.items():
        golden.case(case, schedule="ReduceLROnPlateau", learning_rate=0.01, **options)
        # positive either way: a relative threshold means little around 0
        observed = 3 - metric if options["mode"] == "max" else metric
        optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
        scheduler = schedulers.ReduceLROnPlateau(optimizer, **options)
        rates = []
        for value in observed.tolist():
            optimizer.step()
            scheduler.step(value)
            rates.append(optimizer.param_groups[0]["lr"])
        if len(set(rates)) < 3:
            raise ValueError(f"{case}: the metric does not exercise the schedule")
        golden.put(f"{case}.metric", observed)
        golden.put(case, rates)
    initial, gradients = start(golden, torch.float64)
    options = dict(lr=0.02, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)
    case = golden.case("adamw_cosine", optimizer="AdamW", warmup=10, total=50, **options)
    descend(golden, case, initial, gradients, lambda p: AdamW(p, **options, foreach=False),
            lambda optimizer: schedulers.LambdaLR(optimizer, cosine_with_warmup(10, 50)))
    return golden


def files():
    return [optimizers(torch.float64), optimizers(torch.float32), schedules()]
