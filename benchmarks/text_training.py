"""A training step of TextClassifier on real reviews, against the plain way of writing it.

On a CPU: width 384, 3 layers, 16 IMDb reviews of at most 512 tokens in batches of an epoch as
`mdlib.train` draws them, from its shortest to its longest. "Plain" has the same weights and writes
attention out with torch.bmm, exp and sum, on reviews all padded to 512; "torch.softmax" is the same
with the library's softmax. A round times each on the same batch, so that a slow moment of the
machine hits all; the losses have to agree.

On a GPU: tokens a second of a whole training step in bfloat16, and which fraction of the card's
peak the arithmetic on real tokens makes.
"""

import copy
import statistics
import time

import torch
from torch.nn import functional as F

from mdlib import LpPotential, MirrorDescent
from mdlib.data.text import Tokenizer, load_imdb
from mdlib.nn import TextClassifier
from mdlib.train import Sequences
from mdlib.train.batches import epoch_batches
from mdlib.train.evaluation import at_least_single
from mdlib.train.precision import autocast, choose_precision

LENGTH, REVIEWS = 512, 2_000
# Dense bfloat16 peaks in TFLOP/s, from the makers' data sheets.
PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "A10": 125}


def reviews():
    """Real reviews as ids, a part of the training set."""
    train, _ = load_imdb()
    tokenizer = Tokenizer.train(train.texts)
    return Sequences(tokenizer.encode(train.texts[:REVIEWS], LENGTH), train.labels[:REVIEWS])


# ---- three ways to write a step -----------------------------------------------------------------


