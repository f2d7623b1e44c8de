"""Margin problems as they are asked: checked, made one batch axis, and answered in their shapes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.attention.shapes import one_axis


class MarginProblem:
    r"""A batch of problems: the smallest w with :math:`A w \ge b`, and the way back to the asker.

    The matrix A is never formed. Row r of input i is the outer product :math:`x_{ir} z_i^\top`.

    Attributes
    ----------
    x : Tensor (B, n, R, d)
    z : Tensor (B, n, k)
    bound : Tensor (B, n R)
        The margin that is required, from 0 (it must not be negative) to 1; -1 where there is no
        constraint.
    batch, weight, rows : tuple of int
        The shapes that were asked for: of the batch, of a weight, and of what there is per
        constraint.
    remedy : str
        What to do where no weights reach the margins.
    """

    remedy: ClassVar[str]
    x: Tensor
    z: Tensor
    bound: Tensor
    batch: tuple[int, ...]
    weight: tuple[int, ...]
    rows: tuple[int, ...]

    def name(self, b: int, row: int) -> str:
        """Name the constraint of a row."""
        raise NotImplementedError

    def _input(self, b: int, i: int) -> str:
        """Name an input, and its problem if there is a batch."""
        if not self.batch:
            return f"input {i}"
        where = tuple(map(int, np.unravel_index(b, self.batch)))
        return f"problem {where if len(where) > 1 else where[0]}, input {i}"

    def _refuse_empty(self) -> None:
        if 0 in self.batch:
            raise ValueError(f"the batch is empty: its axes are {tuple(self.batch)}")


class TokenProblem(MarginProblem):
    r"""The constraints of an attention SVM: the rows :math:`(X_{i\alpha_i} - X_{it}) z_i^\top`.

    ``tokens`` and ``required`` broadcast against the problem, so that one problem may be asked
    about many selections.
    """

    remedy = "Choose other tokens, or drop an input"

    def __init__(self, problem: AttentionProblem, tokens: Tensor, required: Tensor | None) -> None:
        X, z, mask = problem.X.double(), problem.z.double(), problem.mask
        n, T, d = X.shape[-3:]
        tokens = problem.checked_tokens(tokens)
        required = _checked_required(required, n, X.device)
        self.batch = np.broadcast_shapes(X.shape[:-3], tokens.shape[:-1], required.shape[:-1])
        self.weight, self.rows = (d, d), (n, T)
        self._refuse_empty()
        X, self.z, tokens, required = (
            one_axis(v, self.batch, axes)
            for v, axes in ((X, 3), (z, 2), (tokens, 1), (required, 1))
        )
        self.tokens = tokens[..., None]
        chosen = X.gather(-2, self.tokens[..., None].expand(*tokens.shape, 1, d))
        self.x = chosen - X
        bound = required[..., None].repeat(1, 1, T)
        bound.scatter_(-1, self.tokens, -1.0)
        if mask is not None:
            there = one_axis(mask, self.batch, 2)
            self.x, bound = self.x * there[..., None], bound.where(there, -1.0)
        self.bound = bound.flatten(1)
        self._refuse(bound)

    def _refuse(self, bound: Tensor) -> None:
        """Raise for the first margin that no W can give, or for a problem without any."""
        empty = ~(self.x.any(-1) & self.z.any(-1)[..., None])
        for b, i, t in ((bound > 0) & empty).nonzero()[:1].tolist():
            if not self.z[b, i].any():
                raise ValueError(
                    f"the query of {self._input(b, i)} is zero, so W cannot reach it: drop it"
                )
            raise ValueError(
                f"{self._input(b, i)} has token {t} equal to its chosen token "
                f"{self.tokens[b, i, 0]}: no W tells them apart. Remove one, or mask it"
            )
        for b in (self.bound.amax(-1) <= 0).nonzero()[:1, 0].tolist():
            which = f"problem {b}" if self.batch else "the problem"
            raise ValueError(
                f"{which} asks for no margin (one token an input, or none required): W = 0 solves "
                "it, and 0 has no direction"
            )

    def name(self, b: int, row: int) -> str:
        """Name the constraint of a row: its input and token."""
        i, t = divmod(row, self.rows[-1])
        return f"{self._input(b, i)}, token {t}"


class SampleProblem(MarginProblem):
    """The constraints of a classifier's SVM: one input with the query 1, a row for each sample."""

    remedy = (
        "Add a column of ones to the features (an intercept, if there is none) or other features "
        "that tell them apart, or drop an input"
    )

    def __init__(self, features: Any, labels: Any) -> None:
        x = as_float64("features", features)
        if x.ndim < 2 or 0 in x.shape[-2:]:
            raise ValueError(f"features must have shape (..., n, d), got {tuple(x.shape)}")
        y = as_float64("labels", labels).to(x.device)
        if y.shape != x.shape[:-1]:
            wanted = tuple(x.shape[:-1])
            raise ValueError(f"labels must have shape {wanted}, got {tuple(y.shape)}")
        self.batch, self.weight, self.rows = x.shape[:-2], x.shape[-1:], x.shape[-2:-1]
        self._refuse_empty()
        self.x = (y[..., None] * x).reshape(-1, 1, *x.shape[-2:])
        self.z = torch.ones_like(self.x[..., 0, :1])
        self.bound = torch.ones_like(self.x[:, 0, :, 0])
        y = y.reshape(self.bound.shape)
        for b, i in (y.abs() != 1).nonzero()[:1].tolist():
            raise ValueError(f"{self.name(b, i)} has a label other than -1 or +1 ({y[b, i]:g})")
        for b, i in (~self.x[:, 0].any(-1)).nonzero()[:1].tolist():
            raise ValueError(
                f"{self.name(b, i)} is all zeros, so its margin is 0 for every v: drop it"
            )

    def name(self, b: int, row: int) -> str:
        """Name the constraint of a row: its input."""
        return self._input(b, row)


def as_float64(name: str, x: Any) -> Tensor:
    """Return numbers as a float64 tensor; ValueError if one is not a finite number."""
    if not isinstance(x, Tensor):
        x = x.toarray() if hasattr(x, "toarray") else np.asarray(x)  # scipy's sparse matrices
        if x.dtype.kind not in "buif":
            x = _as_numbers(name, x)
        x = torch.from_numpy(x)
    tensor: Tensor = x.double()
    if not tensor.isfinite().all():
        where = tuple((~tensor.isfinite()).nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {tensor[where]:g} at {where}")
    return tensor


def _as_numbers(name: str, x: np.ndarray) -> np.ndarray:
    """Read numbers kept as objects; words are no numbers, however they are spelled."""
    try:
        if x.dtype.kind == "O":
            return x.astype(np.float64)
    except (TypeError, ValueError):
        pass
    word = x.ravel()[0].item() if x.dtype.kind in "US" else x.ravel()[0]
    remedy = f"; write np.where({name} == {word!r}, 1, -1)" if name == "labels" else ""
    raise ValueError(f"{name} must be real numbers, got {word!r}{remedy}")


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
