"""One training step of a part-of-speech tagger in PyTorch, with padded batches: the peer of bench/train_step.

    pip install torch==2.13.0 numpy
    python pytorch_train_step.py [--threads N] [--steps N] [--words N] [--bucketed] [--seed N]

Word embedding 96 and a character CNN (embedding 32, widths 3 and 5 with 64 channels each, maximum over the word; every
distinct word of a batch once) -> Linear 192 -> 2 blocks of convolution, self-attention and feed-forward, each pre-norm,
with dropout and a residual -> Linear 17. Cross-entropy with label smoothing, AdamW. The text is random; its sentences
have 1 to 40 words, 16 on average, and its words follow Zipf's law, as in English. Reading and batching are not timed.
"""

import argparse
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

WORDS, CHARACTERS, TAGS = 10_000, 100, 17
WORD_WIDTH, CHARACTER_WIDTH, CHANNELS, WIDTH, HEADS, FEED_FORWARD = 96, 32, 64, 192, 4, 384
PADDING, IGNORED, DROPOUT = 0, -100, 0.33


class CharacterCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(CHARACTERS, CHARACTER_WIDTH, padding_idx=PADDING)
        self.convolutions = nn.ModuleList(nn.Conv1d(CHARACTER_WIDTH, CHANNELS, w, padding=w // 2) for w in (3, 5))

    def forward(self, spellings):  # (U, L) -> (U, 2 * CHANNELS)
        padding = (spellings == PADDING).unsqueeze(1)
        x = self.embedding(spellings).transpose(1, 2)
        pooled = [conv(x).masked_fill(padding, -torch.inf).amax(2) for conv in self.convolutions]
        return F.relu(torch.cat(pooled, 1))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.convolution = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)
        self.in_projection = nn.Linear(WIDTH, 3 * WIDTH)
        self.out_projection = nn.Linear(WIDTH, WIDTH)
        self.linear1 = nn.Linear(WIDTH, FEED_FORWARD)
        self.linear2 = nn.Linear(FEED_FORWARD, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)

    def attention(self, x, real):
        batch, length, _ = x.shape
        heads = self.in_projection(x).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads, attn_mask=real[:, None, None, :])
        return self.out_projection(mixed.transpose(1, 2).reshape(batch, length, WIDTH))

    def forward(self, x, real):  # (B, T, WIDTH), (B, T)
        # padding is set to zero, or the convolution would carry it into the last words
        rows = self.norms[0](x).masked_fill(~real.unsqueeze(2), 0).transpose(1, 2)
        x = x + self.dropout(F.relu(self.convolution(rows)).transpose(1, 2))
        x = x + self.dropout(self.attention(self.norms[1](x), real))
        return x + self.dropout(self.linear2(self.dropout(F.relu(self.linear1(self.norms[2](x))))))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS, WORD_WIDTH, padding_idx=PADDING)
        self.characters = CharacterCnn()
        self.project = nn.Linear(WORD_WIDTH + 2 * CHANNELS, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self.tags = nn.Linear(WIDTH, TAGS)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, words, spellings, spelling_of):
        real = words != PADDING
        x = torch.cat([self.words(words), self.characters(spellings)[spelling_of]], 2)
        x = self.project(self.dropout(x))
        for block in self.blocks:
            x = block(x, real)
        return self.tags(self.norm(x))


def uniform(*shape):
    return torch.rand(shape)


def random_lengths(words_per_batch, batches, bucketed):
    """Lists of sentence lengths, one per batch, each with words_per_batch words in all."""
    lengths = [min(40, 1 + int(40 * u ** 1.6)) for u in uniform(words_per_batch * batches).tolist()]  # 16 on average
    lengths = lengths[:next(n for n in range(len(lengths)) if sum(lengths[:n]) >= words_per_batch * batches)]
    if bucketed:
        lengths.sort()
    result = [[] for _ in range(batches)]
    for batch in result:
        left = words_per_batch
        while left > 0:  # the last sentence goes on in the next batch
            length = min(lengths[0], left)
            batch.append(length)
            left -= length
            lengths[0] -= length
            if lengths[0] == 0:
                lengths.pop(0)
    return result


def random_batch(lengths):
    """Word ids (B, T), spellings of the distinct words (U, L), which spelling each word has (B, T); and tags (B, T)."""
    words = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, length in zip(words, lengths):
        row[:length] = (WORDS ** uniform(length)).long().clamp(1, WORDS - 1)  # Zipf: the rank's logarithm is uniform
    tags = torch.randint(0, TAGS, words.shape).masked_fill(words == PADDING, IGNORED)
    distinct, spelling_of = words.unique(return_inverse=True)
    letters = 1 + (uniform(len(distinct)) * 7 + uniform(len(distinct)) * 7).long()
    spellings = torch.randint(1, CHARACTERS, (len(distinct), letters.max()))
    spellings[torch.arange(spellings.shape[1]) >= letters.unsqueeze(1)] = PADDING
    return (words, spellings, spelling_of), tags


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=40, help="timed steps")
    parser.add_argument("--warmup", type=int, default=10, help="steps before the clock starts")
    parser.add_argument("--words", type=int, default=2000, help="words per batch")
    parser.add_argument("--batches", type=int, default=8, help="different batches, used in turn")
    parser.add_argument("--bucketed", action="store_true", help="put sentences of similar length into one batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inference", action="store_true", help="one sentence of --words words, without training")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    lengths = random_lengths(options.words, options.batches, options.bucketed)
    if options.inference:
        lengths = [[options.words]] * options.batches
    batches = [random_batch(batch) for batch in lengths]
    model = Tagger().train(not options.inference)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01, fused=True)

    times, losses = [], []
    for step in range(options.warmup + options.steps):
        inputs, tags = batches[step % len(batches)]
        begin = time.perf_counter()
        if options.inference:
            with torch.inference_mode():
                model(*inputs)
            losses.append(0.0)
            if step >= options.warmup:
                times.append(time.perf_counter() - begin)
            continue
        optimizer.zero_grad()
        logits = model(*inputs)
        loss = F.cross_entropy(logits.flatten(0, 1), tags.flatten(), ignore_index=IGNORED, label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step >= options.warmup:
            times.append(time.perf_counter() - begin)

    sentences = statistics.mean(len(batch) for batch in lengths)
    filled = statistics.mean(options.words / inputs[0].numel() for inputs, _ in batches)
    distinct = statistics.mean(len(inputs[1]) for inputs, _ in batches)
    median = statistics.median(times)
    print(f"torch {torch.__version__}, {options.threads} threads, {sum(p.numel() for p in model.parameters()):,} parameters")
    print(f"batch: {options.words} words, {sentences:.0f} sentences, {distinct:.0f} distinct words, "
          f"{100 * filled:.0f} % of the padded rows are words")
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    print(f"{1e3 * median:.1f} ms per step (median of {len(times)}; fastest {1e3 * min(times):.1f}), "
          f"{options.words / median:,.0f} words/s")


if __name__ == "__main__":
    main()
