"""What ``python -m mdlib`` can do, a verb a file, and what its verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mdlib.runs.run import TrainingRun
from mdlib.runs.sweep import make_folder
from mdlib.runs.training import choose_device, prepare
from mdlib.train.processes import join


def parser_of(verbs: Any, name: str, summary: str, text: str = "", **more: Any) -> Any:
    """Add the parser of a verb, or of what it is about, with a longer text if it needs one."""
    return verbs.add_parser(
        name,
        help=summary,
        description=text or f"{summary[0].upper()}{summary[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )


def path_of(text: str) -> Path:
    """Return the path; a shell leaves the ~ of ``--folder=~/runs`` as it is."""
    return Path(text).expanduser()


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where runs are computed and kept."""
    parser.set_defaults(trains=True)
    parser.add_argument("--folder", type=path_of, default=Path("runs"), help="default: runs")
    parser.add_argument("--device", default="auto", help="cpu or cuda (default: cuda if there)")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the cost, timed on a few real steps, and train nothing",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=int, help="processes at a time, one thread each (default: a core each)"
    )
    where.add_argument("--scheduler", help="address of a Dask scheduler, to use its workers")


def make_ready(options: argparse.Namespace, runs: Iterable[TrainingRun]) -> dict[str, Any]:
    """Refuse what cannot work before anything is computed, and return what `sweep` is to know."""
    if options.scheduler is None:
        join(choose_device(options.device))
        make_folder(options.folder)
        prepare(runs)
    return {
        "workers": options.workers,
        "scheduler": options.scheduler,
        "command": options.typed,
    }
