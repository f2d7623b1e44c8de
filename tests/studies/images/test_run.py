"""A run on images is what it says; it trains, stops and is scored as runs on text are."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mdlib import LpPotential, MirrorDescent
from mdlib.data.images import ImageData
from mdlib.data.images.sets import load_digit_images
from mdlib.measure.pruning import prune, stored_size
from mdlib.measure.weights import describe_weights
from mdlib.runs import operations, run_directory, score_on_test, sweep, train
from mdlib.runs.cost import cost
from mdlib.runs.results import Trained
from mdlib.runs.run import field_types
from mdlib.runs.schema import plain, read
from mdlib.studies.images import VisionRun, build_model
from mdlib.studies.images import run as module
from mdlib.studies.images.inspection import Inside, look_inside
from mdlib.studies.images.pictures import Pictures
from mdlib.studies.images.run import load_parts
from mdlib.train import evaluate

SMALL = VisionRun(
    optimizer="adam",
    lr=3e-3,
    patch=4,
    width=32,
    heads=2,
    hidden=16,
    subset=400,
    epochs=8,
    batch_size=20,
)


def noise(count, channels=3, side=32):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    return ImageData(
        "noise", torch.from_numpy(images), torch.arange(count) % 10, tuple("0123456789")
    )


# ---- images as examples -------------------------------------------------------------------------


def test_pixels_go_from_minus_one_to_one_and_stay_where_they_are():
    data = noise(4)
    (pixels,), labels = Pictures(data).collate(torch.tensor([3, 1]))
    assert torch.equal(labels, data.labels[[3, 1]])
    assert pixels.dtype == torch.float32
    back = ((pixels + 1) * 127.5).round().byte()
    assert torch.equal(back, data.images[[3, 1]])
    assert (pixels.min(), pixels.max()) == (-1, 1)


def test_resized_images_show_the_same():
    """A ramp stays a ramp, in both directions, and colors stay apart."""
    ramp = torch.arange(0, 256, 8, dtype=torch.uint8)
    image = torch.stack([ramp.expand(32, 32), ramp.expand(32, 32).T, torch.full((32, 32), 99)])
    data = ImageData("ramp", image[None], torch.tensor([0]), ("a",))
    for side in (48, 16):
        (pixels,), _ = Pictures(data, side).collate(torch.tensor([0]))
        assert pixels.shape == (1, 3, side, side)
        # The centre of pixel k of the new image lies at (k + 1/2) 32 / side - 1/2 of the old.
        place = (torch.arange(side) + 0.5) * 32 / side - 0.5
        inner = slice(2, -2)  # at the border there is nothing to take a mean with
        expected = (8 * place / 127.5 - 1)[inner].expand(side, -1)
        torch.testing.assert_close(pixels[0, 0, :, inner], expected)
        torch.testing.assert_close(pixels[0, 1, inner, :], expected.T)
        torch.testing.assert_close(pixels[0, 2], torch.full((side, side), 99 / 127.5 - 1))


def test_no_pixel_is_lost_when_an_image_shrinks():
    """To a quarter of the side: wherever one pixel is white, the image is as bright."""
    images = torch.zeros(16, 1, 32, 32, dtype=torch.uint8)
    for i in range(16):
        images[i, 0, 12 + i // 4, 12 + i % 4] = 255
    data = ImageData("stars", images, torch.zeros(16, dtype=torch.int64), ("a",))
    (pixels,), _ = Pictures(data, 8).collate(torch.arange(16))
    torch.testing.assert_close((pixels + 1).sum((1, 2, 3)), torch.full((16,), 2 / 16))


def test_moved_images_are_shifts_and_mirror_images_and_all_of_them_occur():
    data = noise(1)
    examples, found = Pictures(data, augment=True), set()
    padded = F.pad(data.images[0].float() / 127.5 - 1, (4, 4, 4, 4), value=-1)
    views = {
        (down, right, mirrored): (view.flip(-1) if mirrored else view)
        for down in range(9)
        for right in range(9)
        for view in [padded[:, down : down + 32, right : right + 32]]
        for mirrored in (False, True)
    }
    torch.manual_seed(0)
    (pixels,), _ = examples.collate(torch.zeros(1500, dtype=torch.int64))
    known = {view.numpy().tobytes(): place for place, view in views.items()}
    found = {known[image.contiguous().numpy().tobytes()] for image in pixels}
    assert len(found) > 0.99 * len(views)


def test_draws_are_repeated_with_torchs_generator_and_plain_images_draw_nothing():
    data = noise(50)
    rows = torch.arange(50)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    Pictures(data).collate(rows)
    assert torch.equal(torch.get_rng_state(), state)
    (one,), _ = Pictures(data, augment=True).collate(rows)
    (other,), _ = Pictures(data, augment=True).collate(rows)
    torch.set_rng_state(state)
    (again,), _ = Pictures(data, augment=True).collate(rows)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_fingerprint_tells_what_is_done_to_the_images():
    data = noise(3)
    ways = [Pictures(data), Pictures(data, 48), Pictures(data, augment=True), Pictures(noise(4))]
    assert len({examples.fingerprint for examples in ways}) == 4
    assert Pictures(data, 32).fingerprint == ways[0].fingerprint


# ---- training -----------------------------------------------------------------------------------


def test_a_run_learns_digits_and_is_scored_on_the_test_part(tmp_path):
    result = train(SMALL, tmp_path)
    assert [line.epoch for line in result.curve] == list(range(1, 9))
    assert result.steps == 8 * 20
    assert result.best.validation_accuracy > 0.5
    assert read(Trained, json.loads(json.dumps(plain(result)))) == result
    scores = score_on_test(SMALL, tmp_path)
    _, _, test = load_digit_images()
    for which in ("best", "last"):
        model = SMALL.load_trained(tmp_path, which)
        assert not model.training
        assert plain(scores)[which] == evaluate(model, Pictures(test), batch_size=20)
    assert train(SMALL, tmp_path) == result
    with pytest.raises(ValueError, match="begun with other settings"):
        train(replace(SMALL, image_size=12), tmp_path)


def test_a_sweep_takes_runs_on_images(tmp_path):
    runs = [replace(SMALL, epochs=1, subset=40, lr=lr) for lr in (1e-3, 1e30)]
    ends = sweep(runs, train, tmp_path, workers=1)
    assert [end.status for end in ends] == ["finished", "diverged"]
    assert json.loads((ends[0].directory / "run.json").read_text())["kind"] == "VisionRun"


def test_a_subset_is_the_same_for_every_seed():
    one, other = (load_parts(replace(SMALL, seed=seed))["train"] for seed in (0, 1))
    assert torch.equal(one.images, other.images)
    assert one.name == "digits train, 400 of 1157"
    with pytest.raises(ValueError, match="subset=1158 is more than the 1157 examples"):
        load_parts(replace(SMALL, subset=1158))


def test_a_subset_is_of_the_training_images_alone():
    _, examples = replace(SMALL, subset=100).load(("train", "validation", "test"))
    _, validation, test = load_digit_images()
    assert [len(part) for part in examples.values()] == [100, len(validation), len(test)]


def test_the_seed_decides_the_weights():
    one, same = (build_model(SMALL).positions for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one, build_model(replace(SMALL, seed=1)).positions)


def test_only_training_images_are_moved(monkeypatch):
    parts = tuple(noise(20) for _ in range(3))
    monkeypatch.setitem(module._SETS, "cifar10", (lambda: parts, 3, 32))
    run = replace(SMALL, data="cifar10", augment=True, subset=None, image_size=48)
    model, examples = run.load(("train", "validation", "test"))
    moved = [part for part, shown in examples.items() if shown.augment]
    assert moved == ["train"]
    (pixels,), _ = examples["train"].collate(torch.arange(20))
    assert model(pixels).shape == (20, 10)


def test_a_look_inside_tells_weights_and_what_pruning_leaves(tmp_path, monkeypatch):
    """At the end of training, which is not the best: validated on nines, it learns the others."""
    digits, nines, test = load_digit_images()
    parts = (digits[digits.labels < 9], nines[nines.labels == 9], test)
    monkeypatch.setitem(module._SETS, "digits", (lambda: parts, 1, 8))
    run = replace(SMALL, epochs=2, subset=200)
    assert train(run, tmp_path).best.epoch == 1
    found, model = look_inside(run, tmp_path), run.load_trained(tmp_path, "last")
    assert read(Inside, json.loads(json.dumps(plain(found)))) == found
    assert found.weights == describe_weights(model)
    last = plain(score_on_test(run, tmp_path).last)
    for scope, curve in found.pruning.items():
        assert {name: getattr(curve[0], name) for name in last} == last
        assert curve[5].bytes == stored_size(prune(model, curve[5].fraction, scope))


# ---- what it costs ------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2])
def test_operations_are_those_of_the_formula(layers):
    """In words in tests/runs/test_cost.py; here with the patches and the readout of classes."""
    run = replace(SMALL, layers=layers)
    w, h, T = run.width, run.hidden, (8 // 4) ** 2 + 1
    query = 4 * w * w + 4 * w * T + 4 * w * h
    blocks = layers * T * 4 * w * w + ((layers - 1) * T + 1) * query
    one = blocks + 2 * w * ((T - 1) * 4**2 + 10)
    lengths = torch.full((7,), T)
    assert operations(run, lengths, [torch.arange(3), torch.arange(3, 7)]) == 7 * one


def test_the_counts_are_those_of_the_run(tmp_path):
    found, done = cost(SMALL), train(SMALL, tmp_path)
    assert found.parameters == done.parameters
    assert found.steps * found.epochs == done.steps
    assert (found.examples, found.tokens, found.padded) == (400, 400 * 5, 400 * 5)
    assert "padding" not in str(found)


# ---- what it is ---------------------------------------------------------------------------------


def test_the_paper_is_what_it_says():
    run = VisionRun.preset("paper", p=1.1)
    assert (run.lr, run.batch_size, run.epochs, run.reduction) == (5e-2, 100, 1_000, "mean")
    assert run.augment
    assert VisionRun.preset("paper", optimizer="adam").lr == 1e-4
    with torch.device("meta"):
        model = build_model(run)
        assert model(torch.zeros(1, 3, 48, 48)).shape == (1, 10)
        optimizer = MirrorDescent(model.parameters(), run.lr, LpPotential(1.1))
    assert model.positions.shape == (145, 512)
    assert len(optimizer.param_groups[0]["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("preset", VisionRun.presets)
def test_every_preset_knows_its_learning_rates(preset):
    for (optimizer, p), lr in VisionRun.learning_rates[preset].items():
        needs = {"l1": {"penalty": 1e-4}, "adamw": {"weight_decay": 0.01}}.get(optimizer, {})
        assert VisionRun.preset(preset, optimizer=optimizer, p=p, **needs).lr == lr
    with pytest.raises(ValueError, match=f"{preset} has no learning rate for md with p=1.7"):
        VisionRun.preset(preset, p=1.7)


def test_versions_of_cifar10_are_different_runs():
    names = [data for data in field_types(VisionRun)["data"][1] if data.startswith("cifar10")]
    assert len(names) == 2
    runs = [VisionRun.preset("paper", p=1.1, data=name) for name in names]
    assert len({run_directory(run, "runs") for run in runs}) == 2
    assert [run.title.split()[4].rstrip(",") for run in runs] == names


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": "imagenet"}, "data must be digits or mnist or .*, got 'imagenet'"),
        ({"patch": 3}, "image_size must be a multiple of patch, got image_size=8, patch=3"),
        ({"image_size": 0}, "image_size must be at least 1, got 0"),
        ({"augment": True}, "augment mirrors images, which digits do not bear"),
        ({"subset": 0}, "subset must be at least 1, or None for all; got 0"),
        ({"optimizer": "md", "p": None}, "md needs a p"),
        ({"heads": 3}, "width must be a multiple of heads"),
    ],
)
def test_a_run_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **values)
