"""A study: equal budgets, a choice by validation alone, one look at the test, a faithful record."""

import json
from dataclasses import replace

import pytest
import torch

from mdlib.__main__ import main
from mdlib.measure import describe_weights
from mdlib.runs import Record, TrainedRun, accuracy_table, conducting, run_directory, tuning
from mdlib.runs.conducting import conduct
from mdlib.runs.results import Tried
from mdlib.runs.schema import plain
from mdlib.runs.study import Contender, Study, planned
from mdlib.studies.images import studies as vision
from mdlib.studies.text.inspection import TextRun, look_inside
from mdlib.studies.text.run import SentimentRun
from mdlib.studies.text.studies import STUDIES
from tests.support.results import epoch, final
from tests.support.stored import store

TINY = {
    "data": "imdb",
    "width": 8,
    "heads": 2,
    "hidden": 8,
    "max_length": 64,
    "vocabulary": 200,
    "epochs": 3,
    "batch_size": 20,
    "subset": 60,
}
BOOKS = {
    f"{kind} {name}": study
    for kind, studies in {"text": STUDIES, "images": vision.STUDIES}.items()
    for name, study in studies.items()
}
RATES = ({"lr": 1e-3}, {"lr": 0.02})
STUDY = Study(
    SentimentRun,
    look_inside,
    TextRun,
    preset="quick",
    changes=TINY,
    contenders=(
        Contender("Adam", {"optimizer": "adam"}, RATES),
        Contender("GD", {"p": 2, "momentum": 0.0, "normalize": False}, ({"lr": 0.1}, {"lr": 1e30})),
    ),
    short=2,
    seeds=range(2),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of the runs of the study, conducted once for all tests that only look at it."""
    home = tmp_path_factory.mktemp("conducted")
    with pytest.MonkeyPatch.context() as monkeypatch:
        store(home, monkeypatch)
        yield home / "runs"


@pytest.fixture(scope="module")
def found(folder):
    return conduct(STUDY, folder, workers=1)


def test_the_best_setting_on_the_validation_part_is_repeated_over_seeds(found):
    for label, contender in found.items():
        best = max(one.short or 0 for one in contender.tried)
        for one in contender.tried:
            assert (one.full is not None) == ((one.short or 0) >= best - 0.01), label
        assert contender.chosen == max(contender.tried, key=lambda one: one.full or 0).settings
        assert [run.seed for run in contender.runs] == [0, 1]
        assert all(len(run.curve) == 3 for run in contender.runs)
    assert found["GD"].tried[1] == Tried({"lr": 1e30}, short=None, full=None)
    assert found["GD"].chosen == {"lr": 0.1}


def reached(accuracy):
    """What `train` returns of a run that got so far."""
    one = plain(epoch(height=accuracy))
    return {"curve": [one], "best": one}


def blind(run, directory, device):
    return {"weights": {}}


def test_who_is_nearly_best_in_short_runs_gets_a_full_one(stored, monkeypatch):
    """The second setting is behind by a little, and ahead in the end; the third never is."""
    three = (*RATES, {"lr": 0.1})
    scores = {(1e-3, 2): 0.7, (0.02, 2): 0.695, (0.1, 2): 0.6, (1e-3, 3): 0.71, (0.02, 3): 0.72}

    def train(run, directory, device):
        return reached(scores.get((run.lr, run.epochs), 0.9))

    monkeypatch.setattr(tuning, "train", train)
    monkeypatch.setattr(
        conducting, "score_on_test", lambda run, directory, device: plain(final(0.5))
    )
    only = replace(STUDY.contenders[0], tried=three)
    study = replace(
        STUDY,
        contenders=(only,),
        inspect=blind,
        result=TrainedRun,
    )
    found = conduct(study, stored / "runs", workers=1)["Adam"]
    assert found.chosen == {"lr": 0.02}
    assert [one.full for one in found.tried] == [0.71, 0.72, None]


def test_a_setting_with_which_a_reported_run_diverges_is_passed_over(stored, monkeypatch):
    """The best rate is lost with seed 1, so the next best is taken for all seeds alike."""
    scores = {1e-3: 0.7, 0.02: 0.69, 0.1: 0.5}

    def train(run, directory, device):
        if run.lr == 1e-3 and run.seed == 1:
            raise FloatingPointError("the loss is nan")
        return reached(scores[run.lr])

    monkeypatch.setattr(tuning, "train", train)
    monkeypatch.setattr(
        conducting, "score_on_test", lambda run, directory, device: plain(final(0.5))
    )
    only = replace(STUDY.contenders[0], tried=(*RATES, {"lr": 0.1}))
    study = replace(
        STUDY,
        contenders=(only,),
        inspect=blind,
        result=TrainedRun,
    )
    found = conduct(study, stored / "runs", workers=1)["Adam"]
    assert (found.chosen, found.refused) == ({"lr": 0.02}, ({"lr": 1e-3},))
    assert [run.seed for run in found.runs] == [0, 1]
    unstable = replace(study, contenders=(replace(only, tried=RATES[:1]),))
    with pytest.raises(RuntimeError, match="Adam: a run diverged with each of"):
        conduct(unstable, stored / "runs", workers=1)


def test_a_trial_that_fails_for_another_reason_is_no_setting_that_diverged(stored, monkeypatch):
    """With one setting less to choose from the budgets would differ, and nobody would know."""

    def train(run, directory, device):
        if run.lr == 0.02:
            raise OSError("no space left on device")
        return reached(0.7)

    monkeypatch.setattr(tuning, "train", train)
    with pytest.raises(RuntimeError, match="failed: OSError: no space left"):
        conduct(STUDY, stored / "runs", workers=1)


def test_only_reported_runs_see_the_test_part(found, folder):
    tested = {path.parent for path in folder.glob("*/test.json")}
    reported = [
        run
        for one in STUDY.contenders
        for run in STUDY.runs(one, STUDY.seeds, **found[one.label].chosen)
    ]
    assert tested == {run_directory(run, folder) for run in reported}
    full = sum(one.full is not None for contender in found.values() for one in contender.tried)
    assert len(list(folder.glob("*/outcome.json"))) == 4 + full + 4


def test_weights_are_those_at_the_end(found, folder):
    (adam, _) = STUDY.contenders
    (run, _) = STUDY.runs(adam, STUDY.seeds, **found["Adam"].chosen)
    model = run.load_trained(run_directory(run, folder), "last")
    assert found["Adam"].runs[0].weights == describe_weights(model)


def test_a_study_goes_on_where_it_was(found, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/outcome.json")}
    assert conduct(STUDY, folder, workers=1) == found
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_was_found_survives_its_file_to_six_digits(found):
    record = Record(None, STUDY.setting, found)
    again = Record.from_json(record.to_json(), TextRun)
    assert again.setting["seeds"] == 2
    for of in (lambda run: run.test.best.accuracy, lambda run: run.weights["key"].hoyer):
        torch.testing.assert_close(
            again.values("Adam", of), record.values("Adam", of), rtol=1e-5, atol=0
        )
    assert again.curves("GD", "loss").shape == (2, 3)
    assert Record.from_json(again.to_json(), TextRun) == again


def test_no_setting_that_finishes_is_an_error(stored):
    hopeless = Contender("GD", STUDY.contenders[1].settings, ({"lr": 1e30}, {"lr": 1e29}))
    with pytest.raises(RuntimeError, match="GD: no run finished with any of "):
        conduct(
            Study(SentimentRun, look_inside, TextRun, "quick", TINY, (hopeless,), 1, range(1)),
            stored / "runs",
            workers=1,
        )


def test_a_single_setting_is_not_tried_but_taken(stored):
    only = Contender("Adam", {"optimizer": "adam"}, RATES[1:])
    study = replace(STUDY, contenders=(only,), seeds=range(1))
    found = conduct(study, stored / "runs", workers=1)["Adam"]
    assert (found.tried, found.chosen) == ((), {"lr": 0.02})
    assert len(planned(study)) == len(list(stored.glob("runs/*/outcome.json"))) == 1


def test_unequal_budgets_are_refused():
    more = Contender("more", {"optimizer": "adam"}, (*RATES, {"lr": 0.1}))
    with pytest.raises(ValueError, match="'Adam': 2, 'more': 3"):
        replace(STUDY, contenders=(STUDY.contenders[0], more))


@pytest.mark.parametrize("name", BOOKS)
def test_the_books_studies_can_be_planned(name):
    study = BOOKS[name]
    runs = planned(study)
    tuning = [run for one in study.contenders for run in study.trials(one)]
    assert len(runs) == len(tuning) + len(study.contenders) * len(study.seeds)
    assert {run.seed for run in tuning}.isdisjoint(study.seeds)


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def command(stored, monkeypatch):
    """The command that conducts the small study; it takes further options."""
    monkeypatch.setitem(STUDIES, "tiny", STUDY)
    arguments = f"study text tiny --folder {stored / 'runs'} --workers 1".split()
    return lambda *more: main([*arguments, *more])


def test_the_command_records_what_it_prints(command, stored, capsys):
    path = stored / "tiny.json"
    assert command("--dry-run") == 0
    assert "8 runs, " in capsys.readouterr().out
    assert not (stored / "runs").exists()
    assert command("--record", str(path)) == 0
    out = capsys.readouterr().out
    record = Record.from_json(path.read_text(), TextRun)
    assert accuracy_table(record).text in out
    typed = f"python -m mdlib study text tiny --folder {stored / 'runs'} --workers 1"
    assert record.provenance.command == f"{typed} --record {path}"
    assert json.loads(path.read_text())["contenders"].keys() == {"Adam", "GD"}
    for outcome in stored.glob("runs/*/*.json"):
        content = json.loads(outcome.read_text())
        if outcome.name != "run.json" and "provenance" in content:
            assert content["provenance"]["command"] == record.provenance.command


def test_one_contender_is_conducted_again_and_the_others_stay(command, stored, monkeypatch):
    path = stored / "tiny.json"
    assert command("--record", str(path)) == 0
    before = Record.from_json(path.read_text(), TextRun)
    other = replace(STUDY.contenders[1], tried=({"lr": 0.3}, {"lr": 0.2}))
    changed = replace(STUDY, contenders=(STUDY.contenders[0], other))
    monkeypatch.setitem(STUDIES, "tiny", changed)
    assert command("--only", "GD", "--record", str(path)) == 0
    after = Record.from_json(path.read_text(), TextRun)
    assert list(after.contenders) == ["Adam", "GD"]
    assert after.contenders["Adam"] == before.contenders["Adam"]
    assert {one.settings["lr"] for one in after.contenders["GD"].tried} == {0.3, 0.2}
    assert "--only GD" in after.provenance.command


def test_contenders_of_another_study_are_not_mixed_in(command, stored, capsys):
    path = stored / "tiny.json"
    path.write_text(Record(None, {**STUDY.setting, "epochs": 99}, {}).to_json())
    for label, said in {
        "GD": "'epochs': 99",
        "SGD": "no contender 'SGD'; there are Adam, GD",
    }.items():
        assert command("--record", str(path), "--only", label) == 2
        assert said in capsys.readouterr().err
    assert not (stored / "runs").exists()


@pytest.mark.parametrize("what", ["study text paper", "study sentences --quick", "ledger"])
def test_a_record_that_cannot_be_written_is_refused_before_anything_runs(what, tmp_path, capsys):
    assert main([*what.split(), "--record", str(tmp_path / "no" / "x.json")]) == 2
    said = f"python -m mdlib: error: --record: there is no folder {tmp_path / 'no'}; make it first"
    assert capsys.readouterr() == ("", f"{said}\n")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--device", "gpu", "device must be auto, cpu, cuda or mps, got 'gpu'"),
        ("--folder", "/dev/null/runs", "folder '/dev/null/runs' cannot be made"),
    ],
)
def test_what_a_study_cannot_use_is_named(option, value, message, command, stored, capsys):
    assert command(option, value) == 2
    assert message in capsys.readouterr().err
    assert not (stored / "runs").exists()


def test_a_cluster_that_does_not_answer_is_named(command, stored, monkeypatch, capsys):
    monkeypatch.setitem(STUDIES, "tiny", STUDY)
    folder = ["--folder", str(stored / "runs")]
    assert main(["study", "text", "tiny", *folder, "--scheduler", "foo"]) == 2
    assert "scheduler 'foo' does not answer" in capsys.readouterr().err
    assert not (stored / "runs").exists()


def test_a_study_whose_run_fails_says_which_and_ends_with_status_1(command, monkeypatch, capsys):
    def fail(run, directory, device):
        raise OSError("no space left on device")

    monkeypatch.setattr(tuning, "train", fail)
    assert command() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].endswith(": failed: OSError: no space left on device")


def test_a_study_that_is_stopped_says_how_to_go_on(command, monkeypatch, capsys):
    def stop(run, directory, device):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "train", stop)
    assert command() == 130
    assert capsys.readouterr().err.endswith("stopped; the same command goes on\n")
