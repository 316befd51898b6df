"""Golden file of the Conformer: written here from the paper (Gulati et al. 2020; relative positions from Dai et al.
2019), and with the structure, names and behaviour of torchaudio.models.Conformer.

Each utterance goes through everything alone, but for batch norm in training, whose statistics are those of all real
frames, and for the cases "padded", which compute on a batch padded with zeros as torchaudio does.
"""

import torch
from torch import nn

from golden_common import Golden, leaf

LENGTHS = [5, 1, 9, 3]


class FeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.sequential = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.SiLU(), nn.Dropout(0),
                                        nn.Linear(hidden, width), nn.Dropout(0))

    def forward(self, x):
        return self.sequential(x)


class Convolution(nn.Module):
    def __init__(self, width, kernel, group_norm):
        super().__init__()
        self.layer_norm = nn.LayerNorm(width)
        norm = nn.GroupNorm(1, width) if group_norm else nn.BatchNorm1d(width)
        self.sequential = nn.Sequential(
            nn.Conv1d(width, 2 * width, 1), nn.GLU(dim=1),
            nn.Conv1d(width, width, kernel, groups=width), norm, nn.SiLU(), nn.Conv1d(width, width, 1), nn.Dropout(0))
        self.left, self.right = (kernel - 1) // 2, kernel // 2

    def norm(self, utterances):
        """(channels, time) each; batch norm sees the frames of all together."""
        norm = self.sequential[3]
        if isinstance(norm, nn.GroupNorm):
            return [norm(x[None])[0] for x in utterances]
        together = norm(torch.cat(utterances, 1)[None])[0]
        return list(together.split([x.shape[1] for x in utterances], 1))

    def forward(self, utterances):
        first, gate, depthwise, _, swish, last, _ = self.sequential
        mixed = []
        for x in utterances:  # (time, width)
            x = gate(first(self.layer_norm(x).T[None]))
            mixed.append(depthwise(nn.functional.pad(x, (self.left, self.right)))[0])
        return [last(swish(x)[None])[0].T for x in self.norm(mixed)]


