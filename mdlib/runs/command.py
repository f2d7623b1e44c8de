"""Command line of a study: ``python -m mdlib.studies.text``, ``... mdlib.studies.images``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mdlib.files import provenance
from mdlib.files.atomic import whole_file
from mdlib.runs.cost import costs
from mdlib.runs.record import Provenance, Record
from mdlib.runs.study import Study, conduct, planned
from mdlib.runs.sweep import make_folder
from mdlib.runs.tables import accuracy_table
from mdlib.runs.training import choose_device, prepare

_PROMISE = """\
Every contender tries equally many settings on the validation part; the test part is seen once, by
the runs with the settings that were best. Stopped at any moment, the same command goes on.
"""


def run(
    program: str,
    studies: Mapping[str, Study[Any]],
    packages: Sequence[str],
    arguments: Sequence[str],
) -> int:
    """Conduct one of the studies, print its table, and record all of it when asked.

    Parameters
    ----------
    program : str
        How it is called, ``"python -m mdlib.studies.text"``.
    studies : mapping
        By name.
    packages : sequence of str
        Whose versions are recorded.
    arguments : sequence of str
        Of the command line.

    Returns
    -------
    int
        The exit status: 0, or 130 if it was stopped by Ctrl-C.
    """
    parser = _parser(program, studies)
    options = parser.parse_args(arguments)
    if options.record and not options.record.absolute().parent.is_dir():
        parser.error(f"--record: there is no folder {options.record.parent}; make it first")
    study, before = studies[options.name], None
    if options.only:
        try:
            study = study.only(options.only)
            if options.record and options.record.exists():
                before = Record.from_json(options.record.read_text(encoding="utf-8"), study.result)
                before.updated(Record(None, study.setting, {}))  # refused now, not after hours
        except ValueError as error:
            parser.error(f"--only: {error}")
    try:
        if options.dry_run:
            print(costs(planned(study), options.device, progress=True))
            return 0
        if options.scheduler is None:
            choose_device(options.device)
            make_folder(options.folder)
            prepare(planned(study))
        where = {"workers": options.workers, "scheduler": options.scheduler}
        found = conduct(study, options.folder, options.device, **where)
    except (ValueError, ModuleNotFoundError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    # When it began is not known: runs may be older than this process.
    came = provenance.collect(f"{program} {shlex.join(arguments)}", None, *packages)
    record = Record(Provenance(**came), study.setting, found)
    if before is not None:
        record = before.updated(record)
    if options.record:
        with whole_file(options.record) as file:
            file.write(record.to_json().encode())
    print(accuracy_table(record).text)
    return 0


def _parser(program: str, studies: Mapping[str, Study[Any]]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description=f"Conduct a study: {program} {next(iter(studies))} --record PATH\n\n{_PROMISE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", choices=studies, metavar="STUDY", help=f"one of {', '.join(studies)}"
    )
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--device", default="auto", help="cpu or cuda (default: cuda if there)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, help="processes at a time (default: a core each)")
    where.add_argument("--scheduler", help="address of a Dask scheduler, to use its workers")
    parser.add_argument("--record", type=Path, help="write everything here, as JSON")
    parser.add_argument(
        "--only",
        action="append",
        metavar="CONTENDER",
        help="this contender alone, or several such; the others stay as they are in --record PATH",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the cost, timed on a few real steps"
    )
    return parser