def written_out(scores):
    """Softmax as in the textbook."""
    e = torch.exp(scores - scores.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


def plain(model, ids, softmax):
    """The logits with every product written out, for every token of every layer."""
    ids = F.pad(ids, (0, LENGTH - ids.shape[1]))
    B, T = ids.shape
    mask = torch.zeros(B, 1, T).masked_fill((ids == 0)[:, None], -torch.inf)
    x = model.tokens(ids) + model.positions(torch.arange(T))
    for block in model.blocks:
        heads = block.attention.heads
        drop = model.training * block.attention.dropout
        query, key, value = (
            part.view(B, T, heads, -1).transpose(1, 2).reshape(B * heads, T, -1)
            for part in block.attention.qkv(x).chunk(3, -1)
        )
        scores = torch.bmm(query, key.transpose(1, 2)) / query.shape[-1] ** 0.5
        scores = scores + mask.repeat_interleave(heads, 0)
        mixed = torch.bmm(F.dropout(softmax(scores), drop), value)
        mixed = mixed.view(B, heads, T, -1).transpose(1, 2).reshape(B, T, -1)
        x = block.attention_norm(x + block.dropout(block.attention.out(mixed)))
        x = block.mlp_norm(x + block.dropout(block.mlp(x)))
    return model.readout(x[:, 0]).flatten()


WAYS = {
    "plain": lambda model, ids: plain(model, ids, written_out),
    "torch.softmax": lambda model, ids: plain(model, ids, lambda scores: scores.softmax(-1)),
    "mdlib": lambda model, ids: model(ids),
}


def step(way, model, optimizer, batch):
    """One training step: its seconds and its loss."""
    (ids,), labels = batch
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss = F.binary_cross_entropy_with_logits(way(model, ids), labels.float(), reduction="sum")
    loss.backward()
    optimizer.step()
    return time.perf_counter() - start, loss.item()


def side_by_side(examples, dropout, batch_size=16, rounds=7):
    """Time the ways on batches of an epoch, evenly spread from short to long."""
    torch.manual_seed(0)
    start = TextClassifier(dropout=dropout)
    made = {}
    for name in WAYS:
        model = copy.deepcopy(start)
        made[name] = model, MirrorDescent(model.parameters(), 1e-6, LpPotential(1.1))
    batches = epoch_batches(examples.lengths, batch_size, seed=0, epoch=0)
    batches.sort(key=lambda batch: int(examples.lengths[batch].sum()))
    seconds, gap, tokens = {name: [] for name in WAYS}, 0.0, 0
    for round_ in range(rounds + 1):
        middle = (max(round_, 1) - 0.5) / rounds  # of the r-th part of the epoch
        batch = examples.collate(batches[int(middle * len(batches))])
        found = {name: step(way, *made[name], batch) for name, way in WAYS.items()}
        if round_ == 0:  # the first step makes the optimizers' state
            continue
        losses = [loss for _, loss in found.values()]
        gap = max(gap, (max(losses) - min(losses)) / max(losses))
        tokens += int((batch[0][0] != 0).sum())
        for name, (spent, _) in found.items():
            seconds[name].append(spent)
    print(
        f"dropout {dropout}: {rounds} batches of {batch_size} reviews, "
        f"{tokens / rounds / batch_size:.0f} tokens a review, {torch.get_num_threads()} threads"
    )
    whole = sum(seconds["mdlib"])
    for name, spent in seconds.items():
        middle = statistics.median(a / b for a, b in zip(spent, seconds["mdlib"], strict=True))
        print(
            f"{name:<14}{sum(spent) / rounds:8.2f} s a step{sum(spent) / whole:7.1f} x in all"
            f"{middle:7.1f} x in the median batch"
        )
    if dropout == 0:
        print(f"largest relative difference of the losses: {gap:.1e}")
        assert gap < 1e-5, "the ways disagree"


# ---- a GPU --------------------------------------------------------------------------------------


def useful_flops(model, lengths):
    """Multiplications and additions that a step needs for tokens that are there.

    Twice a weight for each token forward, twice that backward; the last layer needs queries,
    output and perceptron of the first token alone.
    """
    total = 0.0
    for i, block in enumerate(model.blocks):
        width = block.attention.out.in_features
        asked = torch.ones_like(lengths) if i == len(model.blocks) - 1 else lengths
        per_asked = 2 * width**2 + 2 * width * block.mlp[0].out_features
        products = lengths * 2 * width**2 + asked * per_asked + 2 * asked * lengths * width
        total += 6.0 * float(products.sum())
    return total


def throughput(examples, device, batch_size=100, steps=60, **sizes):
    """Tokens a second, and the fraction of the peak."""
    torch.manual_seed(0)
    model = TextClassifier(**sizes).to(device)
    optimizer = MirrorDescent(model.parameters(), 1e-6, LpPotential(1.1))
    precision = choose_precision("auto", device)
    batches = epoch_batches(examples.lengths, batch_size, seed=0, epoch=0)
    tokens, flops, start = 0, 0.0, 0.0
    for number in range(-len(batches), steps):  # an epoch first, for every shape to be met once
        if number == 0:
            synchronize(device)
            start = time.perf_counter()
        chosen = batches[number % len(batches)]
        (ids,), labels = examples.collate(chosen)
        optimizer.zero_grad(set_to_none=True)
        with autocast(precision, device):
            logits = at_least_single(model(ids.to(device, non_blocking=True)))
        labels = labels.to(device, logits.dtype, non_blocking=True)
        F.binary_cross_entropy_with_logits(logits, labels, reduction="sum").backward()
        optimizer.step()
        if number >= 0:
            tokens += int(examples.lengths[chosen].sum())
            flops += useful_flops(model, examples.lengths[chosen])
    synchronize(device)
    spent = time.perf_counter() - start
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    peak = next((peak for card, peak in PEAKS.items() if card in name), None)
    share = f", {flops / spent / peak / 1e12:.1%} of the card's peak" if peak else ""
    print(
        f"{name}, {precision}, {len(model.blocks)} layers: {tokens / spent:,.0f} tokens/s, "
        f"{flops / spent / 1e12:.2f} TFLOP/s{share}"
    )


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main():
    """Print the report for this machine."""
    examples = reviews()
    if torch.cuda.is_available():
        for layers in (3, 6):
            throughput(examples, torch.device("cuda"), layers=layers)
    else:
        side_by_side(examples, dropout=0.0)
        side_by_side(examples, dropout=0.2, rounds=3)


if __name__ == "__main__":
    main()
