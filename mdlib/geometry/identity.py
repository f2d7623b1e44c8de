"""Identity: a line that tells two objects apart by all that they were built from.

A repr will not do: that of a large tensor leaves most of it out, that of a function or of a plain
object is an address, which is another one in the next process.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
from collections.abc import Mapping, Set
from decimal import Decimal
from numbers import Real
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mdlib.geometry.exponent import exponent

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def constructed(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return the call ``cls(*args, **kwargs)`` in full, defaults included.

    An array appears with dtype, shape and a hash of its bytes; a function with its name and what
    its closure holds, a lambda with a hash of its code; any other object with its class and
    attributes.

    Raises
    ------
    TypeError
        If the constructor does not take these arguments.

    Examples
    --------
    >>> import math
    >>> class Ball:
    ...     def __init__(self, radius, map=math.exp, shift=None): ...
    >>> constructed(Ball, (2,), {"shift": np.zeros((40, 40))})
    'Ball(radius=2.0, map=exp, shift=float64[40, 40]#59ec91dcb7dc65b5)'
    """
    bound = _signature(cls).bind(None, *args, **kwargs)
    bound.apply_defaults()
    named = dict(list(bound.arguments.items())[1:])  # without self
    for name, parameter in _signature(cls).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            named |= named.pop(name)
        elif parameter.kind is parameter.VAR_POSITIONAL and not named[name]:
            del named[name]
    return _call(cls.__qualname__, named, ())


@functools.cache
def _signature(cls: type) -> inspect.Signature:
    return inspect.signature(cls.__init__)  # type: ignore[misc]


def _call(name: str, parts: Mapping[str, Any], outer: tuple[Any, ...]) -> str:
    return f"{name}({', '.join(f'{key}={_describe(x, outer)}' for key, x in parts.items())})"


def _describe(x: Any, outer: tuple[Any, ...]) -> str:
    """Describe x, a part of the objects ``outer``."""
    if any(x is other for other in outer):
        return "..."  # it holds itself
    outer = (*outer, x)
    if isinstance(x, Real | Decimal) and not isinstance(x, bool | np.bool):
        large = isinstance(x, int) and abs(x) > 2**53  # more digits than a float has
        return str(x) if large else repr(exponent(x))
    if isinstance(x, Tensor | np.ndarray):
        return _array(x)
    if isinstance(x, Mapping):
        return f"{{{', '.join(f'{k}: {_describe(v, outer)}' for k, v in x.items())}}}"
    if isinstance(x, list | tuple | Set):
        entries = [_describe(entry, outer) for entry in x]
        return f"[{', '.join(sorted(entries) if isinstance(x, Set) else entries)}]"
    if isinstance(x, FunctionType):
        return _function(x, outer)
    if isinstance(x, MethodType):
        return f"{_describe(x.__self__, outer)}.{x.__name__}"
    if isinstance(x, functools.partial):
        parts = {"f": x.func, "args": x.args, "keywords": x.keywords}
        return _call("partial", parts, outer)
    if hasattr(x, "__qualname__"):  # a class, or a function written in C
        return str(x.__qualname__)
    if hasattr(x, "__dict__"):
        return getattr(x, "_built", None) or _call(type(x).__qualname__, _held(x), outer)
    return _ADDRESS.sub("", repr(x))


def _array(x: Tensor | np.ndarray) -> str:
    """One of no dimension is a number; of the others every byte counts."""
    if x.ndim == 0:
        return _describe(x.item() if x.dtype in (torch.bool, bool) else exponent(x), ())
    if isinstance(x, Tensor):
        dtype, flat = str(x.dtype).removeprefix("torch."), x.detach().cpu().contiguous().view(-1)
        content = flat.view(torch.uint8).numpy()
    else:
        dtype, content = str(x.dtype), np.ascontiguousarray(x)
    return f"{dtype}{list(x.shape)}#{_digest(content.tobytes())}"


def _function(f: FunctionType, outer: tuple[Any, ...]) -> str:
    code, cells = f.__code__, f.__closure__ or ()
    held = dict(zip(code.co_freevars, (cell.cell_contents for cell in cells), strict=True))
    held |= {"defaults": f.__defaults__} if f.__defaults__ else {}
    if f.__name__ == "<lambda>":
        constants = [x for x in code.co_consts if not isinstance(x, CodeType)]
        held["code"] = _digest(repr([code.co_code, code.co_names, constants]).encode())
    return _call(f.__qualname__, held, outer) if held else f.__qualname__


def _held(x: Any) -> dict[str, Any]:
    """An object's attributes, without what it has computed for itself in between."""
    caches = {
        name
        for cls in type(x).__mro__
        for name, value in vars(cls).items()
        if isinstance(value, functools.cached_property)
    }
    return {name: value for name, value in vars(x).items() if name not in caches}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
