"""What the compiled functions of the solver share: how they are compiled, and vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from mdlib.geometry.compiled import sums
from mdlib.svm.arrays import Array


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function for others that are compiled: Python cannot call it."""
    return sums(function, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def inlined(function: Callable[..., Any]) -> Any:
    """Take part in the one compiled function that calls this one.

    Of a call between compiled functions numba compiles all that is below it once more.
    """
    return njit(inline="always")(function)


def callable_from_python(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls."""
    return sums(function, error_model="numpy", no_cfunc_wrapper=True)


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
