"""Conduct a study of text: ``python -m mdlib.sentiment reviews --record PATH``.

Every contender tries equally many settings on the validation part; test texts are seen once, by the
runs with the settings that were best. Stopped at any moment, the same command goes on.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

from mdlib import provenance
from mdlib.atomic import whole_file
from mdlib.cost import costs
from mdlib.experiments.record import Record
from mdlib.experiments.study import conduct, planned
from mdlib.sentiment.studies import STUDIES
from mdlib.sentiment.training import prepare


def main(arguments: list[str] | None = None) -> int:
    """Conduct a study, print its table, and record all of it when asked; return 0."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    study, started = STUDIES[options.name], time.time()
    if options.dry_run:
        print(costs(planned(study), options.device))
        return 0
    if options.scheduler is None:
        prepare(planned(study))
    where = {"workers": options.workers, "scheduler": options.scheduler}
    found = conduct(study, options.folder, options.device, **where)
    command = f"python -m mdlib.sentiment {shlex.join(arguments)}"
    came = provenance.collect(command, started, "torch", "numpy", "tokenizers")
    record = Record(came, study.setting, found)
    if options.record:
        with whole_file(options.record) as file:
            file.write(record.to_json().encode())
    print(record.table().text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mdlib.sentiment",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", choices=STUDIES, metavar="STUDY", help=f"one of {', '.join(STUDIES)}"
    )
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--device", default="auto", help="cpu or cuda (default: cuda if there)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, help="processes at a time (default: a core each)")
    where.add_argument("--scheduler", help="address of a Dask scheduler, to use its workers")
    parser.add_argument("--record", type=Path, help="write everything here, as JSON")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the cost, timed on a few real steps"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
