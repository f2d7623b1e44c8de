"""A run as plain values, its name and its folder; and what runs on text and images share."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn

from mdlib.data import Part
from mdlib.runs.optimizers import OPTIMIZERS, OWN, OptimizerChoice, build_optimizer
from mdlib.train.directory import Which, described
from mdlib.train.examples import Examples
from mdlib.train.options import Options, plain_number


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Options, OptimizerChoice, ABC):
    """Everything that determines one run; what it reads and trains, a subclass knows.

    Beside its own attributes it has those of `OptimizerChoice` and of `mdlib.train.Options`.

    Attributes
    ----------
    data : str
        Data set.
    layers : int
        Number of transformer blocks.
    width : int
        Entries of a token.
    heads : int
        Attention heads in a block.
    hidden : int
        Width of a block's perceptron.
    dropout : float
        Rate.
    subset : int or None
        Train on so many examples only, drawn at random, always the same ones.

    Raises
    ------
    ValueError
        For values out of range, an optimizer that is unknown or lacks, or does not have, one of
        the values.
    """

    data: str
    layers: int = 1
    width: int = 64
    heads: int = 4
    hidden: int = 128
    dropout: float = 0.1
    subset: int | None = None
    batch_size: int = 50
    epochs: int = 10

    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    learning_rates: ClassVar[Mapping[str, Mapping[tuple[str, float | None], float]]]

    def __post_init__(self) -> None:
        for name, (plain, _) in field_types(type(self)).items():  # p=2 and p=2.0 are the same run
            value = plain_number(getattr(self, name))
            if plain is float and isinstance(value, int):
                value = float(value)
            object.__setattr__(self, name, value)
        data_sets = field_types(type(self))["data"][1]
        if self.data not in data_sets:
            raise ValueError(f"data must be {' or '.join(data_sets)}, got {self.data!r}")
        if self.subset is not None and self.subset < 1:
            raise ValueError(f"subset must be at least 1, or None for all; got {self.subset}")
        OptimizerChoice.__post_init__(self)
        Options.__post_init__(self)
        with torch.device("meta"):  # sizes and rates are checked where they are used, at no cost
            build_optimizer(self, self.sketch())

    # ---- what a subclass knows ------------------------------------------------------------------

    @abstractmethod
    def sketch(self) -> nn.Module:
        """Return a network of the run's sizes, to see whether they make one and what it costs."""

    @abstractmethod
    def example(self, tokens: int) -> Tensor:
        """Return an example, all zeros, of which the network makes so many tokens: a batch of 1."""

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

    @abstractmethod
    def load_trained(self, directory: str | os.PathLike[str], which: Which = "best") -> nn.Module:
        """Return the trained network in evaluation mode, on the CPU.

        Raises
        ------
        FileNotFoundError
            If the run was not trained in the directory.
        """

    def save_reader(self, directory: str | os.PathLike[str]) -> None:
        """Keep with the run what its network reads with; images need nothing beside the weights."""

    @abstractmethod
    def tokens(self, examples: Examples) -> Tensor:
        """Return how many tokens the network makes of each example, int (N,)."""

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


@cache
def field_types(kind: type[TrainingRun]) -> dict[str, tuple[type, tuple[str, ...]]]:
    """Return the plain type of each field, and the words that it may be, if these are listed.

    Examples
    --------
    >>> from mdlib.studies.text import SentimentRun
    >>> types = field_types(SentimentRun)
    >>> types["clip"], types["reduction"]
    ((<class 'float'>, ()), (<class 'str'>, ('mean', 'sum')))
    """
    hints = get_type_hints(kind)
    found: dict[str, tuple[type, tuple[str, ...]]] = {}
    for field in fields(kind):
        hint = hints[field.name]
        if get_origin(hint) is Literal:
            found[field.name] = (str, get_args(hint))
        else:  # float, or float | None
            found[field.name] = (next(iter(get_args(hint)), hint), ())
    return found


def describe_run(run: Any) -> dict[str, Any]:
    """Return what a run is: the name of its class, and its values.

    Raises
    ------
    TypeError
        If it is no dataclass of finite values that JSON can hold.
    """
    if not is_dataclass(run) or isinstance(run, type):
        raise TypeError(f"a run must be a dataclass such as SentimentRun(...), got {run!r}")
    found = {"kind": type(run).__name__, **asdict(run)}
    try:
        described(found)
    except (TypeError, ValueError) as error:
        raise TypeError(f"a run must hold plain finite values only, got {run!r}: {error}") from None
    return found


def run_directory(run: Any, folder: str | Path) -> Path:
    """Return where a run's files are, named by a hash of its class and its values.

    Raises
    ------
    TypeError
        If the run is no dataclass of values that JSON can hold.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Division:
    ...     a: float
    ...     b: float
    >>> run_directory(Division(1.0, 2.0), "divisions").name
    '0e52a8e40b5cdac3'
    """
    name = hashlib.sha256(described(describe_run(run)).encode()).hexdigest()[:16]
    return Path(folder).expanduser() / name
