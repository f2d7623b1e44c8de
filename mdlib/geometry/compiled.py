"""Compiled: plain loops turned into machine code by numba, kept on disk where that is possible."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from numba import njit
from numba.core.caching import FunctionCache


def exactly(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function, operation by operation, and keep what was compiled.

    Further options are numba's.
    """
    compiled: Any = njit(nogil=True, **options)(function)
    with contextlib.suppress(RuntimeError):  # no folder for it, as in some containers: kept nowhere
        # What cache=True would do, with one that heals.
        compiled._cache = _Cache(function)
    return compiled


def sums(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function whose sums may be taken in any order, with the products fused into them.

    That lets the processor work on several numbers at once. Nothing may be assumed of infinities:
    padding has logit -inf.
    """
    return exactly(function, fastmath={"contract", "reassoc"}, **options)


class _Cache(FunctionCache):
    """numba's cache on disk, but for two things.

    A damaged file costs a compilation; numba's own raises for ever. And what was compiled is kept
    until any file of the function's folder changes; numba looks at the file of the function alone,
    not at those of the functions that it calls.
    """

    _told: ClassVar[set[str]] = set()  # one warning a folder: each function has files of its own

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        files = sorted(Path(function.__code__.co_filename).parent.glob("*.py"))
        self._cache_file._source_stamp = [
            (file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files
        ]

    def load_overload(self, *args: Any) -> Any:
        """Return what was compiled for these types, None if there is nothing to be read."""
        try:
            return super().load_overload(*args)  # type: ignore[no-untyped-call]
        except Exception as error:  # half a file may raise anything when it is unpickled
            self._tell(error)
        try:
            self.flush()  # type: ignore[no-untyped-call] # the next process finds what this one compiles
        except OSError:
            self.disable()  # type: ignore[no-untyped-call]
        return None

    def _tell(self, error: Exception) -> None:
        if self.cache_path not in self._told:
            self._told.add(self.cache_path)
            reason = f"{type(error).__name__}: {error}"
            warnings.warn(
                f"compiled code in {self.cache_path} is damaged ({reason}); it is compiled anew",
                RuntimeWarning,
                stacklevel=3,
            )
