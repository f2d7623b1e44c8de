"""Margin problems as they are asked: checked, made one batch axis, and answered in their shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.attention.shapes import one_axis
from mdlib.svm.constraints import Constraints
from mdlib.svm.solution import Solution


class MarginProblem(Protocol):
    """Constraints along one batch axis, and the way back to what was asked."""

    @property
    def constraints(self) -> Constraints:
        """Return A w >= b of each problem."""

    def name(self, b: int, row: int) -> str:
        """Name the constraint of a row."""

    def per_constraint(self, x: Tensor, fill: float) -> Tensor:
        """Give numbers of the rows, (B, m), the shape that was asked for."""

    def restore(self, solution: Solution) -> Solution:
        """Give a solution the shape that was asked for."""


class TokenProblem:
    """The constraints of an attention SVM, with the batch axes made one.

    ``tokens`` and ``required`` broadcast against the problem, so that one problem may be asked
    about many selections.
    """

    def __init__(self, problem: AttentionProblem, tokens: Tensor, required: Tensor | None) -> None:
        X, z = problem.X.double(), problem.z.double()
        n, T, d = X.shape[-3:]
        tokens = problem.checked_tokens(tokens)
        there = problem.margins(X.new_zeros(d, d), tokens).isfinite()
        required = _checked_required(required, n, X.device)
        self.batch = torch.broadcast_shapes(there.shape[:-2], required.shape[:-1])  # type: ignore[no-untyped-call]
        _refuse_empty(self.batch)

        X, there, z, tokens, required = (
            one_axis(x, self.batch, axes)
            for x, axes in ((X, 3), (there, 2), (z, 2), (tokens, 1), (required, 1))
        )
        self.T = T
        position = torch.arange(T - 1, device=X.device)
        self.tokens = tokens[..., None]
        self.others = position + (position >= self.tokens)  # every token but the chosen one
        lead = _gather(X, self.tokens) - _gather(X, self.others)
        there = there.gather(-1, self.others)
        empty = ~(lead.any(-1) & z.any(-1)[..., None])
        self._refuse(there & (required[..., None] > 0) & empty, z)
        bound = torch.where(there, required[..., None], -1.0)
        self._refuse_idle(bound)
        self.constraints = Constraints(lead * there[..., None], z, bound)

    def _refuse(self, wrong: Tensor, z: Tensor) -> None:
        """Raise for the first margin that no W can give."""
        for b, i, t in wrong.nonzero()[:1].tolist():
            if not z[b, i].any():
                raise ValueError(
                    f"the query of {self._input(b, i)} is zero, so W cannot reach it: drop it"
                )
            raise ValueError(
                f"{self._input(b, i)} has token {self.others[b, i, t]} equal to its chosen token "
                f"{self.tokens[b, i, 0]}: no W tells them apart. Remove one, or mask it"
            )

    def _refuse_idle(self, bound: Tensor) -> None:
        """Raise for the first problem without a margin to reach; its solution would be W = 0."""
        for b in (~(bound > 0).flatten(1).any(1)).nonzero()[:1, 0].tolist():
            which = f"problem {b}" if self.batch else "the problem"
            raise ValueError(
                f"{which} asks for no margin (one token an input, or none required): W = 0 solves "
                "it, and 0 has no direction"
            )

    def _input(self, b: int, i: int) -> str:
        return _named(self.batch, b, i)

    def name(self, b: int, row: int) -> str:
        """Name the constraint of a row: its input and token."""
        i, t = divmod(row, self.T - 1)
        return f"{self._input(b, i)}, token {self.others[b, i, t]}"

    def per_constraint(self, x: Tensor, fill: float) -> Tensor:
        """Give numbers of the rows, (B, m), the shape (B, n, T); ``fill`` where there is no row."""
        n = self.tokens.shape[-2]
        full = x.new_full((len(x), n, self.T), fill)
        return full.scatter(-1, self.others, x.reshape(len(x), n, -1))

    def restore(self, solution: Solution) -> Solution:
        """Give a solution the shape that was asked for."""
        d = self.constraints.z.shape[-1]
        solution = replace(
            solution,
            weights=solution.weights.reshape(-1, d, d),
            margins=self.per_constraint(solution.margins, torch.inf),
            multipliers=self.per_constraint(solution.multipliers, 0.0),
            support=self.per_constraint(solution.support, False),
        )
        return _with_batch(solution, self.batch)


class SampleProblem:
    """The constraints of a classifier's SVM, with the batch axes made one."""

    def __init__(self, features: Any, labels: Any) -> None:
        x = as_float64("features", features)
        if x.ndim < 2 or 0 in x.shape[-2:]:
            raise ValueError(f"features must have shape (..., n, d), got {tuple(x.shape)}")
        y = as_float64("labels", labels).to(x.device)
        if y.shape != x.shape[:-1]:
            wanted = tuple(x.shape[:-1])
            raise ValueError(f"labels must have shape {wanted}, got {tuple(y.shape)}")
        self.batch = x.shape[:-2]
        _refuse_empty(self.batch)
        rows = (y[..., None] * x).reshape(-1, *x.shape[-2:])
        for b, i in (y.reshape(rows.shape[:-1]).abs() != 1).nonzero()[:1].tolist():
            label = y.reshape(rows.shape[:-1])[b, i]
            raise ValueError(f"{self.name(b, i)} has a label other than -1 or +1 ({label:g})")
        for b, i in (~rows.any(-1)).nonzero()[:1].tolist():
            raise ValueError(
                f"{self.name(b, i)} is all zeros, so its margin is 0 for every v: drop it"
            )
        self.constraints = Constraints(
            rows[:, None], torch.ones_like(rows[:, :1, :1]), torch.ones_like(rows[:, None, :, 0])
        )

    def name(self, b: int, row: int) -> str:
        """Name the constraint of a row: its input."""
        return _named(self.batch, b, row)

    def per_constraint(self, x: Tensor, fill: float) -> Tensor:
        """Return numbers of the rows as they are: every input has its row."""
        return x

    def restore(self, solution: Solution) -> Solution:
        """Give a solution the shape that was asked for."""
        return _with_batch(solution, self.batch)