class RelativeAttention(nn.Module):
    """Transformer-XL's attention, one pair of frames after the other."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(heads, width // heads))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, width // heads))

    def encoding(self, distance, like):
        width = self.heads * self.head_width
        frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angle = distance * frequency
        return torch.stack([torch.sin(angle), torch.cos(angle)], 1).flatten().to(like.dtype)

    def forward(self, x):
        time, width = x.shape
        query, key, value = nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias).split(width, 1)
        heads = []
        for h in range(self.heads):
            part = slice(h * self.head_width, (h + 1) * self.head_width)
            rows = []
            for i in range(time):
                scores = []
                for j in range(time):
                    position = self.linear_pos(self.encoding(i - j, x))[part]
                    content = (query[i, part] + self.pos_bias_u[h]) @ key[j, part]
                    scores.append(content + (query[i, part] + self.pos_bias_v[h]) @ position)
                rows.append(torch.softmax(torch.stack(scores) / self.head_width ** 0.5, 0) @ value[:, part])
            heads.append(torch.stack(rows))
        return self.out_proj(torch.cat(heads, 1))


class PlainAttention(nn.MultiheadAttention):
    def forward(self, x):
        return super().forward(x[None], x[None], x[None], need_weights=False)[0][0]

    def padded(self, x, padding):
        return super().forward(x, x, x, key_padding_mask=padding, need_weights=False)[0]


class Layer(nn.Module):
    def __init__(self, width, heads, hidden, kernel, relative=False, group_norm=False, convolution_first=False):
        super().__init__()
        self.ffn1 = FeedForward(width, hidden)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = RelativeAttention(width, heads) if relative else PlainAttention(width, heads, batch_first=True)
        self.conv_module = Convolution(width, kernel, group_norm)
        self.ffn2 = FeedForward(width, hidden)
        self.final_layer_norm = nn.LayerNorm(width)
        self.convolution_first = convolution_first

    def convolve(self, utterances):
        return [x + y for x, y in zip(utterances, self.conv_module(utterances))]

    def forward(self, utterances):
        utterances = [x + 0.5 * self.ffn1(x) for x in utterances]
        if self.convolution_first:
            utterances = self.convolve(utterances)
        utterances = [x + self.self_attn(self.self_attn_layer_norm(x)) for x in utterances]
        if not self.convolution_first:
            utterances = self.convolve(utterances)
        return [self.final_layer_norm(x + 0.5 * self.ffn2(x)) for x in utterances]

    def convolve_padded(self, x):
        module = self.conv_module
        y = module.sequential[:2](module.layer_norm(x).transpose(1, 2))
        y = module.sequential[2:](nn.functional.pad(y, (module.left, module.right)))
        return x + y.transpose(1, 2)

    def padded(self, x, padding):
        x = x + 0.5 * self.ffn1(x)
        if self.convolution_first:
            x = self.convolve_padded(x)
        x = x + self.self_attn.padded(self.self_attn_layer_norm(x), padding)
        if not self.convolution_first:
            x = self.convolve_padded(x)
        return self.final_layer_norm(x + 0.5 * self.ffn2(x))


class Conformer(nn.Module):
    def __init__(self, layers, **options):
        super().__init__()
        self.conformer_layers = nn.ModuleList(Layer(**options) for _ in range(layers))

    def forward(self, rows):
        utterances = list(rows.split(LENGTHS))
        for layer in self.conformer_layers:
            utterances = layer(utterances)
        return torch.cat(utterances)

    def padded(self, rows):
        x = nn.utils.rnn.pad_sequence(rows.split(LENGTHS), batch_first=True)
        padding = torch.arange(x.shape[1])[None] >= torch.tensor(LENGTHS)[:, None]
        for layer in self.conformer_layers:
            x = layer.padded(x, padding)
        return torch.cat([y[:length] for y, length in zip(x, LENGTHS)])


def randomise(golden, module):
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            owner = module.get_submodule(name.rpartition(".")[0])
            around_one = isinstance(owner, (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d)) and not name.endswith(
                ("bias", "running_mean"))
            drawn = golden.randn(*value.shape, scale=0.4)
            value.copy_(1 + 0.5 * drawn.tanh() if around_one else drawn)
    return module.double()


def add(golden, case, training, padded, layers, **options):
    module = randomise(golden, Conformer(layers, **options)).train(training)
    golden.case(case, training=training, padded=padded, layers=layers, **options)
    for name, value in module.state_dict().items():
        golden.put(f"{case}.state.{name}", value)
    rows = golden.randn(sum(LENGTHS), options["width"])
    golden.put(f"{case}.input", rows)
    golden.put(f"{case}.lengths", torch.tensor(LENGTHS))
    rows = leaf(rows)
    output = module.padded(rows) if padded else module(rows)
    grad_output = golden.randn(*output.shape)
    output.backward(grad_output)
    golden.put(f"{case}.output", output)
    golden.put(f"{case}.grad_output", grad_output)
    golden.put(f"{case}.grad_input", rows.grad)
    for name, parameter in module.named_parameters():
        golden.put(f"{case}.grad.{name}", parameter.grad)
    for name, value in module.named_buffers():
        golden.put(f"{case}.after.{name}", value)


def files():
    golden = Golden("conformer", "Conformers: state, input, output, all gradients, buffers afterwards, float64", seed=11)
    size = dict(width=8, heads=2, hidden=12, kernel=5)
    add(golden, "torchaudio", False, False, 2, **size)
    add(golden, "training", True, False, 1, **size)
    add(golden, "group_norm", False, False, 1, group_norm=True, convolution_first=True, **size)
    add(golden, "padded", True, True, 2, **size)
    add(golden, "padded_group_norm", False, True, 1, group_norm=True, convolution_first=True, **size)
    add(golden, "paper", False, False, 2, relative=True, **dict(size, kernel=4))
    add(golden, "paper_training", True, False, 1, relative=True, **size)
    yield golden
