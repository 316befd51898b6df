"""Golden file of what works channel by channel: batch norm, group norm, depthwise convolution, gated linear unit.

Rows are frames. Batch norm sees all of them at once; the others see each sequence alone, and the rows of all sequences
are stored one below the other.
"""

import copy

import torch
from torch import nn

from golden_common import Golden, leaf

LENGTHS = [5, 1, 9, 3]


def layer(golden, case, module, inputs, run, lengths=None, **options):
    """State before and after, inputs, outputs and all gradients of run(module, inputs), in float64 and float32."""
    golden.case(case, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(golden.randn(*parameter.shape, scale=0.5) + 0.25)
    for name, value in module.state_dict().items():
        golden.put(f"{case}.state.{name}", value.double() if value.is_floating_point() else value)
    for name, value in (lengths or {}).items():
        golden.put(f"{case}.{name}", torch.tensor(value, dtype=torch.int64))
    golden.put(f"{case}.input", inputs)
    for precision in (torch.float64, torch.float32):
        suffix = "" if precision == torch.float64 else "_float32"
        layer_ = copy.deepcopy(module).to(precision)
        x = leaf(inputs.to(precision))
        output = run(layer_, x)
        if not suffix:
            grad_output = golden.randn(*output.shape)
            golden.put(f"{case}.grad_output", grad_output)
        wanted = {"grad_input": x, **{f"grad.{name}": p for name, p in layer_.named_parameters()}}
        gradients = torch.autograd.grad(output, list(wanted.values()), grad_output.to(precision))
        golden.put(f"{case}.output{suffix}", output)
        for name, gradient in zip(wanted, gradients):
            golden.put(f"{case}.{name}{suffix}", gradient)
        if not suffix:
            for name, value in layer_.named_buffers():
                golden.put(f"{case}.after.{name}", value)


def trained_before(golden, module):
    """Running statistics that are not those of a fresh layer."""
    with torch.no_grad():
        module.running_mean.copy_(golden.randn(*module.running_mean.shape))
        module.running_var.copy_(golden.randn(*module.running_var.shape).abs() + 0.5)
        module.num_batches_tracked.fill_(3)
    return module


def batch_norms(golden):
    rows = golden.randn(11, 6, scale=2.0) + golden.randn(6, scale=3.0)
    whole = lambda module, x: module(x)
    for case, options in {"batch_norm": {}, "batch_norm_options": dict(eps=0.1, momentum=0.3),
                          "batch_norm_no_affine": dict(affine=False)}.items():
        layer(golden, f"{case}.train", trained_before(golden, nn.BatchNorm1d(6, **options)), rows, whole, **options)
        layer(golden, f"{case}.eval", trained_before(golden, nn.BatchNorm1d(6, **options)).eval(), rows, whole,
              **options)
    layer(golden, "batch_norm.two_rows", trained_before(golden, nn.BatchNorm1d(6)), rows[:2], whole)


def alone(function, lengths):
    """Runs function on each sequence as a batch of one and concatenates the rows of the results."""
    def run(module, rows):
        return torch.cat([function(module, x.T[None])[0].T for x in rows.split(lengths)])
    return run


def group_norms(golden):
    rows = golden.randn(sum(LENGTHS), 6, scale=2.0) + 1.5
    for case, groups, options in (("group_norm", 2, {}), ("group_norm.one_group", 1, {}),
                                  ("group_norm.instance", 6, dict(eps=0.1)),
                                  ("group_norm.no_affine", 3, dict(affine=False))):
        lengths = [6, 9, 3] if groups == 6 else LENGTHS  # PyTorch refuses to normalise a single number
        layer(golden, case, nn.GroupNorm(groups, 6, **options), rows, alone(lambda m, x: m(x), lengths),
              dict(lengths=lengths), groups=groups, **options)


def depthwise_convolutions(golden):
    rows = golden.randn(sum(LENGTHS), 6)
    # left and right: zeros before and after each sequence
    variants = {
        "same": dict(kernel=5, left=2, right=2),
        "causal": dict(kernel=4, left=3, right=0),
        "no_bias": dict(kernel=3, left=1, right=1, bias=False),
        "stride": dict(kernel=3, left=1, right=1, stride=2),
        "dilation": dict(kernel=3, left=2, right=2, dilation=2),
        "stride_dilation": dict(kernel=3, left=1, right=5, stride=2, dilation=3),
        "common_factor": dict(kernel=4, left=3, right=3, stride=4, dilation=2),
        "long": dict(kernel=31, left=15, right=15),
    }
    for case, options in variants.items():
        padding = (options["left"], options["right"])
        module = nn.Conv1d(6, 6, options["kernel"], stride=options.get("stride", 1),
                           dilation=options.get("dilation", 1), groups=6, bias=options.get("bias", True))
        function = lambda m, x: m(nn.functional.pad(x, padding))
        output_lengths = [function(module, torch.zeros(1, 6, n)).shape[2] for n in LENGTHS]
        layer(golden, f"depthwise_conv1d.{case}", module, rows, alone(function, LENGTHS),
              dict(lengths=LENGTHS, output_lengths=output_lengths), **options)


def channels():
    golden = Golden("channels", "batch norm, group norm, depthwise convolution, gated linear unit", seed=8)
    batch_norms(golden)
    group_norms(golden)
    depthwise_convolutions(golden)
    layer(golden, "glu", nn.GLU(), golden.randn(7, 10, scale=3.0), lambda m, x: m(x))
    return golden


def files():
    return [channels()]
