"""A record says what was measured, by names that are checked; what shipped is read as it is."""

import json
from importlib import resources

import pytest

from mdlib.runs import Provenance, Record
from mdlib.runs.schema import plain
from mdlib.studies import images, sentences, text
from tests.support.results import epoch, final, magnitudes, trained

SHIPPED = {
    "reviews": text.recorded,
    "learned": text.recorded,
    "mnist": images.recorded,
    "cifar": images.recorded,
    "sentences": lambda name: sentences.recorded(),
}
STUDIES = text.STUDIES | images.STUDIES
ORIGIN = Provenance("python -m mdlib", "2026-01-01", None, {"python": "3"}, "a machine", "f" * 40)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_shipped_is_read_and_written_as_it_is(name):
    """Nothing is lost, and nothing is there that was not."""
    stored = resources.files("mdlib").joinpath(f"recorded/{name}.json").read_text(encoding="utf-8")
    assert plain(SHIPPED[name](name)) == json.loads(stored)


@pytest.mark.parametrize("name", ["reviews", "learned", "mnist", "cifar"])
def test_the_shipped_record_is_of_the_books_study(name):
    record, study = SHIPPED[name](name), STUDIES[name]
    assert record.setting == study.setting
    assert list(record.contenders) == [one.label for one in study.contenders]
    for one in study.contenders:
        found = record.contenders[one.label]
        assert found.settings == one.settings
        assert tuple(tried.settings for tried in found.tried) == one.tried
        assert found.chosen in one.tried
        assert [run.seed for run in found.runs] == list(study.seeds)
    assert not record.provenance.commit.endswith("-dirty")


def test_another_studys_record_is_refused_with_the_place():
    with pytest.raises(ValueError, match=r"TextRun at contenders\.p = 1\.1\.runs\.0 lacks pivots"):
        text.recorded("mnist")
    with pytest.raises(FileNotFoundError):
        images.recorded("imagenet")


def test_a_function_and_a_path_find_the_same_numbers():
    record = Record.live({"a": [trained(seed, 0.1 * seed) for seed in (1, 2)]})
    by_name = record.values("a", "weights", "key", "counts", 0)
    assert by_name.tolist() == [0.1, 0.2]
    assert record.values("a", lambda run: run.weights["key"].counts[0]).equal(by_name)
    assert record.values("a", "curve", 0, "accuracy").equal(by_name)
    assert record.difference("a", "a", "test", "last", "accuracy").mean == 0


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("tests",), r"no 'tests' in the run; there are seed, commit, curve, best"),
        (("test", "first", "accuracy"), r"no 'first' in test; there are last, best"),
        (("weights", "keys", "small"), r"no 'keys' in weights; there are query, key, value"),
        (("curve", 9, "loss"), r"no 9 in curve; there are 1 entries"),
        (("test", "best", "accuracy"), r"no 'accuracy' in test\.best; there are no names in None"),
    ],
)
def test_a_mistyped_name_lists_what_there_is(path, message):
    record = Record.live({"a": [trained(test=final(0.5))]})
    with pytest.raises(KeyError, match=message):
        record.values("a", *path)


def test_what_was_not_measured_is_named():
    record = Record.live({"a": [trained(1, seconds=2.0), trained(2)]})
    with pytest.raises(ValueError, match="a: nothing was measured there in the run of seed 2"):
        record.values("a", lambda run: run.seconds)
    with pytest.raises(KeyError, match="no contender 'b'; there are a"):
        record.runs("b")
    with pytest.raises(ValueError, match="trained here and now"):
        record.origin  # noqa: B018


def test_sparsity_is_the_mean_over_the_three_matrices():
    sizes = {"query": 0.1, "key": 0.2, "value": 0.6}
    weights = {name: magnitudes(size) for name, size in sizes.items()}
    runs = [trained(weights=weights), trained(weights=dict.fromkeys(sizes, weights["query"]))]
    record = Record.live({"a": runs})
    for measure in ("small", "tiny"):
        assert record.sparsity("a", measure).tolist() == pytest.approx([0.3, 0.1])


def test_curves_of_runs_that_stopped_earlier_end_with_nan():
    runs = [trained(curve=[epoch(i, height=i / 10) for i in range(n)]) for n in (1, 3)]
    curves = Record.live({"a": runs}).curves("a", "accuracy")
    assert curves[1].tolist() == [0, 0.1, 0.2]
    assert curves[0, 0] == 0
    assert curves[0, 1:].isnan().all()
    with pytest.raises(KeyError, match="no 'acuracy' in the run; there are epoch, step, loss"):
        Record.live({"a": runs}).curves("a", "acuracy")


def test_the_origin_names_every_commit_that_runs_were_trained_at():
    x, y, z = (trained(commit=letter * 40) for letter in "baa")
    live = Record.live({"x": [x, y], "y": [z]})
    told = Record(ORIGIN, {}, live.contenders).origin
    assert "runs of commit aaaaaaa, bbbbbbb, on a machine; 2 seeds" in told
