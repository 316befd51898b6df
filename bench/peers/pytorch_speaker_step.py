"""One training step of speaker identification in PyTorch: the peer of bench/speaker_step.

    pip install torch==2.13.0 numpy
    python pytorch_speaker_step.py [--model transformer|conformer] [--width N] [--threads N] [--steps N]
                                   [--crop 0 --shortest N --longest N] [--inference --batch 1]

transformer: the assignment's baseline (Linear 40 -> 80, one TransformerEncoderLayer, mean, two Linears) with its loader:
torch.load of each utterance, a random crop, pad_sequence. conformer: 4 blocks of --width (144) with kernel 31 and dropout
0.1, without relative positions (PyTorch has none ready-made; saw's model has them). 32 crops of 128 frames, 600 speakers.
With --crop 0 whole utterances are padded to the longest of a batch, with the masks that keep padding out of attention,
convolution and mean.
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

FEATURES, SPEAKERS, BATCH, CROP, UTTERANCES = 40, 600, 32, 128, 256


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.prenet = nn.Linear(FEATURES, 80)
        self.encoder = nn.TransformerEncoderLayer(80, 2, 256, 0.1, batch_first=True)
        self.output = nn.Sequential(nn.Linear(80, 80), nn.ReLU(), nn.Linear(80, SPEAKERS))

    def forward(self, x):
        return self.output(self.encoder(self.prenet(x)).mean(1))


class Block(nn.Module):
    def __init__(self, width=144, heads=4, kernel=31, dropout=0.1):
        super().__init__()
        def feed_forward():
            return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Dropout(dropout),
                                 nn.Linear(4 * width, width), nn.Dropout(dropout))
        self.first, self.last = feed_forward(), feed_forward()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.convolution_norm = nn.LayerNorm(width)
        self.convolution = nn.Sequential(
            nn.Conv1d(width, 2 * width, 1), nn.GLU(1), nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width),
            nn.BatchNorm1d(width), nn.SiLU(), nn.Conv1d(width, width, 1), nn.Dropout(dropout))
        self.norm = nn.LayerNorm(width)

    def forward(self, x, padding=None):
        x = x + 0.5 * self.first(x)
        y = self.attention_norm(x)
        x = x + self.dropout(self.attention(y, y, y, key_padding_mask=padding, need_weights=False)[0])
        y = self.convolution_norm(x)
        if padding is not None:
            y = y.masked_fill(padding.unsqueeze(2), 0)
        x = x + self.convolution(y.transpose(1, 2)).transpose(1, 2)
        return self.norm(x + 0.5 * self.last(x))


class Conformer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.prenet = nn.Linear(FEATURES, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(4))
        self.output = nn.Sequential(nn.ReLU(), nn.Linear(width, SPEAKERS))

    def forward(self, x, padding=None):
        x = self.prenet(x)
        for block in self.blocks:
            x = block(x, padding)
        if padding is None:
            return self.output(x.mean(1))
        real = (~padding).unsqueeze(2)
        return self.output((x * real).sum(1) / real.sum(1))


def load_batch(folder, generator, count, crop):
    """Frames (B, T, 40), which of them are padding (None where none can be), speakers."""
    crops, speakers = [], []
    for _ in range(count):
        i = generator.randrange(UTTERANCES)
        frames = torch.load(folder / f"uttr-{i}.pt")
        if crop > 0:
            start = generator.randint(0, len(frames) - crop)
            frames = frames[start:start + crop]
        crops.append(frames)
        speakers.append(i % SPEAKERS)
    frames = nn.utils.rnn.pad_sequence(crops, batch_first=True, padding_value=-20)
    lengths = torch.tensor([len(one) for one in crops])
    padding = torch.arange(frames.shape[1]) >= lengths.unsqueeze(1) if crop == 0 and count > 1 else None
    return frames, padding, torch.tensor(speakers)


def main():
    parser = argparse.ArgumentParser(description="Times training steps of speaker identification in PyTorch.")
    parser.add_argument("--model", choices=["transformer", "conformer"], default="transformer")
    parser.add_argument("--width", type=int, default=144, help="of the conformer")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=20, help="a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--crop", type=int, default=CROP, help="frames of each; 0: whole utterances")
    parser.add_argument("--shortest", type=int, default=200, help="frames of a file, at least")
    parser.add_argument("--longest", type=int, default=1100, help="frames of a file, below that")
    parser.add_argument("--inference", action="store_true", help="scores instead of training steps")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    generator = random.Random(1)
    model = Transformer() if options.model == "transformer" else Conformer(options.width)
    model.train(not options.inference)
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(UTTERANCES):
            torch.save(torch.randn(generator.randrange(options.shortest, options.longest), FEATURES), folder / f"uttr-{i}.pt")

        def step():
            frames, padding, speakers = load_batch(folder, generator, options.batch, options.crop)
            inputs = (frames,) if padding is None else (frames, padding)
            if options.inference:
                with torch.inference_mode():
                    return model(*inputs)
            loss = nn.functional.cross_entropy(model(*inputs), speakers)
            adam.zero_grad()
            loss.backward()
            adam.step()

        for _ in range(options.steps):
            step()
        rounds = []
        for _ in range(options.rounds):
            begin = time.perf_counter()
            for _ in range(options.steps):
                step()
            rounds.append((time.perf_counter() - begin) / options.steps)
    print(f"torch {torch.__version__}, {options.threads} threads, {options.model}, "
          f"{sum(p.numel() for p in model.parameters())} parameters")
    print(f"step {1e3 * statistics.median(rounds):8.2f} ms ({1e3 * min(rounds):.2f} to {1e3 * max(rounds):.2f})")


if __name__ == "__main__":
    main()
