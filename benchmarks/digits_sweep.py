"""A sweep of twenty runs on the digits, two at a time: the wall time, and that of a run.

The runs are those of ``python -m mdlib run images`` with four exponents and five seeds,
twenty epochs each.
"""

import statistics
import tempfile
import time
from functools import partial

from mdlib.runs import grid, sweep, train
from mdlib.runs.cost import duration
from mdlib.studies.images import VisionRun

WORKERS = 2


def main():
    """Print how long it takes on this machine."""
    values = {"p": [1.1, 1.5, 2.0, 3.0], "lr": [1e-2], "seed": range(5)}
    runs = grid(VisionRun, "digits", values)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        ends = sweep(runs, partial(train, device="cpu"), folder, workers=WORKERS)
        seconds = time.perf_counter() - start
    assert all(end.status == "finished" for end in ends)
    run = statistics.median(end.result["seconds"] for end in ends)
    print(
        f"{len(runs)} runs, {WORKERS} at a time: {duration(seconds)} in all, a run {duration(run)}"
    )


if __name__ == "__main__":
    main()
