"""Print the ledger, or record it: ``python -m mdlib.claims --preset paper --record PATH``."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mdlib.claims import Ledger
from mdlib.claims.ledger import PRESETS, claims_of


def main(arguments: list[str] | None = None) -> int:
    """Measure claims, print each as it is done, and return 1 if one does not hold."""
    parser = argparse.ArgumentParser(prog="python -m mdlib.claims", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument("--chapter", type=int, help="only the claims of this chapter")
    parser.add_argument("--record", type=Path, help="write the rows and where they come from here")
    options = parser.parse_args(arguments)
    started, rows, seconds = time.time(), Ledger(), {}
    for entered in claims_of(options.chapter):
        tick = time.process_time()
        found = entered(options.preset)
        seconds[entered.key] = round(time.process_time() - tick, 1)
        print(f"{found}\n({seconds[entered.key]} s of processor time)\n", flush=True)
        rows.extend(found)
    if options.record:
        command = "python -m mdlib.claims " + " ".join(arguments or sys.argv[1:])
        rows.provenance = _provenance(options.preset, command, started) | {"seconds": seconds}
        _write(options.record, rows.to_json())
    return 1 if rows.failing else 0


def _provenance(preset: str, command: str, started: float) -> dict[str, Any]:
    packages = ("torch", "numpy", "numba", "scipy", "cvxpy")
    return {
        "preset": preset,
        "command": command,
        "date": time.strftime("%Y-%m-%d", time.gmtime(started)),
        "wall_seconds": round(time.time() - started),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "hardware": f"{_processor()}, {os.cpu_count()} cores, OMP_NUM_THREADS="
        f"{os.environ.get('OMP_NUM_THREADS', 'unset')}",
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    """The commit that ran, with a mark where the working tree had changes."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    found = subprocess.run(
        asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _write(path: Path, text: str) -> None:
    """Write beside, sync, rename: a reader sees the old file or the new one, never half of it."""
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
