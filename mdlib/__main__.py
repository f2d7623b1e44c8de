"""The command line: ``python -m mdlib run``, ``... study`` and ``... ledger``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mdlib.commands import ledger, run, study
from mdlib.files import provenance
from mdlib.train.processes import started_together


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its status.

    0; 1 if a run did not finish or a claim does not hold; 2 for what it cannot do, which is said in
    a sentence; 130 if it was stopped by Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m mdlib",
        description="Train with mirror descent, conduct the book's studies, measure its claims.",
        allow_abbrev=False,
    )
    parser.set_defaults(trains=False)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for verb in (run, study, ledger):
        verb.add_to(verbs)
    options = parser.parse_args(arguments)
    options.typed = provenance.command("-m", "mdlib", *arguments)
    try:
        if started_together() > 1 and not options.trains:
            raise ValueError("torchrun is for training; start this without it")
        return int(options.command(options))
    except (ValueError, ModuleNotFoundError, OSError) as error:  # the library's own sentences
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        goes_on = "; the same command goes on" if options.trains else ""
        print(f"stopped{goes_on}", file=sys.stderr)
        return 130  # as a shell says of what SIGINT ended


if __name__ == "__main__":
    sys.exit(main())
