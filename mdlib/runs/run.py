"""A run of training as plain values: what runs on text and on images have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from mdlib.runs.optimizers import OPTIMIZERS, OWN, build_optimizer, check_choice
from mdlib.train import Examples
from mdlib.train.options import Options

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class TrainingRun(ABC):
    """Everything that determines one run; what it reads and trains, a subclass knows.

    Attributes
    ----------
    data : str
        One of the subclass's ``data_sets``.
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
        Of the network's blocks, see `mdlib.nn.Block`.
    subset : int or None
        Train on so many examples only, drawn at random, always the same ones.
    batch_size, epochs, reduction, clip, warmup, schedule, stop_at_accuracy, patience
        As in `mdlib.train.fit`.
    seed : int
        Of the initial weights, the order of the examples, and dropout.

    Raises
    ------
    ValueError
        For values out of range, an optimizer that is unknown or lacks, or does not have, one of
        the values.
    """

    data: str
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

    data_sets: ClassVar[Sequence[str]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    repeats: ClassVar[Mapping[str, int]]  # seeds of a sweep, by preset
    learning_rates: ClassVar[Mapping[str, Mapping[tuple[str, float | None], float]]]

    def __post_init__(self) -> None:
        for field in fields(self):  # p=2 and p=2.0 are the same run
            value = getattr(self, field.name)
            if "float" in str(field.type) and isinstance(value, int):
                object.__setattr__(self, field.name, float(value))
        if self.data not in self.data_sets:
            raise ValueError(f"data must be {' or '.join(self.data_sets)}, got {self.data!r}")
        check_choice(self)
        if self.subset is not None and self.subset < 1:
            raise ValueError(f"subset must be at least 1, or None for all; got {self.subset}")
        Options(**fit_options(self), bucket=1, log_every=1)
        with torch.device("meta"):  # sizes and rates are checked where they are used, at no cost
            build_optimizer(self, self.sketch())

    # ---- what a subclass knows ------------------------------------------------------------------

    @abstractmethod
    def sketch(self) -> nn.Module:
        """Return a network of the run's sizes, to see whether they make one."""

    @property
    @abstractmethod
    def source(self) -> Hashable:
        """What the run reads: equal for runs that read the same."""

    @abstractmethod
    def prepare(self) -> None:
        """Fetch and convert what the run reads, so that `load` finds it.

        Raises
        ------
        UnavailableError
            If the data are not here and cannot be fetched.
        """

    @abstractmethod
    def load(self, parts: Sequence[Part]) -> tuple[nn.Module, dict[Part, Examples]]:
        """Return the network with its initial weights, and the parts of the data set.

        Raises
        ------
        UnavailableError
            If the data are not here and cannot be fetched.
        """

    def save_reader(self, directory: Path) -> None:  # noqa: B027
        """Keep with the run what its network reads with; images need nothing beside the weights."""

    @abstractmethod
    def tokens(self, examples: Examples) -> Tensor:
        """Return how many tokens the network makes of each example, int (N,)."""

    @abstractmethod
    def outer_operations(self, tokens: int) -> int:
        """Count the operations of a forward pass before and after the blocks, for one example."""

    # ---- what they share ------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """What the run is, in a line."""
        p = "" if self.p is None else f" p={self.p:g}"
        return (
            f"{self.optimizer}{p} lr={self.lr:g} on {self.data}, {self.layers} layers of width "
            f"{self.width}"
        )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """Return a run with the values of a preset, but for the changes.

        Raises
        ------
        ValueError
            For another name, or where the preset knows no learning rate for the optimizer and p.
        """
        if name not in cls.presets:
            raise ValueError(f"preset must be one of {', '.join(cls.presets)}; got {name!r}")
        optimizer = changes.get("optimizer", cls.optimizer)
        values = {
            key: value
            for key, value in cls.presets[name].items()
            if optimizer in OWN.get(key, OPTIMIZERS)
        }
        run = cls(**{"lr": 1.0} | values | changes)
        if "lr" in changes:
            return run
        known = cls.learning_rates[name]
        if (optimizer, run.p) not in known:
            pairs = ", ".join(o if p is None else f"{o} with p={p:g}" for o, p in known)
            asked = optimizer if run.p is None else f"{optimizer} with p={run.p:g}"
            raise ValueError(
                f"the preset {name} has no learning rate for {asked}: give lr, or take one of "
                f"{pairs}"
            )
        return replace(run, lr=known[optimizer, run.p])

    @contextmanager
    def initial_weights(self) -> Iterator[None]:
        """Draw from the run's seed inside, and leave the caller's generator as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            yield

    def training_rows(self, count: int) -> Tensor | None:
        """Return which of so many examples the run trains on; None for all.

        Raises
        ------
        ValueError
            If its subset is larger.
        """
        if self.subset is None:
            return None
        if self.subset > count:
            raise ValueError(
                f"subset={self.subset} is more than the {count} examples; leave it out"
            )
        draw = torch.Generator().manual_seed(0)
        return torch.randperm(count, generator=draw)[: self.subset]


def fit_options(run: TrainingRun) -> dict[str, Any]:
    """Return those of the run's values that `mdlib.train.fit` takes."""
    names = ("epochs", "batch_size", "seed", "reduction", "clip", "warmup", "schedule")
    return {name: getattr(run, name) for name in (*names, "stop_at_accuracy", "patience")}
