"""The tables of a record print what it holds."""

from mdlib.runs import Record, accuracy_table, sparsity_table
from mdlib.runs.results import TunedContender
from tests.support.results import epoch, final, magnitudes, trained


def test_accuracies_are_means_over_seeds_in_per_cent():
    runs = tuple(
        trained(best=epoch(number, height), test=final(height - 0.1, best=height))
        for number, height in ((2, 0.8), (4, 0.9))
    )
    record = Record(None, {}, {"a": TunedContender(runs, chosen={"lr": 0.25})})
    header, line = accuracy_table(record, "made up").text.splitlines()
    assert line.split("  ")[:2] == ["a", "lr 0.25"]
    assert line.count("85.0 ± 7.1") == 2
    for column, cell in {
        "validation": "85.0 ± 7.1",
        "test, last epoch": "75.0 ± 7.1",
        "best epoch": "3.0 ± 1.4",
    }.items():
        place = header.rindex(column)
        assert line[place : place + len(cell)] == cell


def test_sparsity_is_told_in_four_measures():
    sizes = {"query": 0.1, "key": 0.2, "value": 0.6}
    weights = {name: magnitudes(size) for name, size in sizes.items()}
    runs = [trained(weights=weights), trained(weights=dict.fromkeys(sizes, weights["query"]))]
    text = sparsity_table(Record.live({"a": runs}), "made up").text
    assert text.count("20.0 ± 14.1") == 3
    assert "0.20 ± 0.14" in text