def _refuse_empty(batch: tuple[int, ...]) -> None:
    if 0 in batch:
        raise ValueError(f"the batch is empty: its axes are {tuple(batch)}")


def _checked_required(required: Tensor | None, n: int, device: torch.device) -> Tensor:
    if required is None:
        return torch.ones(n, dtype=torch.float64, device=device)
    required = torch.as_tensor(required, device=device).double()
    if required.shape[-1:] != (n,):
        raise ValueError(f"required must have shape (..., {n}), got {tuple(required.shape)}")
    outside = ~((required >= 0) & (required <= 1))
    if outside.any():
        raise ValueError(f"required must lie between 0 and 1, got {required[outside][0].item():g}")
    return required


def as_float64(name: str, x: Any) -> Tensor:
    """Return numbers as a float64 tensor; ValueError if one is not finite."""
    tensor = (x if isinstance(x, Tensor) else torch.as_tensor(np.asarray(x))).double()
    if not tensor.isfinite().all():
        where = tuple((~tensor.isfinite()).nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {tensor[where]:g} at {where}")
    return tensor


def _gather(X: Tensor, index: Tensor) -> Tensor:
    """Return the tokens X[b, i, index[b, i, :]]."""
    return X.gather(-2, index[..., None].expand(*index.shape, X.shape[-1]))


def _named(batch: tuple[int, ...], b: int, i: int) -> str:
    """Name an input, and its problem if there is a batch."""
    if not batch:
        return f"input {i}"
    where = tuple(map(int, np.unravel_index(b, batch)))
    return f"problem {where if len(where) > 1 else where[0]}, input {i}"


def _with_batch(solution: Solution, batch: tuple[int, ...]) -> Solution:
    """Replace the one batch axis of all tensors by those of the problem."""
    shaped: dict[str, Any] = {
        name: value.reshape((*batch, *value.shape[1:]))
        for name, value in vars(solution).items()
        if isinstance(value, Tensor)
    }
    return replace(solution, **shaped)
