"""JSON schemas: a frozen dataclass is the schema of an object, read and written here alone.

A field stands under its own name, or under the key that `named` gives it. One field may be a
mapping that takes `others`, the keys that are no other field's. What is None by default is left out
where it is None, so that a record is read which was written before the field was there.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch

T = TypeVar("T")

_DIGITS = 6  # significant ones kept of a number


def named(key: str) -> dict[str, str]:
    """Return the metadata of a field that stands under another key than its name."""
    return {"key": key}


def others(prefix: str = "") -> dict[str, str]:
    """Return the metadata of a field, a mapping by str, that takes the keys that begin so."""
    return {"prefix": prefix}


def read(schema: type[T], value: Any) -> T:
    """Return what plain JSON values describe.

    Parameters
    ----------
    schema : type
        A dataclass of numbers, str, None, and of tuples, mappings by str, named tuples and
        dataclasses of these.
    value : object
        As `json.loads` returns it.

    Raises
    ------
    ValueError
        Where the value does not fit; the message says where that is.

    Examples
    --------
    >>> from dataclasses import dataclass, field
    >>> @dataclass(frozen=True)
    ... class Point:
    ...     place: tuple[float, ...]
    ...     label: str | None = None
    ...     by_chance: float | None = field(default=None, metadata=named("by chance"))
    >>> read(Point, {"place": [0.5, 1], "by chance": None})
    Point(place=(0.5, 1), label=None, by_chance=None)
    """
    found: T = _read(schema, value, "")
    return found


def plain(value: Any) -> Any:
    """Return a result as JSON holds it: dataclasses as dicts, tuples as lists; undone by `read`.

    Numbers, arrays and tensors of NumPy and torch become Python's numbers, and lists of them.

    Raises
    ------
    TypeError, ValueError
        For what JSON cannot hold, and for a number that is not finite; the message says where.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"loss": np.float32(0.5), "counts": np.arange(3)})
    {'loss': 0.5, 'counts': [0, 1, 2]}
    >>> plain({"test": [{"loss": np.nan}]})
    Traceback (most recent call last):
    ValueError: test.0.loss is nan, and JSON holds finite numbers only
    """
    return _plain(value, "")


def _plain(value: Any, where: str) -> Any:
    if is_dataclass(value):
        return _plain(_content(value), where)
    if isinstance(value, Mapping):
        return {_plain_key(key, where): _plain(value[key], f"{where}.{key}") for key in value}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}.{i}") for i, item in enumerate(value)]
    if isinstance(value, np.generic | np.ndarray | torch.Tensor):
        return _plain(value.tolist(), where)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where[1:] or 'it'} is {value}, and JSON holds finite numbers only")
    if not (value is None or isinstance(value, str | int | float)):
        raise TypeError(f"{where[1:] or 'it'} is {value!r:.80}, which JSON cannot hold")
    return value


def _content(value: Any) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for one in fields(value):
        item = getattr(value, one.name)
        if "prefix" in one.metadata:
            content |= {f"{one.metadata['prefix']}{key}": entry for key, entry in item.items()}
        elif not (item is None and one.default is None):
            content[_key(one)] = item
    return content


def _plain_key(key: Any, where: str) -> Any:
    key = key.item() if isinstance(key, np.generic) else key
    if not (key is None or isinstance(key, str | int | float)):
        raise TypeError(f"{where[1:] or 'it'} has the key {key!r:.80}, which JSON cannot hold")
    return key


def dumps(value: Any, indent: int | None = None) -> str:
    r"""Return a result as the text of a JSON file, numbers to six significant digits.

    Examples
    --------
    >>> dumps({"share": (1 / 3, 1)})
    '{"share": [0.333333, 1]}\n'
    """
    content = _rounded(plain(value))
    return json.dumps(content, indent=indent, allow_nan=False, ensure_ascii=False) + "\n"


def _read(schema: Any, value: Any, where: str) -> Any:
    kind, arguments = get_origin(schema) or schema, get_args(schema)
    if kind is Any:
        return value
    if kind in (Union, types.UnionType):  # of a schema and None
        (one,) = (argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else _read(one, value, where)
    if is_dataclass(kind):
        return _read_fields(kind, arguments, value, where)
    if issubclass(kind, Mapping):
        _check(isinstance(value, dict), "an object", value, where)
        return {key: _read(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if issubclass(kind, tuple):
        return _read_tuple(kind, arguments, value, where)
    fits = isinstance(value, float | int if kind is float else kind)
    _check(fits, f"of type {kind.__name__}", value, where)
    return value


def _read_tuple(kind: Any, arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    _check(isinstance(value, list | tuple), "a list", value, where)
    if kind is not tuple:  # a named one
        return kind(*value)
    if arguments[1:] == (...,):
        arguments = arguments[:1] * len(value)
    _check(len(arguments) == len(value), f"a list of {len(arguments)}", value, where)
    pairs = enumerate(zip(arguments, value, strict=True))
    return tuple(_read(one, item, f"{where}.{i}") for i, (one, item) in pairs)


def _read_fields(kind: Any, arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    _check(isinstance(value, dict), "an object", value, where)
    hints, left, found, missing = _hints(kind, arguments), dict(value), {}, []
    for one in sorted(fields(kind), key=lambda one: "prefix" in one.metadata):  # they come last
        if (prefix := one.metadata.get("prefix")) is not None:
            keys = [key for key in left if key.startswith(prefix)]
            these = {key.removeprefix(prefix): left.pop(key) for key in keys}
            found[one.name] = _read(hints[one.name], these, where)
        elif (key := _key(one)) in left:
            found[one.name] = _read(hints[one.name], left.pop(key), f"{where}.{key}")
        elif one.default is MISSING and one.default_factory is MISSING:
            missing.append(key)
    if missing or left:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has no field {', '.join(left)}"
        raise ValueError(f"{kind.__name__} at {where[1:] or 'the top'} {wrong}")
    return kind(**found)


@cache
def _hints(kind: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """The types of a dataclass's fields, those of a generic one with its arguments."""

    def filled(hint: Any) -> Any:
        if isinstance(hint, TypeVar):
            return arguments[0]
        return hint[arguments] if getattr(hint, "__parameters__", ()) else hint

    hints = get_type_hints(kind)
    return {name: filled(hint) for name, hint in hints.items()} if arguments else hints


def _key(one: Field[Any]) -> str:
    return str(one.metadata.get("key", one.name))


def _check(fits: bool, what: str, value: Any, where: str) -> None:
    if not fits:
        raise ValueError(f"{where[1:] or 'the top'} should be {what}, got {value!r:.80}")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
