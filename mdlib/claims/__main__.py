"""Print the ledger, or record it: ``python -m mdlib.claims --preset paper --record PATH``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from mdlib.claims import Ledger
from mdlib.claims.form import PRESETS
from mdlib.claims.ledger import claims_of
from mdlib.files import provenance
from mdlib.files.atomic import whole_file


def main(arguments: list[str] | None = None) -> int:
    """Measure claims, print each as it is done, and return 1 if one does not hold."""
    parser = argparse.ArgumentParser(prog="python -m mdlib.claims", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument("--chapter", type=int, help="only the claims of this chapter")
    parser.add_argument("--record", type=Path, help="write the rows and where they come from here")
    options = parser.parse_args(arguments)
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
        command = "python -m mdlib.claims " + " ".join(arguments or sys.argv[1:])
        packages = ("torch", "numpy", "numba", "scipy", "cvxpy")
        rows.provenance = {
            "preset": options.preset,
            **provenance.collect(command, started, *packages),
            "seconds": seconds,
        }
        with whole_file(options.record) as file:
            file.write(rows.to_json().encode())
    return 1 if rows.failing else 0


if __name__ == "__main__":
    sys.exit(main())
