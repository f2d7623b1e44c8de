"""Compiled: plain loops turned into machine code by numba, kept on disk where that is possible."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

from numba import njit
from numba.core.caching import FunctionCache


def exactly(function: Callable[..., Any], fastmath: bool | set[str] = False) -> Any:
    """Compile a function, operation by operation, and keep what was compiled."""
    compiled: Any = njit(nogil=True, fastmath=fastmath)(function)
    with contextlib.suppress(RuntimeError):  # no folder for it, as in some containers: kept nowhere
        # What cache=True would do, with one that heals.
        compiled._cache = _Cache(function)  # type: ignore[no-untyped-call]
    return compiled


def sums(function: Callable[..., Any]) -> Any:
    """Compile a function whose sums may be taken in any order, with the products fused into them.

    That lets the processor work on several numbers at once. Nothing may be assumed of infinities:
    padding has logit -inf.
    """
    return exactly(function, fastmath={"contract", "reassoc"})


class _Cache(FunctionCache):
    """numba's cache on disk. A damaged file costs a compilation; numba's own raises for ever."""

    _told: ClassVar[set[str]] = set()  # one warning a folder: each function has files of its own

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
