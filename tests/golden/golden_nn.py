"""Golden files of the losses and the layers.

Layers that look across positions see each sequence alone; the rows of all sequences are stored one below the other.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from golden_common import Golden, leaf

LENGTHS = [5, 1, 7, 3]
MEMORY_LENGTHS = [4, 6, 1, 2]
WIDTH, HEADS, FEED_FORWARD = 12, 3, 20


# losses ---------------------------------------------------------------------------------------------------------

def loss(golden, case, function, tensors, **options):
    """function(reduction=…, **tensors) for each reduction; the gradient is taken with respect to tensors["input"]."""
    for reduction in ("mean", "sum", "none"):
        name = golden.case(f"{case}.{reduction}", **options)
        for key, value in tensors.items():
            golden.put(f"{name}.{key}", value)
        values = {**tensors, "input": leaf(tensors["input"])}
        output = function(**values, **options, reduction=reduction)
        grad_output = golden.randn(*output.shape) if reduction == "none" else torch.ones((), dtype=torch.float64)
        golden.put(f"{name}.output", output)
        golden.put(f"{name}.grad_output", grad_output)
        golden.put(f"{name}.grad_input", *torch.autograd.grad(output, values["input"], grad_output))


def losses():
    golden = Golden("losses", "losses: inputs, targets, values and gradients of the inputs, float64", seed=3)
    rows, classes = 9, 5
    logits = golden.randn(rows, classes, scale=2.0)
    target = golden.randint(0, classes, (rows,))
    target[:classes] = torch.arange(classes)  # every class occurs
    ignored = target.clone()
    ignored[[1, 6]] = -100
    ignored_class = target.clone()
    ignored_class[[2, 8]] = 3
    weight = golden.randn(classes).abs() + 0.25
    zero_weight = weight.clone()
    zero_weight[2] = 0

    plain = dict(input=logits, target=target)
    loss(golden, "cross_entropy.plain", F.cross_entropy, plain)
    loss(golden, "cross_entropy.ignore_index", F.cross_entropy, dict(input=logits, target=ignored), ignore_index=-100)
    loss(golden, "cross_entropy.ignore_class", F.cross_entropy, dict(input=logits, target=ignored_class), ignore_index=3)
    loss(golden, "cross_entropy.label_smoothing", F.cross_entropy, plain, label_smoothing=0.1)
    loss(golden, "cross_entropy.weight", F.cross_entropy, dict(plain, weight=weight))
    loss(golden, "cross_entropy.zero_weight", F.cross_entropy, dict(plain, weight=zero_weight))
    loss(golden, "cross_entropy.label_smoothing_weight", F.cross_entropy, dict(plain, weight=weight), label_smoothing=0.1)
    loss(golden, "cross_entropy.label_smoothing_ignore_index", F.cross_entropy, dict(input=logits, target=ignored),
         label_smoothing=0.1, ignore_index=-100)
    loss(golden, "cross_entropy.all", F.cross_entropy, dict(input=logits, target=ignored, weight=weight),
         label_smoothing=0.1, ignore_index=-100)
    loss(golden, "cross_entropy.large_logits", F.cross_entropy, dict(input=500 * logits, target=target))

    log_probabilities = F.log_softmax(logits, -1)
    loss(golden, "nll.plain", F.nll_loss, dict(input=log_probabilities, target=target))
    loss(golden, "nll.ignore_index", F.nll_loss, dict(input=log_probabilities, target=ignored), ignore_index=-100)
    loss(golden, "nll.weight", F.nll_loss, dict(input=log_probabilities, target=target, weight=weight))
    loss(golden, "nll.all", F.nll_loss, dict(input=log_probabilities, target=ignored, weight=weight), ignore_index=-100)

    loss(golden, "mse.plain", F.mse_loss, dict(input=logits, target=golden.randn(rows, classes)))

    probabilities = torch.sigmoid(golden.randn(rows, classes))
    probabilities[0] = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.5], dtype=torch.float64)
    bce = F.binary_cross_entropy_with_logits
    binary = dict(input=logits, target=probabilities)
    loss(golden, "binary_cross_entropy_with_logits.plain", bce, binary)
    loss(golden, "binary_cross_entropy_with_logits.pos_weight", bce, dict(binary, pos_weight=weight))
    loss(golden, "binary_cross_entropy_with_logits.weight", bce, dict(binary, weight=golden.randn(rows, classes).abs()))
    loss(golden, "binary_cross_entropy_with_logits.large_logits", bce, dict(binary, input=500 * logits))
    return golden


# layers ---------------------------------------------------------------------------------------------------------

def randomise(golden, module):
    """Replaces every parameter, so that zero biases and unit scales are tested too."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            is_norm = isinstance(module.get_submodule(name.rpartition(".")[0]), (nn.LayerNorm, nn.RMSNorm))
            is_scale = is_norm and name.endswith("weight")
            parameter.copy_(golden.randn(*parameter.shape, scale=0.4) + (1 if is_scale else 0))
    return module.double()


