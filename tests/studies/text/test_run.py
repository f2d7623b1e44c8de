"""A run is what it says: its optimizer, its data, its model; the test part waits to be asked."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import mdlib
from mdlib.data.text.encoded import load_encoded
from mdlib.optim.proximal import ProximalSGD
from mdlib.runs import run_directory, score_on_test, train
from mdlib.runs.optimizers import OPTIMIZERS, build_optimizer
from mdlib.runs.results import Trained
from mdlib.runs.schema import plain, read
from mdlib.studies.text import SentimentRun, build_model
from mdlib.train import evaluate

SMALL = SentimentRun(
    optimizer="adam", lr=0.01, width=16, heads=2, hidden=16, vocabulary=200, epochs=3, batch_size=10
)


def test_training_returns_the_curve_and_touches_no_test_text(stored):
    result = train(SMALL, stored / "run")
    assert [line.epoch for line in result.curve] == [1, 2, 3]
    assert result.steps == 3 * 12
    assert result.best in result.curve
    assert result.best.validation_accuracy > 0.8
    assert read(Trained, json.loads(json.dumps(plain(result)))) == result
    assert not list(stored.glob("cache/encoded/*/test.npz"))


def test_the_test_is_of_the_best_weights_and_of_the_last(stored):
    train(SMALL, stored / "run")
    scores = score_on_test(SMALL, stored / "run")
    _, parts = load_encoded("sst2", 200, ["test"])
    for which in ("best", "last"):
        model = SMALL.load_trained(stored / "run", which)
        tokenizer = SMALL.tokenizer(stored / "run")
        assert not model.training
        assert len(tokenizer) == model.tokens.num_embeddings
        texts = SMALL.sequences(parts["test"], "test")
        assert plain(scores)[which] == evaluate(model, texts, batch_size=10)
    assert scores.best.accuracy > 0.8


def test_a_trained_model_is_read_without_its_data(stored, monkeypatch):
    train(SMALL, stored / "run")
    tokenizer, parts = load_encoded("sst2", 200, ["validation"])
    inputs, _ = SMALL.sequences(parts["validation"], "validation").collate(torch.arange(20))
    before = SMALL.load_trained(stored / "run")(*inputs)
    hide_data(stored, monkeypatch)
    model, reader = SMALL.load_trained(stored / "run"), SMALL.tokenizer(stored / "run")
    assert torch.equal(model(*inputs), before)
    assert reader.tokens(range(len(reader))) == tokenizer.tokens(range(len(tokenizer)))


def hide_data(stored, monkeypatch):
    monkeypatch.setenv("MDLIB_DATA", str(stored / "nowhere"))
    (stored / "cache").rename(stored / "another cache")


def test_a_run_that_never_ended_can_be_read_too(stored, monkeypatch):
    with pytest.raises(FloatingPointError):
        train(replace(SMALL, optimizer="sgd", lr=1e30), stored / "run")
    hide_data(stored, monkeypatch)
    SMALL.load_trained(stored / "run", "last")


def test_a_run_without_a_tokenizer_is_read_with_that_of_its_data(stored):
    train(SMALL, stored / "run")
    (stored / "run" / "tokenizer.json").unlink()
    model, tokenizer = SMALL.load_trained(stored / "run"), SMALL.tokenizer(stored / "run")
    assert len(tokenizer) == model.tokens.num_embeddings


def test_other_settings_leave_the_tokenizer_alone(stored):
    train(SMALL, stored / "run")
    written = (stored / "run" / "tokenizer.json").read_bytes()
    with pytest.raises(ValueError, match="begun with other settings"):
        train(replace(SMALL, vocabulary=150), stored / "run")
    assert (stored / "run" / "tokenizer.json").read_bytes() == written


def test_a_stopped_run_goes_on_and_a_finished_one_is_not_repeated(stored):
    whole = train(SMALL, stored / "whole")
    again = train(SMALL, stored / "whole")
    assert again == whole
    changed = replace(SMALL, seed=1)
    with pytest.raises(ValueError, match="begun with other settings"):
        train(changed, stored / "whole")
    assert train(changed, stored / "other").curve != whole.curve


def test_the_seed_decides_the_weights_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same = (build_model(SMALL, 50).tokens.weight for _ in range(2))
    other = build_model(replace(SMALL, seed=1), 50).tokens.weight
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.rand(1), expected)


def test_a_subset_is_the_same_for_every_seed_and_texts_are_cut(stored):
    _, parts = load_encoded("sst2", 200)
    run = replace(SMALL, subset=30, max_length=4)
    one, other = (
        run.sequences(parts["train"], "train"),
        replace(run, seed=1).sequences(parts["train"], "train"),
    )
    assert len(one) == 30
    assert one.fingerprint == other.fingerprint
    assert one.lengths.max() == 4
    everything = replace(SMALL, max_length=4).sequences(parts["train"], "train")
    pairs = {
        (*ids.tolist(), int(y)) for ids, y in zip(everything.ids, everything.labels, strict=True)
    }
    assert {(*i.tolist(), int(y)) for i, y in zip(one.ids, one.labels, strict=True)} <= pairs
    with pytest.raises(ValueError, match="subset=121 is more than the 120 examples"):
        replace(SMALL, subset=121).sequences(parts["train"], "train")


def test_every_optimizer_gets_its_options():
    def optimizer(**values):
        run = replace(SMALL, **{"optimizer": "sgd", "lr": 0.5} | values)
        return build_optimizer(run, build_model(run, 20))

    found = optimizer(optimizer="md", p=1.5, momentum=0.9, weight_decay=0.25, normalize=True)
    group = found.param_groups[0]
    assert isinstance(found, mdlib.MirrorDescent)
    names = ("lr", "potential", "momentum", "weight_decay", "normalize")
    assert [group[name] for name in names] == [0.5, mdlib.LpPotential(1.5), 0.9, 0.25, True]
    found = optimizer(optimizer="l1", penalty=0.125, momentum=0.9)
    assert isinstance(found, ProximalSGD)
    assert [found.param_groups[0][name] for name in ("penalty", "momentum")] == [0.125, 0.9]
    found = optimizer(momentum=0.9)
    assert type(found) is torch.optim.SGD
    assert found.param_groups[0]["momentum"] == 0.9
    assert type(optimizer(optimizer="adam")) is torch.optim.Adam
    found = optimizer(optimizer="adamw", weight_decay=0.125)
    assert type(found) is torch.optim.AdamW
    assert found.param_groups[0]["weight_decay"] == 0.125
    assert len(group["params"]) == len(list(build_model(SMALL, 20).parameters()))


def test_the_paper_is_what_it_says():
    run = SentimentRun.preset("paper", p=3)
    assert (run.lr, run.reduction, run.stop_at_accuracy) == (1e-5, "sum", 0.995)
    model = build_model(run, 30_522)
    # Embeddings, positions, readout; in a layer attention, perceptron and two norms, no biases.
    layer = 4 * 384**2 + 2 * 384 * 1536 + 2 * 384
    assert sum(w.numel() for w in model.parameters()) == (30_522 + 512 + 1) * 384 + 3 * layer


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (SentimentRun(p=1.1), "0b301c2ed501d104"),
        (SentimentRun.preset("paper", p=3, seed=9), "ec62eb7066cd8fa7"),
        (SentimentRun.preset("small", optimizer="adam"), "b62bb9ec6f190e68"),
    ],
    ids=["plain", "paper", "small"],
)
def test_recorded_runs_keep_their_names(run, name):
    """The class, a field or a default that changed would leave finished runs unfound."""
    assert run_directory(run, "runs").name == name


@pytest.mark.parametrize("preset", SentimentRun.presets)
def test_every_preset_knows_its_learning_rates(preset):
    for (optimizer, p), lr in SentimentRun.learning_rates[preset].items():
        needs = {"l1": {"penalty": 1e-4}, "adamw": {"weight_decay": 0.01}}.get(optimizer, {})
        run = SentimentRun.preset(preset, optimizer=optimizer, p=p, **needs)
        assert run.lr == lr
        assert SentimentRun.preset(preset, optimizer=optimizer, p=p, lr=7, **needs).lr == 7.0
    with pytest.raises(
        ValueError, match=f"{preset} has no learning rate for md with p=1.7: give lr"
    ):
        SentimentRun.preset(preset, p=1.7)


def test_numbers_of_numpy_are_the_same_run():
    one = SentimentRun(p=2, lr=1, epochs=3, subset=50)
    other = SentimentRun(p=np.int64(2), lr=np.float32(1), epochs=np.int32(3), subset=np.int64(50))
    assert run_directory(one, "runs") == run_directory(other, "runs")


def test_equal_numbers_are_equal_runs():
    one, other = SentimentRun(p=2, lr=1), SentimentRun(p=2.0, lr=1.0)
    assert one == other
    assert repr(one) == repr(other)
    assert isinstance(asdict(one)["seed"], int)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "md needs a p, got None; give p, such as p=1.1"),
        ({"optimizer": "l1"}, "l1 needs a penalty"),
        ({"optimizer": "adamw"}, "adamw needs a weight_decay"),
        ({"optimizer": "adam", "p": 1.1}, "adam has no p, got 1.1; leave it out, or take md"),
        ({"optimizer": "adam", "momentum": 0.9}, "take md or sgd or l1"),
        ({"p": 2.0, "penalty": 0.1}, "md has no penalty"),
        ({"optimizer": "sgd", "normalize": True}, "sgd has no normalize"),
        ({"optimizer": "muon"}, f"one of {', '.join(OPTIMIZERS)}; got 'muon'"),
        ({"p": 2.0, "data": "yelp"}, "data must be imdb or sst2, got 'yelp'"),
        ({"p": 2.0, "subset": 0}, "subset must be at least 1, or None for all; got 0"),
    ],
)
def test_a_run_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SentimentRun(**values)


def test_another_preset_is_refused():
    with pytest.raises(ValueError, match="preset must be one of quick, small, paper; got 'huge'"):
        SentimentRun.preset("huge", p=2.0)
