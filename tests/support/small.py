"""A training that takes a fraction of a second and uses everything that a restart must restore."""

import torch

from mdlib import LpPotential, MirrorDescent
from mdlib.nn import TextClassifier
from mdlib.train import Sequences, fit

SIZES = {"vocabulary": 30, "width": 8, "layers": 2, "heads": 2, "hidden": 16, "max_length": 12}


def sentences(count, seed):
    """Sequences of 1 to 12 tokens; the label is whether token 7 is among the first four."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 13, (count,), generator=draw)
    ids = [torch.randint(1, 30, (int(length),), generator=draw) for length in lengths]
    ids = [torch.where(torch.rand(one.shape, generator=draw) < 0.1, 7, one) for one in ids]
    return Sequences(ids, torch.tensor([int((one[:4] == 7).any()) for one in ids]))


def classifier(dropout=0.2, seed=0):
    torch.manual_seed(seed)
    return TextClassifier(**SIZES, dropout=dropout)


def train(directory=None, model=None, optimizer=None, data=None, **options):
    """Dropout, momentum in the dual, clipping, a schedule, validation, an uneven last batch."""
    model = model or classifier()
    if optimizer is None:
        optimizer = MirrorDescent(model.parameters(), 0.01, LpPotential(1.5), momentum=0.9)
    defaults = {
        "epochs": 3,
        "batch_size": 10,
        "validation": sentences(30, seed=2),
        "reduction": "sum",
        "clip": 20.0,
        "warmup": 5,
        "schedule": "cosine",
        "bucket": 2,
        "log_every": 4,
        "checkpoint_steps": 5,
        "progress": False,
    }
    data = data or sentences(61, seed=1)
    return fit(model, data, optimizer, directory=directory, **defaults | options), model
