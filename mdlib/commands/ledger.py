"""``python -m mdlib ledger``: measure the claims of the book, print each as it is done."""

from __future__ import annotations

import argparse
import time
from typing import Any

from mdlib.claims import Ledger
from mdlib.claims.form import PRESETS
from mdlib.claims.ledger import claims_of
from mdlib.commands import parser_of, path_of
from mdlib.commands.study import check_record
from mdlib.files import provenance
from mdlib.files.atomic import whole_file


def add_to(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = parser_of(verbs, "ledger", "measure the claims of the book")
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument("--chapter", type=int, help="only the claims of this chapter")
    parser.add_argument("--record", type=path_of, help="write the rows and their origin here")
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Measure the claims; return 1 if one does not hold."""
    check_record(options.record)
    started, rows, seconds = time.time(), Ledger(), {}
    for entered in claims_of(options.chapter):
        if options.record and entered.reads:  # what is recorded already is not recorded again
            continue
        tick = time.process_time()
        found = entered(options.preset)
        seconds[entered.key] = round(time.process_time() - tick, 1)
        print(f"{found}\n({seconds[entered.key]} s of processor time)\n", flush=True)
        rows.extend(found)
    if options.record:
        packages = ("torch", "numpy", "numba", "scipy", "cvxpy")
        rows.provenance = {
            "preset": options.preset,
            **provenance.collect(options.typed, started, *packages),
            "seconds": seconds,
        }
        with whole_file(options.record) as file:
            file.write(rows.to_json().encode())
    return 1 if rows.failing else 0
