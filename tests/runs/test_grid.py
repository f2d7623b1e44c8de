"""Combinations of settings, the choice of a rate, the table."""

import pytest

from mdlib.runs import Outcome, choose_rates, grid, table
from mdlib.studies.text import SentimentRun


def end(validation=None, status="finished", **values):
    result = None
    if status == "finished":
        result = {"best": {"validation_accuracy": validation}, "seconds": 3.0}
    run = SentimentRun(optimizer="sgd", **values)
    return Outcome(run, None, status, result, None, {})


def test_the_best_mean_over_the_seeds_decides_the_rate():
    lucky = [end(0.9, lr=0.1, seed=0), end(0.5, lr=0.1, seed=1)]
    steady = [end(0.8, lr=0.2, seed=0), end(0.8, lr=0.2, seed=1)]
    broken = [end(0.99, lr=0.3, seed=0), end(status="diverged", lr=0.3, seed=1)]
    deeper = [end(0.6, lr=0.1, layers=2)]
    hopeless = [end(status="diverged", lr=0.1, layers=3)]
    assert choose_rates(lucky + broken + deeper + steady + hopeless) == steady + deeper


def test_the_table_shows_what_varies_with_mean_and_deviation():
    ends = [end(0.8, layers=1, seed=0), end(0.9, layers=1, seed=1), end(0.5, layers=2)]
    ends.append(end(status="failed", layers=2, seed=1))
    scores = {"best": {"accuracy": 0.75}, "last": {"accuracy": 0.5}}
    tests = [Outcome(ends[2].run, None, "finished", scores, None, {})]
    assert [line.split("  ") for line in table(ends, tests).splitlines()] == [
        line.split("  ")
        for line in (
            "layers  runs    validation     test (best)  test (last)  time of a run",
            "1       2 of 2  85.00 +- 7.07                            3 s",
            "2       1 of 2  50.00          75.00        50.00        3 s",
        )
    ]


def test_a_grid_leaves_out_what_an_optimizer_does_not_have():
    values = {"optimizer": ["md", "adam"], "p": [1.1, 2.0, 3.0], "lr": [0.1, 0.2], "seed": [0, 1]}
    runs = grid(SentimentRun, "quick", values)
    assert len(runs) == len(set(runs)) == (3 + 1) * 2 * 2
    assert {run.p for run in runs if run.optimizer == "adam"} == {None}


def test_a_single_optimizer_is_not_given_what_it_does_not_have():
    with pytest.raises(ValueError, match=r"adam has no p, got 2\.0; leave it out"):
        grid(SentimentRun, "quick", {"optimizer": ["adam"], "p": [2.0]})
