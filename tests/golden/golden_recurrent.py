"""Golden file of recurrent nets: torch.nn.LSTM, GRU and RNN over packed sequences of different lengths.

Rows are those of all sequences one below the other. States are PyTorch's: (layers · directions, sequences, width).
"""

import copy

import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from golden_common import Golden, leaf

LENGTHS = [3, 1, 5, 2, 3]
INPUT = 3
HIDDEN = 4

MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}

VARIANTS = {
    "plain": {},
    "no_bias": dict(bias=False),
    "bidirectional": dict(bidirectional=True),
    "layers": dict(num_layers=3),
    "layers_bidirectional": dict(num_layers=2, bidirectional=True),
}
OF_LSTM = {
    "projection": dict(proj_size=3),
    "projection_layers_bidirectional": dict(proj_size=3, num_layers=2, bidirectional=True),
}
OF_RNN = {
    "relu": dict(nonlinearity="relu"),
    "relu_layers_bidirectional": dict(nonlinearity="relu", num_layers=2, bidirectional=True),
}


def run(module, rows, states):
    """Rows, last hidden state, and last cell state of an LSTM."""
    packed = pack_sequence(list(rows.split(LENGTHS)), enforce_sorted=False)
    first = None if not states else states[0] if len(states) == 1 else tuple(states)
    output, last = module(packed, first)
    return [torch.cat(unpack_sequence(output)), *(last if isinstance(last, tuple) else [last])]


def layer(golden, case, module, with_states, **options):
    """State, inputs, outputs, gradients of the outputs, and all gradients, in float64; outputs in float32 too."""
    golden.case(case, first_state=with_states, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(golden.randn(*parameter.shape, scale=0.5))
    for name, value in module.state_dict().items():
        golden.put(f"{case}.state.{name}", value.double())
    rows = golden.randn(sum(LENGTHS), INPUT)
    golden.put(f"{case}.input", rows)
    states = []
    if with_states:
        with torch.no_grad():
            shapes = [s.shape for s in run(copy.deepcopy(module).double(), rows, [])[1:]]
        states = [golden.randn(*shape) for shape in shapes]
    names = ["rows", "hidden", "cell"]
    for name, state in zip(names[1:], states):
        golden.put(f"{case}.first_{name}", state)
    for precision in (torch.float64, torch.float32):
        layer_ = copy.deepcopy(module).to(precision)
        x, first = leaf(rows.to(precision)), [leaf(s.to(precision)) for s in states]
        outputs = run(layer_, x, first)
        if precision == torch.float32:
            for name, output in zip(names, outputs):
                golden.put(f"{case}.{name}_float32", output)
            continue
        grad_outputs = [golden.randn(*output.shape) for output in outputs]
        for name, output, gradient in zip(names, outputs, grad_outputs):
            golden.put(f"{case}.{name}", output)
            golden.put(f"{case}.grad_{name}", gradient)
        wanted = {"grad_input": x, **{f"grad_first_{name}": s for name, s in zip(names[1:], first)},
                  **{f"grad.{name}": p for name, p in layer_.named_parameters()}}
        for name, gradient in zip(wanted, torch.autograd.grad(outputs, list(wanted.values()), grad_outputs)):
            golden.put(f"{case}.{name}", gradient)


def files():
    golden = Golden("recurrent", "LSTM, GRU and RNN of torch.nn over packed sequences", seed=29)
    golden.put("lengths", torch.tensor(LENGTHS, dtype=torch.int64))
    for kind, module in MODULES.items():
        variants = {**VARIANTS, **(OF_LSTM if kind == "lstm" else {}), **(OF_RNN if kind == "rnn" else {})}
        for variant, options in variants.items():
            for with_states in (False, True) if variant in ("plain", "layers_bidirectional") else (True,):
                case = f"{kind}.{variant}" + (".first_state" if with_states else "")
                layer(golden, case, module(INPUT, HIDDEN, **options), with_states, **options)
    return [golden]