def layer(golden, case, module, inputs, run=None, lengths=None, **options):
    """Stores state, inputs, output and all gradients of run(module, *inputs); inputs is a tensor or a dictionary."""
    run = run or (lambda module, *values: module(*values))
    golden.case(case, **options)
    for name, parameter in module.named_parameters():
        golden.put(f"{case}.state.{name}", parameter)
    for name, value in (lengths or {}).items():
        golden.put(f"{case}.{name}", torch.tensor(value, dtype=torch.int64))
    named = {f".{k}": v for k, v in inputs.items()} if isinstance(inputs, dict) else {"": inputs}
    for name, value in named.items():
        golden.put(f"{case}.input{name}", value)

    leaves = {name: leaf(value) for name, value in named.items()}
    output = run(module, *leaves.values())
    grad_output = golden.randn(*output.shape)
    golden.put(f"{case}.output", output)
    golden.put(f"{case}.grad_output", grad_output)
    wanted = {f"grad_input{n}": v for n, v in leaves.items() if v.requires_grad}
    wanted |= {f"grad.{n}": p for n, p in module.named_parameters()}
    for name, gradient in zip(wanted, torch.autograd.grad(output, list(wanted.values()), grad_output)):
        golden.put(f"{case}.{name}", gradient)

    narrow = [value.float() if value.is_floating_point() else value for value in named.values()]
    with torch.no_grad():
        golden.put(f"{case}.output_float32", run(copy.deepcopy(module).float(), *narrow))


def alone(function):
    """Runs function on each sequence as a batch of one and concatenates the rows of the results."""
    def run(module, rows):
        return torch.cat([function(module, sequence[None])[0] for sequence in rows.split(LENGTHS)])
    return run


def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).triu(1)  # true: may not be seen


def simple_layers(golden):
    rows = golden.randn(7, 6)
    layer(golden, "linear", randomise(golden, nn.Linear(6, 4)), rows)
    layer(golden, "linear_no_bias", randomise(golden, nn.Linear(6, 4, bias=False)), rows)

    ids = torch.tensor([3, 1, 0, 3, 7, 1, 0, 3, 2], dtype=torch.int64)
    layer(golden, "embedding", randomise(golden, nn.Embedding(8, 5)), ids)
    padded = randomise(golden, nn.Embedding(8, 5, padding_idx=1))
    layer(golden, "embedding_padding", padded, ids, padding_idx=1)

    layer(golden, "layer_norm", randomise(golden, nn.LayerNorm(6)), rows, eps=1e-5)
    layer(golden, "layer_norm_eps", randomise(golden, nn.LayerNorm(6, eps=0.1)), rows, eps=0.1)
    layer(golden, "layer_norm_no_affine", nn.LayerNorm(6, elementwise_affine=False), rows, eps=1e-5)
    layer(golden, "layer_norm_no_bias", randomise(golden, nn.LayerNorm(6, bias=False)), rows, eps=1e-5)
    constant = rows.clone()
    constant[2] = 0.75  # variance 0: eps alone is under the root
    layer(golden, "layer_norm_constant_row", randomise(golden, nn.LayerNorm(6)), constant, eps=1e-5)
    layer(golden, "rms_norm", randomise(golden, nn.RMSNorm(6, eps=1e-5)), rows, eps=1e-5)
    layer(golden, "rms_norm_no_affine", nn.RMSNorm(6, eps=1e-5, elementwise_affine=False), rows, eps=1e-5)
    layer(golden, "gelu_erf", nn.GELU(), rows)
    layer(golden, "gelu_tanh", nn.GELU(approximate="tanh"), rows)


def convolutions(golden):
    inputs = golden.randn(sum(LENGTHS), 4)
    variants = {
        "conv1d_same": dict(kernel_size=3, padding=1, stride=1, dilation=1),
        "conv1d_same_kernel5": dict(kernel_size=5, padding=2, stride=1, dilation=1),
        "conv1d_no_bias": dict(kernel_size=3, padding=1, stride=1, dilation=1, bias=False),
        "conv1d_kernel1": dict(kernel_size=1, padding=0, stride=1, dilation=1),
        "conv1d_stride2": dict(kernel_size=3, padding=1, stride=2, dilation=1),
        "conv1d_dilation2": dict(kernel_size=3, padding=2, stride=1, dilation=2),
        "conv1d_stride2_dilation2": dict(kernel_size=3, padding=2, stride=2, dilation=2),
    }
    for case, options in variants.items():
        module = randomise(golden, nn.Conv1d(4, 6, **options))
        output_lengths = [module(torch.zeros(1, 4, n, dtype=torch.float64)).shape[2] for n in LENGTHS]
        layer(golden, case, module, inputs, alone(lambda m, x: m(x.transpose(1, 2)).transpose(1, 2)),
              lengths=dict(lengths=LENGTHS, output_lengths=output_lengths), **options)


