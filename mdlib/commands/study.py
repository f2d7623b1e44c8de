"""``python -m mdlib study``: conduct one of the book's studies and record all of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mdlib.commands import add_where, make_ready, parser_of, path_of
from mdlib.files import provenance
from mdlib.files.atomic import whole_file
from mdlib.runs.conducting import conduct
from mdlib.runs.cost import costs
from mdlib.runs.record import Provenance, Record
from mdlib.runs.schema import dumps
from mdlib.runs.study import Study, planned
from mdlib.runs.tables import accuracy_table
from mdlib.studies import images, sentences, text
from mdlib.train.processes import is_first

STUDIES: dict[str, Mapping[str, Study[Any]]] = {"text": text.STUDIES, "images": images.STUDIES}
_PACKAGES = {"text": ("torch", "numpy", "tokenizers"), "images": ("torch", "numpy")}
_ABOUT = """\
Conduct a study of {0}: python -m mdlib study {0} {1} --record PATH

Every contender tries equally many settings on the validation part; the test part is seen once, by
the runs with the settings that were best. Stopped at any moment, the same command goes on.
"""
_SENTENCES = """\
The paper's one-layer model on sentences: python -m mdlib study sentences --record PATH

All settings are chosen on the validation sentences; the test sentences are looked at once.
"""


def add_to(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = parser_of(verbs, "study", "conduct one of the book's studies")
    about = parser.add_subparsers(required=True, metavar="ABOUT")
    for name, studies in STUDIES.items():
        one = parser_of(
            about,
            name,
            f"of transformers on {name}: {', '.join(studies)}",
            _ABOUT.format(name, next(iter(studies))),
        )
        one.add_argument(
            "name", choices=studies, metavar="STUDY", help=f"one of {', '.join(studies)}"
        )
        add_where(one)
        one.add_argument(
            "--only",
            action="append",
            metavar="CONTENDER",
            help="this contender alone, or several such; the others stay as they are in PATH",
        )
        one.set_defaults(command=execute, about=name)
    one = parser_of(about, "sentences", "of one layer on sentences", _SENTENCES)
    one.add_argument("--quick", action="store_true", help="a rehearsal in little")
    one.set_defaults(command=measure_sentences)
    for one in about.choices.values():
        one.add_argument(
            "--record", type=path_of, metavar="PATH", help="write everything here, as JSON"
        )


def execute(options: argparse.Namespace) -> int:
    """Conduct a study of runs, print its table, and record all of it when asked."""
    check_record(options.record)
    study, before = STUDIES[options.about][options.name], None
    if options.only:
        study = study.only(options.only)
        if options.record and options.record.exists():
            before = Record.from_json(options.record.read_text(encoding="utf-8"), study.result)
            before.updated(Record(None, study.setting, {}))  # refused now, not after hours
    if options.dry_run:
        print(costs(planned(study), options.device, progress=True))
        return 0
    where = make_ready(options, planned(study))
    try:
        found = conduct(study, options.folder, options.device, **where)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    if not is_first():
        return 0
    # When it began is not known: runs may be older than this process.
    came = provenance.collect(options.typed, None, *_PACKAGES[options.about])
    record = Record(Provenance(**came), study.setting, found)
    if before is not None:
        record = before.updated(record)
    if options.record:
        _write(options.record, record.to_json())
    print(accuracy_table(record).text)
    return 0


def measure_sentences(options: argparse.Namespace) -> int:
    """Conduct the study of sentences; print all of it, or record it when asked."""
    check_record(options.record)
    started = time.time()
    commit = provenance.commit()  # of the code that runs, whatever is committed meanwhile
    result = sentences.measure(sentences.QUICK if options.quick else None)
    packages = ("torch", "numpy", "scipy", "scikit-learn", "tokenizers")
    came = provenance.collect(options.typed, started, *packages) | {"commit": commit}
    content = dumps(replace(result, provenance=Provenance(**came)), indent=1)
    if options.record:
        _write(options.record, content)
    else:
        print(content)
    return 0


def check_record(path: Path | None) -> None:
    """Refuse a record that could not be written, before anything is computed."""
    if path is not None and not path.absolute().parent.is_dir():
        raise ValueError(f"--record: there is no folder {path.parent}; make it first")


def _write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())
