"""One training step of a BiLSTM tagger in PyTorch, packed or padded: the peer of bench/recurrent_step.

    pip install torch==2.13.0 numpy
    python pytorch_recurrent_step.py [--threads N] [--steps N] [--padded] [--lengths equal] [--cell gru]

Word embedding 100 -> two layers with 200 units for each direction -> Linear 17; 32 sentences of 8 to 31 words, 600 in
all. Cross-entropy, AdamW. Padded runs read the padding too (the other direction begins there, so what they compute is
not the same); their loss leaves it out.
"""

import argparse
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

VOCABULARY, TAGS, SENTENCES, IGNORED = 5000, 17, 32, -100


class Tagger(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, 100)
        self.net = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](100, 200, 2, batch_first=True, bidirectional=True)
        self.output = nn.Linear(400, TAGS)

    def forward(self, ids, lengths, padded):
        x = self.words(ids)
        if padded:
            return self.output(self.net(x)[0])
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.output(pad_packed_sequence(self.net(packed)[0], batch_first=True)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--warmup", type=int, default=5, help="steps before the clock starts")
    parser.add_argument("--padded", action="store_true")
    parser.add_argument("--lengths", choices=("ragged", "equal"), default="ragged")
    parser.add_argument("--cell", choices=("lstm", "gru"), default="lstm")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    lengths = torch.tensor([19 if options.lengths == "equal" else 8 + i * 5 % 24 for i in range(SENTENCES)])
    real = torch.arange(lengths.max()) < lengths[:, None]
    ids = torch.randint(0, VOCABULARY, real.shape)
    tags = torch.randint(0, TAGS, real.shape).masked_fill(~real, IGNORED)
    model = Tagger(options.cell)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)

    times = []
    for step in range(options.warmup + options.steps):
        begin = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids, lengths, options.padded).flatten(0, 1), tags.flatten(), ignore_index=IGNORED)
        loss.backward()
        optimizer.step()
        loss.item()
        if step >= options.warmup:
            times.append(time.perf_counter() - begin)

    median = statistics.median(times)
    print(f"torch {torch.__version__}, {options.threads} threads, {options.cell}, "
          f"{'padded' if options.padded else 'packed'}, {sum(p.numel() for p in model.parameters()):,} parameters")
    print(f"{1e3 * median:.1f} ms per step (median of {len(times)}; fastest {1e3 * min(times):.1f}), "
          f"{int(lengths.sum())} words, {lengths.sum() / median:,.0f} words/s")


if __name__ == "__main__":
    main()
