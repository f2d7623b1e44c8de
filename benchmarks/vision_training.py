"""A training step of VisionTransformer against the same network built from torch's own layers.

The reference is a convolution for the patches and `torch.nn.TransformerEncoder`, pre-norm, with the
same sizes, rate of dropout and optimizer. A round times a step of each on the same batch, by turns
first, so that a slow moment of the machine hits both; what is printed is the median of the rounds'
ratios, above 1 where mdlib is faster.
"""

import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

from mdlib import LpPotential, MirrorDescent
from mdlib.nn import VisionTransformer
from mdlib.train.precision import autocast, choose_precision

PAPER = {"image_size": 48, "patch": 4, "channels": 3, "width": 512, "layers": 6, "heads": 8}
DIGITS = {"image_size": 8, "patch": 2, "channels": 1, "width": 64, "layers": 2, "heads": 4}
CASES = {
    "paper": (PAPER | {"hidden": 512}, 8, 7),  # images in a batch, rounds
    "digits": (DIGITS | {"hidden": 128}, 50, 60),
}


class Reference(nn.Module):
    """The network as one would build it from torch's parts."""

    def __init__(self, image_size, patch, channels, width, layers, heads, hidden, dropout=0.1):
        super().__init__()
        self.embedding = nn.Conv2d(channels, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.randn(width))
        self.positions = nn.Parameter(torch.randn((image_size // patch) ** 2 + 1, width))
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            width, heads, hidden, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.readout = nn.Linear(width, 10)

    def forward(self, images):
        patches = self.embedding(images).flatten(2).mT
        x = torch.cat([self.class_token.expand(len(images), 1, -1), patches], 1) + self.positions
        return self.readout(self.encoder(self.dropout(x))[:, 0])


def step_seconds(model, optimizer, images, labels, device):
    """One training step."""
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    with autocast(choose_precision("auto", device), device):
        logits = model(images)
    F.cross_entropy(logits.float(), labels).backward()
    optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def side_by_side(name, dropout, device):
    """Time both by turns and print the median ratio."""
    sizes, batch_size, rounds = CASES[name]
    if device.type == "cuda":
        batch_size, rounds = 100, 100
    torch.manual_seed(0)
    models = {
        "torch": Reference(**sizes, dropout=dropout),
        "mdlib": VisionTransformer(**sizes, dropout=dropout),
    }
    made = {}
    for label, model in models.items():
        model.to(device)
        made[label] = model, MirrorDescent(model.parameters(), 1e-6, LpPotential(1.1))
    counts = {sum(p.numel() for p in model.parameters()) for model in models.values()}
    assert len(counts) == 1, "these are not the same networks"
    shape = (batch_size, sizes["channels"], sizes["image_size"], sizes["image_size"])
    seconds = {label: [] for label in made}
    for round_ in range(rounds + 2):  # two to warm up
        images, labels = torch.randn(shape).to(device), torch.randint(10, (batch_size,)).to(device)
        for label in sorted(made, reverse=bool(round_ % 2)):
            seconds[label].append(step_seconds(*made[label], images, labels, device))
    kept = {label: spent[2:] for label, spent in seconds.items()}
    ratios = [a / b for a, b in zip(kept["torch"], kept["mdlib"], strict=True)]
    rate = batch_size / statistics.median(kept["mdlib"])
    print(
        f"{name}, dropout {dropout}, {batch_size} images, {device}: mdlib {rate:,.0f} images/s, "
        f"{statistics.median(ratios):.2f} x the reference "
        f"(quartiles {' to '.join(f'{q:.2f}' for q in statistics.quantiles(ratios)[::2])})"
    )


def main():
    """Print the ratios for this machine."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for name in CASES:
        for dropout in (0.0, 0.1):
            side_by_side(name, dropout, device)


if __name__ == "__main__":
    main()