def attentions(golden):
    rows, memory_rows = sum(LENGTHS), sum(MEMORY_LENGTHS)
    inputs = golden.randn(rows, WIDTH)

    def attention(**options):
        return randomise(golden, nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options))

    def self_attention(causal):
        return alone(lambda m, x: m(x, x, x, need_weights=False, is_causal=causal,
                                    attn_mask=causal_mask(x.shape[1]) if causal else None)[0])

    for case, causal, options in (("attention_self", False, {}), ("attention_causal", True, {}),
                                  ("attention_no_bias", False, dict(bias=False))):
        module = attention(**options)
        layer(golden, case, module, inputs, self_attention(causal), dict(lengths=LENGTHS),
              heads=HEADS, causal=causal, **options)
        with torch.no_grad():
            weights = [module(x[None], x[None], x[None], average_attn_weights=False,
                              attn_mask=causal_mask(len(x)) if causal else None)[1] for x in inputs.split(LENGTHS)]
        golden.put(f"{case}.weights", torch.cat([w.flatten() for w in weights]))

    def cross(module, query, key, value=None):
        parts = zip(query.split(LENGTHS), key.split(MEMORY_LENGTHS),
                    (key if value is None else value).split(MEMORY_LENGTHS))
        return torch.cat([module(q[None], k[None], v[None], need_weights=False)[0][0] for q, k, v in parts])

    lengths = dict(lengths=LENGTHS, memory_lengths=MEMORY_LENGTHS)
    layer(golden, "attention_cross", attention(), dict(query=inputs, memory=golden.randn(memory_rows, WIDTH)),
          cross, lengths, heads=HEADS)
    layer(golden, "attention_cross_kdim", attention(kdim=8, vdim=8),
          dict(query=inputs, memory=golden.randn(memory_rows, 8)), cross, lengths, heads=HEADS, kdim=8, vdim=8)
    layer(golden, "attention_cross_kdim_vdim", attention(kdim=8, vdim=10),
          dict(query=inputs, key=golden.randn(memory_rows, 8), value=golden.randn(memory_rows, 10)),
          cross, lengths, heads=HEADS, kdim=8, vdim=10)


def encoders(golden):
    inputs = golden.randn(sum(LENGTHS), WIDTH)
    kinds = {"post_norm_relu": dict(norm_first=False, activation="relu"),
             "pre_norm_gelu": dict(norm_first=True, activation="gelu")}

    def one(options):
        return nn.TransformerEncoderLayer(WIDTH, HEADS, FEED_FORWARD, dropout=0.0, batch_first=True, **options)

    def stack(options, norm):
        # without the nested-tensor path, which is for padded inference only
        return nn.TransformerEncoder(one(options), 2, norm=norm, enable_nested_tensor=False)

    described = dict(heads=HEADS, feed_forward=FEED_FORWARD)
    for kind, options in kinds.items():
        layer(golden, f"encoder_layer_{kind}", randomise(golden, one(options)), inputs, alone(lambda m, x: m(x)),
              dict(lengths=LENGTHS), **described, **options)
        layer(golden, f"encoder_layer_{kind}_causal", randomise(golden, one(options)), inputs,
              alone(lambda m, x: m(x, src_mask=causal_mask(x.shape[1]), is_causal=True)),
              dict(lengths=LENGTHS), causal=True, **described, **options)
        layer(golden, f"encoder_{kind}", randomise(golden, stack(options, None)), inputs, alone(lambda m, x: m(x)),
              dict(lengths=LENGTHS), layers=2, final_norm=False, **described, **options)
    options = kinds["pre_norm_gelu"]
    layer(golden, "encoder_pre_norm_gelu_final_norm", randomise(golden, stack(options, nn.LayerNorm(WIDTH))), inputs,
          alone(lambda m, x: m(x)), dict(lengths=LENGTHS), layers=2, final_norm=True, **described, **options)


def decoders(golden):
    inputs = dict(target=golden.randn(sum(LENGTHS), WIDTH), memory=golden.randn(sum(MEMORY_LENGTHS), WIDTH))
    lengths = dict(lengths=LENGTHS, memory_lengths=MEMORY_LENGTHS)
    kinds = {"post_norm_relu": dict(norm_first=False, activation="relu"),
             "pre_norm_gelu": dict(norm_first=True, activation="gelu")}

    def one(options):
        return nn.TransformerDecoderLayer(WIDTH, HEADS, FEED_FORWARD, dropout=0.0, batch_first=True, **options)

    def run(module, target, memory):
        pairs = zip(target.split(LENGTHS), memory.split(MEMORY_LENGTHS))
        return torch.cat([module(x[None], y[None], tgt_mask=causal_mask(len(x)))[0] for x, y in pairs])

    described = dict(heads=HEADS, feed_forward=FEED_FORWARD)
    for kind, options in kinds.items():
        layer(golden, f"decoder_layer_{kind}", randomise(golden, one(options)), inputs, run, lengths, **described,
              **options)
        norm = nn.LayerNorm(WIDTH) if options["norm_first"] else None
        layer(golden, f"decoder_{kind}", randomise(golden, nn.TransformerDecoder(one(options), 2, norm)), inputs, run,
              lengths, layers=2, final_norm=norm is not None, **described, **options)


def layers():
    golden = Golden("layers", "layers: state, inputs, outputs and all gradients, float64", seed=4)
    simple_layers(golden)
    convolutions(golden)
    attentions(golden)
    encoders(golden)
    decoders(golden)
    return golden


def files():
    return [losses(), layers()]
