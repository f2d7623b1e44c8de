"""One run of the sentiment experiment as plain values, and what these values build.

Presets, from the smallest:

``quick``
    20,000 phrases of SST-2 and a small transformer of one layer: seconds an epoch.
``small``
    IMDb cut to 256 tokens, two layers of width 128: minutes an epoch on one core.
``paper``
    The paper's protocol on IMDb, but for a tenth of the reviews that is held out to choose by. It
    takes a GPU, or days.

In the first two, mirror descent takes normalised steps with momentum, which learn sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast

import torch
from torch.optim import Optimizer

from mdlib.nn import TextClassifier
from mdlib.optim import MirrorDescent
from mdlib.potentials import LpPotential
from mdlib.proximal import ProximalSGD
from mdlib.train.options import Options

OPTIMIZERS: dict[str, Callable[[Any, SentimentRun], Optimizer]] = {
    "md": lambda params, run: MirrorDescent(
        params,
        run.lr,
        LpPotential(cast(float, run.p)),
        run.momentum,
        run.weight_decay,
        run.normalize,
    ),
    "sgd": lambda params, run: torch.optim.SGD(params, run.lr, run.momentum),
    "l1": lambda params, run: ProximalSGD(params, run.lr, run.penalty, run.momentum),
    "adam": lambda params, run: torch.optim.Adam(params, run.lr),
    "adamw": lambda params, run: torch.optim.AdamW(params, run.lr, weight_decay=run.weight_decay),
}
# What only some of them have.
OWN = {
    "p": ("md",),
    "normalize": ("md",),
    "momentum": ("md", "sgd", "l1"),
    "penalty": ("l1",),
    "weight_decay": ("md", "adamw"),
}


@dataclass(frozen=True)
class SentimentRun:
    """Everything that determines one run.

    Attributes
    ----------
    data : {"imdb", "sst2"}
    optimizer : {"md", "sgd", "l1", "adam", "adamw"}
        Mirror descent, or a rival: gradient descent, gradient descent with an l_1 penalty, Adam
        without and with decoupled weight decay. All act on all weights.
    p : float or None
        The exponent of "md"; None for the others.
    lr, momentum : float
        Adam has no momentum to choose.
    penalty : float
        The factor of the l_1 norm, above 0, for "l1".
    weight_decay : float
        Of "md", and of "adamw" above 0.
    normalize : bool
        Whether "md" divides each gradient by its dual norm.
    layers, width, heads, hidden, dropout
        Of the `mdlib.nn.TextClassifier`, without biases.
    vocabulary, max_length : int
        Largest number of different tokens, and of tokens in a text.
    subset : int or None
        Train on so many texts only, drawn at random, always the same ones.
    batch_size, epochs, reduction, clip, warmup, schedule, stop_at_accuracy, patience
        As in `mdlib.train.fit`.
    seed : int
        Of the initial weights, the order of the texts, and dropout.

    Raises
    ------
    ValueError
        For values out of range, an optimizer that is unknown or lacks, or does not have, one of
        the values.

    Examples
    --------
    >>> run = SentimentRun.preset("paper", p=1.1, layers=4, seed=7)
    >>> run.lr, run.width, run.batch_size
    (0.001, 384, 100)
    """

    data: Literal["imdb", "sst2"] = "sst2"
    optimizer: str = "md"
    p: float | None = None
    lr: float = 1e-3
    momentum: float = 0.0
    penalty: float = 0.0
    weight_decay: float = 0.0
    normalize: bool = False
    layers: int = 1
    width: int = 64
    heads: int = 4
    hidden: int = 128
    dropout: float = 0.1
    vocabulary: int = 8_000
    max_length: int = 64
    subset: int | None = None
    batch_size: int = 50
    epochs: int = 10
    reduction: Literal["mean", "sum"] = "mean"
    clip: float | None = None
    warmup: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    stop_at_accuracy: float | None = None
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):  # p=2 and p=2.0 are the same run
            value = getattr(self, field.name)
            if "float" in str(field.type) and isinstance(value, int):
                object.__setattr__(self, field.name, float(value))
        if self.data not in ("imdb", "sst2"):
            raise ValueError(f"data must be imdb or sst2, got {self.data!r}")
        if self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS)
            raise ValueError(f"optimizer must be one of {known}; got {self.optimizer!r}")
        for optimizer, name in (("md", "p"), ("l1", "penalty"), ("adamw", "weight_decay")):
            if self.optimizer == optimizer and not getattr(self, name):
                raise ValueError(f"{optimizer} needs a {name}, got {getattr(self, name)}")
        for name, users in OWN.items():
            value = getattr(self, name)
            if value and self.optimizer not in users:
                raise ValueError(
                    f"{self.optimizer} has no {name}, got {value}; leave it out, or take "
                    f"{' or '.join(users)}"
                )
        if self.subset is not None and self.subset < 1:
            raise ValueError(f"subset must be at least 1 text, or None for all; got {self.subset}")
        Options(**fit_options(self), bucket=1, log_every=1)
        with torch.device("meta"):  # sizes and rates are checked where they are used, at no cost
            build_optimizer(self, build_model(self, self.vocabulary))

    @property
    def title(self) -> str:
        """What the run is, in a line."""
        p = "" if self.p is None else f" p={self.p:g}"
        return (
            f"{self.optimizer}{p} lr={self.lr:g} on {self.data}, {self.layers} layers of width "
            f"{self.width}"
        )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> SentimentRun:
        """Return a run with the values of a preset, but for the changes.

        Raises
        ------
        ValueError
            For another name, or where the preset knows no learning rate for the optimizer and p.
        """
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {name!r}")
        optimizer = changes.get("optimizer", cls.optimizer)
        values = {
            key: value
            for key, value in PRESETS[name].items()
            if optimizer in OWN.get(key, OPTIMIZERS)
        }
        run = cls(**{"lr": 1.0} | values | changes)
        if "lr" in changes:
            return run
        known = LEARNING_RATES[name]
        if (optimizer, run.p) not in known:
            pairs = ", ".join(o if p is None else f"{o} with p={p:g}" for o, p in known)
            asked = optimizer if run.p is None else f"{optimizer} with p={run.p:g}"
            raise ValueError(
                f"the preset {name} has no learning rate for {asked}: give lr, or take one of "
                f"{pairs}"
            )
        return replace(run, lr=known[optimizer, run.p])


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"subset": 20_000, "epochs": 3, "momentum": 0.9, "normalize": True},
    "small": {
        "data": "imdb",
        "layers": 2,
        "width": 128,
        "hidden": 256,
        "vocabulary": 10_000,
        "max_length": 256,
        "epochs": 10,
        "momentum": 0.9,
        "normalize": True,
    },
    "paper": {
        "data": "imdb",
        "layers": 3,
        "width": 384,
        "heads": 6,
        "hidden": 1_536,
        "dropout": 0.2,
        "vocabulary": 30_522,
        "max_length": 512,
        "batch_size": 100,
        "epochs": 100,
        "reduction": "sum",
        "stop_at_accuracy": 0.995,
    },
}
REPEATS = {"quick": 1, "small": 3, "paper": 10}

# The paper's own belong to its sum over the batch; the others to the mean.
_ON_THE_MEAN = {
    ("md", 1.1): 2e-3,
    ("md", 2.0): 1e-2,
    ("md", 3.0): 1e-2,
    ("sgd", None): 1e-2,
    ("l1", None): 1e-2,
    ("adam", None): 1e-3,
    ("adamw", None): 1e-3,
}
LEARNING_RATES: dict[str, dict[tuple[str, float | None], float]] = {
    "quick": _ON_THE_MEAN,
    "small": _ON_THE_MEAN,
    "paper": {("md", 1.1): 1e-3, ("md", 2.0): 1e-3, ("md", 3.0): 1e-5},
}


def build_model(run: SentimentRun, vocabulary: int) -> TextClassifier:
    """Return the model with its initial weights, for the number of tokens that there are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        return TextClassifier(
            vocabulary=vocabulary,
            width=run.width,
            layers=run.layers,
            heads=run.heads,
            hidden=run.hidden,
            dropout=run.dropout,
            max_length=run.max_length,
        )


def build_optimizer(run: SentimentRun, model: TextClassifier) -> Optimizer:
    """Return the run's optimizer over all weights."""
    return OPTIMIZERS[run.optimizer](model.parameters(), run)


def fit_options(run: SentimentRun) -> dict[str, Any]:
    """Return those of the run's values that `mdlib.train.fit` takes."""
    names = ("epochs", "batch_size", "seed", "reduction", "clip", "warmup", "schedule")
    return {name: getattr(run, name) for name in (*names, "stop_at_accuracy", "patience")}
