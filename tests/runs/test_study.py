"""A study: equal budgets, a choice by validation alone, one look at the test, a faithful record."""

import json
from dataclasses import replace

import pytest
import torch

from mdlib.runs import study as module
from mdlib.runs.record import Record, recorded
from mdlib.runs.study import Contender, Study, conduct, planned
from mdlib.measure.weights import EDGES, attention_weights, describe_weights
from mdlib.nn import TextClassifier
from mdlib.__main__ import main
from mdlib.studies.text.inspection import inspect
from mdlib.studies.text.run import SentimentRun
from mdlib.studies.text.studies import STUDIES
from mdlib.runs import run_directory
from mdlib.studies.images import studies as vision

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
    inspect,
    preset="quick",
    changes=TINY,
    contenders=(
        Contender("Adam", {"optimizer": "adam"}, RATES),
        Contender("GD", {"p": 2, "momentum": 0.0, "normalize": False}, ({"lr": 0.1}, {"lr": 1e30})),
    ),
    short=2,
    seeds=range(2),
)


@pytest.fixture
def found(stored):
    return conduct(STUDY, stored / "runs", workers=1)


def test_the_best_setting_on_the_validation_part_is_repeated_over_seeds(found, stored):
    for label, contender in found.items():
        best = max(row["short"] or 0 for row in contender["tried"])
        for row in contender["tried"]:
            assert (row["full"] is not None) == ((row["short"] or 0) >= best - 0.01), label
        chosen = max(contender["tried"], key=lambda row: row["full"] or 0)
        assert contender["chosen"] == {"lr": chosen["lr"]}
        assert [run["seed"] for run in contender["runs"]] == [0, 1]
        assert all(len(run["curve"]) == 3 for run in contender["runs"])
    assert found["GD"]["tried"][1] == {"lr": 1e30, "short": None, "full": None}
    assert found["GD"]["chosen"] == {"lr": 0.1}


def test_who_is_nearly_best_in_short_runs_gets_a_full_one(stored, monkeypatch):
    """The second setting is behind by a little, and ahead in the end; the third never is."""
    three = (*RATES, {"lr": 0.1})
    scores = {(1e-3, 2): 0.7, (0.02, 2): 0.695, (0.1, 2): 0.6, (1e-3, 3): 0.71, (0.02, 3): 0.72}

    def train(run, directory, device):
        curve = [{"validation_accuracy": scores.get((run.lr, run.epochs), 0.9)}]
        return {"curve": curve, "best": curve[0]}

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "score_on_test", lambda run, directory, device: {})
    only = replace(STUDY.contenders[0], tried=three)
    study = replace(STUDY, contenders=(only,), inspect=lambda run, directory, device: {})
    found = conduct(study, stored / "runs", workers=1)["Adam"]
    assert found["chosen"] == {"lr": 0.02}
    assert [row["full"] for row in found["tried"]] == [0.71, 0.72, None]


def test_a_setting_with_which_a_reported_run_diverges_is_passed_over(stored, monkeypatch):
    """The best rate is lost with seed 1, so the next best is taken for all seeds alike."""
    scores = {1e-3: 0.7, 0.02: 0.69, 0.1: 0.5}

    def train(run, directory, device):
        if run.lr == 1e-3 and run.seed == 1:
            raise FloatingPointError("the loss is nan")
        return {"best": {"validation_accuracy": scores[run.lr]}}

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "score_on_test", lambda run, directory, device: {})
    only = replace(STUDY.contenders[0], tried=(*RATES, {"lr": 0.1}))
    study = replace(STUDY, contenders=(only,), inspect=lambda run, directory, device: {})
    found = conduct(study, stored / "runs", workers=1)["Adam"]
    assert (found["chosen"], found["refused"]) == ({"lr": 0.02}, [{"lr": 1e-3}])
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    unstable = replace(study, contenders=(replace(only, tried=RATES[:1]),))
    with pytest.raises(RuntimeError, match="Adam: a run diverged with each of"):
        conduct(unstable, stored / "runs", workers=1)


def test_a_trial_that_fails_for_another_reason_is_no_setting_that_diverged(stored, monkeypatch):
    """With one setting less to choose from the budgets would differ, and nobody would know."""

    def train(run, directory, device):
        if run.lr == 0.02:
            raise OSError("no space left on device")
        return {"best": {"validation_accuracy": 0.7}}

    monkeypatch.setattr(module, "train", train)
    with pytest.raises(RuntimeError, match="failed: OSError: no space left"):
        conduct(STUDY, stored / "runs", workers=1)


