"""What the compiled functions of the solver share: how they are compiled, and vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]
Index = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

_STAMP = [
    (file.name, file.stat().st_mtime_ns, file.stat().st_size)
    for file in sorted(Path(__file__).parent.glob("*.py"))
]


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function for others that are compiled: Python cannot call it."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def inlined(function: Callable[..., Any]) -> Any:
    """Take part in the one compiled function that calls this one.

    Of a call between compiled functions numba compiles all that is below it once more.
    """
    return njit(inline="always")(function)


def callable_from_python(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls."""
    return _compiled(function, no_cfunc_wrapper=True)


def _compiled(function: Callable[..., Any], **options: bool) -> Any:
    """Compile, sums in any order, and keep what was compiled until a file of this package changes.

    numba itself looks at the file of the function alone, not at those of the functions it calls.
    """
    how: dict[str, Any] = {
        "nogil": True, "fastmath": {"contract", "reassoc"}, "error_model": "numpy", **options
    }  # fmt: skip
    try:
        dispatcher: Any = njit(cache=True, **how)(function)
    except RuntimeError:  # no folder to keep it in, as in some containers: compile in each process
        return njit(**how)(function)
    dispatcher._cache._cache_file._source_stamp = _STAMP
    return dispatcher


@compiled
def dot(a: Array, b: Array) -> float:
    """The inner product."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@compiled
def times(a: Array, b: Array) -> Array:
    """The entrywise product."""
    out = np.empty(len(a))
    for i in range(len(a)):
        out[i] = a[i] * b[i]
    return out


@compiled
def over(a: Array) -> Array:
    """The entrywise reciprocal."""
    out = np.empty(len(a))
    for i in range(len(a)):
        out[i] = 1 / a[i]
    return out


@compiled
def copy(a: Array, out: Array) -> Array:
    """Write a into out, and return it."""
    for i in range(len(a)):
        out[i] = a[i]
    return out


@compiled
def move(x: Array, dx: Array, length: float) -> None:
    """Take a step."""
    for i in range(len(x)):
        x[i] += length * dx[i]


@compiled
def norm(x: Array, p: float) -> float:
    """The l_p norm, with the largest entry taken out first."""
    largest = 0.0
    for j in range(len(x)):
        largest = max(largest, abs(x[j]))
    if largest == 0.0 or p == np.inf:
        return largest
    total = 0.0
    for j in range(len(x)):
        if p == 2:
            total += (x[j] / largest) ** 2
        elif x[j] != 0.0:
            total += math.exp(p * math.log(abs(x[j]) / largest))
    root: float = total ** (1 / p)
    return largest * root
