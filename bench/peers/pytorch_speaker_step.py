"""One training step of speaker identification in PyTorch: the peer of bench/speaker_step.

    pip install torch==2.13.0 numpy
    python pytorch_speaker_step.py [--model transformer|conformer] [--width N] [--threads N] [--steps N]

transformer: the assignment's baseline (Linear 40 -> 80, one TransformerEncoderLayer, mean, two Linears) with its loader:
torch.load of each utterance, a random crop, pad_sequence. conformer: 4 blocks of --width (144) with kernel 31 and dropout
0.1, without relative positions (PyTorch has none ready-made; saw's model has them). 32 crops of 128 frames, 600 speakers.
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

    def forward(self, x):
        x = x + 0.5 * self.first(x)
        y = self.attention_norm(x)
        x = x + self.dropout(self.attention(y, y, y, need_weights=False)[0])
        x = x + self.convolution(self.convolution_norm(x).transpose(1, 2)).transpose(1, 2)
        return self.norm(x + 0.5 * self.last(x))


class Conformer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.prenet = nn.Linear(FEATURES, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(4)))
        self.output = nn.Sequential(nn.ReLU(), nn.Linear(width, SPEAKERS))

    def forward(self, x):
        return self.output(self.blocks(self.prenet(x)).mean(1))


def load_batch(folder, generator):
    crops, speakers = [], []
    for _ in range(BATCH):
        i = generator.randrange(UTTERANCES)
        frames = torch.load(folder / f"uttr-{i}.pt")
        start = generator.randint(0, len(frames) - CROP)
        crops.append(frames[start:start + CROP])
        speakers.append(i % SPEAKERS)
    return nn.utils.rnn.pad_sequence(crops, batch_first=True, padding_value=-20), torch.tensor(speakers)


def main():
    parser = argparse.ArgumentParser(description="Times training steps of speaker identification in PyTorch.")
    parser.add_argument("--model", choices=["transformer", "conformer"], default="transformer")
    parser.add_argument("--width", type=int, default=144, help="of the conformer")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=20, help="a round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    generator = random.Random(1)
    model = Transformer() if options.model == "transformer" else Conformer(options.width)
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(UTTERANCES):
            torch.save(torch.randn(generator.randrange(200, 1100), FEATURES), folder / f"uttr-{i}.pt")

        def step():
            frames, speakers = load_batch(folder, generator)
            loss = nn.functional.cross_entropy(model(frames), speakers)
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