def test_only_reported_runs_see_the_test_part(found, stored):
    tested = {path.parent for path in stored.glob("runs/*/test.json")}
    reported = [
        run
        for one in STUDY.contenders
        for run in STUDY.runs(one, STUDY.seeds, **found[one.label]["chosen"])
    ]
    assert tested == {run_directory(run, stored / "runs") for run in reported}
    full = sum(row["full"] is not None for one in found.values() for row in one["tried"])
    assert len(list(stored.glob("runs/*/outcome.json"))) == 4 + full + 4


def test_weights_are_those_at_the_end(found, stored):
    (adam, _) = STUDY.contenders
    (run, _) = STUDY.runs(adam, STUDY.seeds, **found["Adam"]["chosen"])
    model = run.load_trained(run_directory(run, stored / "runs"), "last")
    assert found["Adam"]["runs"][0]["weights"] == describe_weights(model)


def test_a_study_goes_on_where_it_was(found, stored):
    before = {path: path.stat().st_mtime_ns for path in stored.glob("runs/*/outcome.json")}
    assert conduct(STUDY, stored / "runs", workers=1) == found
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_no_setting_that_finishes_is_an_error(stored):
    hopeless = Contender("GD", STUDY.contenders[1].settings, ({"lr": 1e30}, {"lr": 1e29}))
    with pytest.raises(RuntimeError, match="GD: no run finished with any of "):
        conduct(
            Study(SentimentRun, inspect, "quick", TINY, (hopeless,), 1, range(1)),
            stored / "runs",
            workers=1,
        )


def test_a_single_setting_is_not_tried_but_taken(stored):
    only = Contender("Adam", {"optimizer": "adam"}, RATES[1:])
    study = replace(STUDY, contenders=(only,), seeds=range(1))
    found = conduct(study, stored / "runs", workers=1)["Adam"]
    assert (found["tried"], found["chosen"]) == ([], {"lr": 0.02})
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


# ---- the record ---------------------------------------------------------------------------------


def test_a_record_survives_its_file_to_six_digits(found):
    record = Record({"commit": "x"}, STUDY.setting, found)
    again = Record.from_json(record.to_json())
    assert again.setting["seeds"] == 2
    for keys in (("test", "best", "accuracy"), ("weights", "key", "hoyer")):
        torch.testing.assert_close(
            again.values("Adam", *keys), record.values("Adam", *keys), rtol=1e-5, atol=0
        )
    assert again.curves("GD", "loss").shape == (2, 3)
    assert Record.from_json(again.to_json()) == again
    with pytest.raises(KeyError, match="no contender 'sgd'; there are Adam, GD"):
        record.runs("sgd")


def test_sparsity_is_the_mean_over_the_three_matrices():
    sizes = {"query": 0.1, "key": 0.2, "value": 0.6}
    rest = [0.0] * (len(EDGES) - 3)  # the first bin holds what is tiny, the last what is not
    weights = {
        name: {**dict.fromkeys(("zero", "small", "hoyer"), x), "counts": [x, *rest, 1 - x]}
        for name, x in sizes.items()
    }
    runs = [{"weights": weights}, {"weights": dict.fromkeys(sizes, weights["query"])}]
    record = Record({}, {}, {"a": {"runs": runs}})
    for measure in ("small", "tiny"):
        assert record.sparsity("a", measure).tolist() == pytest.approx([0.3, 0.1])
    assert "20.0 ± 14.1" in record.sparsity_table("x").text
    assert "0.20 ± 0.14" in record.sparsity_table("x").text


def test_curves_of_runs_that_stopped_earlier_end_with_nan():
    runs = [{"curve": [{"loss": float(i)} for i in range(epochs)]} for epochs in (1, 3)]
    curves = Record({}, {}, {"a": {"runs": runs}}).curves("a", "loss")
    assert curves[1].tolist() == [0, 1, 2]
    assert curves[0, 0] == 0
    assert curves[0, 1:].isnan().all()


def test_the_origin_names_every_commit_that_runs_were_trained_at():
    origin = {"date": "2026-01-01", "commit": "f" * 40, "hardware": "a machine"}
    runs = [{"commit": letter * 40} for letter in "baa"]
    told = Record(origin, {}, {"x": {"runs": runs[:2]}, "y": {"runs": runs[2:]}}).origin
    assert "runs of commit aaaaaaa, bbbbbbb, on a machine; 2 seeds" in told


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
    record = Record.from_json(path.read_text())
    assert record.table().text in out
    typed = f"python -m mdlib study text tiny --folder {stored / 'runs'} --workers 1"
    assert record.provenance["command"] == f"{typed} --record {path}"
    assert json.loads(path.read_text())["contenders"].keys() == {"Adam", "GD"}
    for outcome in stored.glob("runs/*/*.json"):
        content = json.loads(outcome.read_text())
        if outcome.name != "run.json" and "provenance" in content:
            assert content["provenance"]["command"] == record.provenance["command"]


