"""Models for two processes: one with parameters that no step or only some use, and BatchNorm."""

import torch
from torch import nn

from mdlib.train import Arrays, fit


class Idle(nn.Module):
    """Adds ``rare`` where a batch has a large entry, and never uses ``idle``."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.used, self.rare, self.idle = nn.Linear(4, 2), nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        out = self.used(x)
        large = (x > 2).any(1, keepdim=True)
        return out + large * self.rare(x) if large.any() else out


def points():
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(61, 4, generator=draw)
    return Arrays(x, (x.sum(1) > 0).long())


def train(directory, model=None):
    """What the weights are after two epochs with weight decay, which idle ones do not have."""
    model = model or Idle()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, weight_decay=0.1)
    fit(
        model,
        points(),
        optimizer,
        epochs=2,
        batch_size=10,
        directory=directory,
        progress=False,
    )
    return model.state_dict()


def with_norms():
    models = {
        name: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        for name in ("trains", "whole", "frozen")
    }
    models["whole"].eval()
    models["frozen"][1].eval()
    return models


def refused(model):
    try:
        train(None, model)
    except ValueError as error:
        return str(error)
    return ""
