"""Conducting a study: tune all contenders alike, repeat over seeds, test once, look inside.

What is found is all there is to know: every setting that was tried, every learning curve, and what
the trained networks are like inside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mdlib.runs.results import R, TunedContender
from mdlib.runs.run import TrainingRun
from mdlib.runs.schema import read
from mdlib.runs.study import Study
from mdlib.runs.sweep import Outcome, sweep
from mdlib.runs.training import score_on_test
from mdlib.runs.tuning import ranked, results, train_best, tune


def conduct(
    study: Study[R], folder: str | Path, device: str = "auto", **where: Any
) -> dict[str, TunedContender[R]]:
    """Tune, repeat, test and inspect. Stopped and called again, it goes on.

    Parameters
    ----------
    study : Study
    folder : path
        Of the runs, as in `mdlib.runs.sweep.sweep`; runs that are there are not repeated.
    device : str
    **where
        ``workers`` or ``scheduler`` of `mdlib.runs.sweep.sweep`, and ``command``.

    Returns
    -------
    dict of TunedContender
        By label. A run's ``commit`` is the one that it was trained at, which may be older than this
        call.

    Raises
    ------
    RuntimeError
        If a run failed other than by diverging, or every setting of a contender diverged.
    """

    def execute(runs: list[TrainingRun], what: Callable[..., Any], record: str) -> list[Outcome]:
        return sweep(runs, partial(what, device=device), folder, record=record, **where)

    found = list(zip(study.contenders, tune(study, execute), strict=True))
    order = {one.label: ranked(one, tried) for one, tried in found}
    refused, final, ends = train_best(study, order, execute)
    trained, commits = results(ends), {end.run: end.provenance["commit"] for end in ends}
    runs = [run for same in final.values() for run in same]
    tested = results(execute(runs, score_on_test, "test"))
    inspected = results(execute(runs, study.inspect, "inspection"))

    def result(run: TrainingRun) -> R:
        about = {"seed": run.seed, "commit": commits[run], "test": tested[run]}
        return read(study.result, about | trained[run] | inspected[run])

    return {
        one.label: TunedContender(
            runs=tuple(map(result, final[one.label])),
            settings=one.settings,
            tried=tuple(tried),
            refused=tuple(order[one.label][: refused[one.label]]),
            chosen=order[one.label][refused[one.label]],
        )
        for one, tried in found
    }
