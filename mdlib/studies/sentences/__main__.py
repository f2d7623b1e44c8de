"""Run the experiment, or record it: ``python -m mdlib.studies.sentences --record PATH``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from mdlib.files import provenance
from mdlib.files.atomic import whole_file
from mdlib.files.fetch import UnavailableError
from mdlib.studies.sentences.experiment import Plan, measure

# Seconds instead of minutes: whether everything works, not how well.
QUICK = Plan(
    dim=16,
    min_count=100,
    phrases=300,
    seeds=(1, 2),
    rates=((1.1, (0.1,)), (1.5, (1.0,)), (2.0, (1.0,)), (3.0, (3.0,))),
    steps=(20,),
    small=5,
    small_seeds=(1, 2),
    small_steps=2000,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment; return 0, or end with status 2 if the data are not to be had."""
    parser = argparse.ArgumentParser(prog="python -m mdlib.studies.sentences", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rehearsal in little")
    parser.add_argument("--record", type=Path, help="write the results and where they come from")
    options = parser.parse_args(arguments)
    started = time.time()
    commit = provenance.commit()  # of the code that runs, whatever is committed meanwhile
    try:
        result = measure(QUICK if options.quick else Plan())
    except UnavailableError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    command = "python -m mdlib.studies.sentences " + " ".join(arguments or sys.argv[1:])
    packages = ("torch", "numpy", "scipy", "scikit-learn", "tokenizers")
    origin = provenance.collect(command, started, *packages) | {"commit": commit}
    result = {"provenance": origin} | result
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    if options.record:
        with whole_file(options.record) as file:
            file.write(text.encode())
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