def test_one_contender_is_conducted_again_and_the_others_stay(command, stored, monkeypatch):
    path = stored / "tiny.json"
    assert command("--record", str(path)) == 0
    before = Record.from_json(path.read_text())
    other = replace(STUDY.contenders[1], tried=({"lr": 0.3}, {"lr": 0.2}))
    changed = replace(STUDY, contenders=(STUDY.contenders[0], other))
    monkeypatch.setitem(STUDIES, "tiny", changed)
    assert command("--only", "GD", "--record", str(path)) == 0
    after = Record.from_json(path.read_text())
    assert list(after.contenders) == ["Adam", "GD"]
    assert after.contenders["Adam"] == before.contenders["Adam"]
    assert {row["lr"] for row in after.contenders["GD"]["tried"]} == {0.3, 0.2}
    assert "--only GD" in after.provenance["command"]


def test_contenders_of_another_study_are_not_mixed_in(command, stored, capsys):
    path = stored / "tiny.json"
    path.write_text(Record({}, {**STUDY.setting, "epochs": 99}, {}).to_json())
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

    monkeypatch.setattr(module, "train", fail)
    assert command() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].endswith(": failed: OSError: no space left on device")


def test_a_study_that_is_stopped_says_how_to_go_on(command, monkeypatch, capsys):
    def stop(run, directory, device):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train", stop)
    assert command() == 130
    assert capsys.readouterr().err.endswith("stopped; the same command goes on\n")


@pytest.mark.parametrize("name", ["text reviews", "text learned", "images mnist", "images cifar"])
def test_the_shipped_record_is_of_the_books_study(name):
    record, study = recorded(name.split()[1]), BOOKS[name]
    assert record.setting == study.setting
    assert list(record.contenders) == [one.label for one in study.contenders]
    for one in study.contenders:
        found = record.contenders[one.label]
        assert found["settings"] == one.settings
        assert [{"lr": row["lr"]} for row in found["tried"]] == list(one.tried)
        assert found["chosen"] in one.tried
        assert [run["seed"] for run in found["runs"]] == list(study.seeds)
    assert not record.provenance["commit"].endswith("-dirty")


# ---- the weights --------------------------------------------------------------------------------


def model_with(values):
    model = TextClassifier(vocabulary=9, width=4, layers=2, heads=2, hidden=4)
    for block in model.blocks:
        parts = block.attention.qkv.weight.data.chunk(3)
        for part, value in zip(parts, values, strict=True):
            part.copy_(torch.as_tensor(value).expand(4, 4))
    return model


def test_queries_keys_and_values_are_told_apart():
    entries = attention_weights(model_with((1.0, 2.0, 3.0)))
    assert {name: w.unique().tolist() for name, w in entries.items()} == {
        "query": [1.0],
        "key": [2.0],
        "value": [3.0],
    }
    assert all(len(w) == 2 * 16 for w in entries.values())


def test_sparsity_by_hand():
    alone = torch.zeros(4, 4)
    alone[1, 2] = -3.0
    some = torch.tensor([[1.0, 0.05, 0.005, 1e-8]]).expand(4, 4)
    found = describe_weights(model_with((1.0, alone, some)))
    assert found["query"]["hoyer"] == pytest.approx(0, abs=1e-7)
    assert (found["query"]["small"], found["query"]["zero"]) == (0, 0)
    assert found["key"]["hoyer"] == pytest.approx(1 - (2**0.5 - 1) / (32**0.5 - 1))  # two layers
    assert found["key"]["zero"] == found["key"]["small"] == pytest.approx(15 / 16)
    assert (found["value"]["small"], found["value"]["zero"]) == (1 / 2, 0)
    for one in found.values():
        assert sum(one["counts"]) == 32
    assert found["query"]["counts"][EDGES.index(0.0)] == 32
    assert found["key"]["counts"][0] == 30


def test_no_weights_left_are_as_sparse_as_it_gets():
    found = describe_weights(model_with((0.0, 0.0, 0.0)))["query"]
    assert (found["hoyer"], found["small"], found["zero"]) == (1, 1, 1)
