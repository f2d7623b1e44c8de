"""Where a recorded number comes from: versions, hardware, commit."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any


def collect(command: str, started: float | None, *packages: str) -> dict[str, Any]:
    """Return what goes with a recorded result: how, when and with what it was computed.

    Parameters
    ----------
    command : str
        The one that does it again.
    started : float or None
        When it began, as `time.time` tells it, if that is known.
    *packages : str
        Whose versions matter.
    """
    now = time.time()
    return {
        "command": command,
        "date": time.strftime("%Y-%m-%d", time.gmtime(now)),
        "wall_seconds": None if started is None else round(now - started, 2),
        "versions": versions(*packages),
        "hardware": hardware(),
        "commit": commit(),
    }


def command(*words: str) -> str:
    """Return a command line as it can be typed again, by default the one of this process.

    Parameters
    ----------
    *words : str
        What follows ``python``, if it is not what this process was started with.

    Examples
    --------
    >>> command("-m", "mdlib", "study", "text", "reviews", "--only", "p = 2")
    "python -m mdlib study text reviews --only 'p = 2'"
    """
    if not words:
        module = getattr(sys.modules["__main__"], "__spec__", None)  # started with -m
        program = ["-m", module.name.removesuffix(".__main__")] if module else [sys.argv[0]]
        words = (*program, *sys.argv[1:])
    count = os.environ.get("LOCAL_WORLD_SIZE")
    starter = ["torchrun", "--nproc-per-node", count] if count else ["python"]
    return shlex.join([*starter, *words])


def versions(*packages: str) -> dict[str, str]:
    """Return Python's version and those of the packages.

    Examples
    --------
    >>> list(versions("torch", "numpy"))
    ['python', 'torch', 'numpy']
    """
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def hardware() -> str:
    """Return the processor, its number of cores, and how many of them torch was told to use."""
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    return f"{_processor()}, {os.cpu_count()} cores, OMP_NUM_THREADS={threads}"


def commit() -> str:
    """Return the commit of this library, with a mark where its working tree had changes."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(
            asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # no git here
        return "unknown"
    return found.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
