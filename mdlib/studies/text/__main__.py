"""Conduct a study of text: ``python -m mdlib.studies.text reviews --record PATH``."""

from __future__ import annotations

import sys

from mdlib.runs import command
from mdlib.studies.text.studies import STUDIES


def main(arguments: list[str] | None = None) -> int:
    """Conduct a study, print its table, and record all of it when asked; return 0."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return command.run(
        "python -m mdlib.studies.text", STUDIES, ("torch", "numpy", "tokenizers"), arguments
    )


if __name__ == "__main__":
    sys.exit(main())
