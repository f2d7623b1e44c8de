"""fit: the slow loop written out, what stops it, what it refuses."""

import contextlib
import copy
import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from mdlib import LpPotential, MirrorDescent
from mdlib.train import Arrays, Options, evaluate, fit, load_weights, loop
from mdlib.train.batches import epoch_batches
from mdlib.train.objective import example_losses
from mdlib.train.precision import choose_precision
from mdlib.train.settings import describe
from tests.support import small


def points(count=203, classes=2, seed=0):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=draw, dtype=torch.float64)
    return Arrays(x, x[:, :classes].argmax(1))


def network(outputs=2, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs)]
    return nn.Sequential(*layers, *([nn.Flatten(0)] if outputs == 1 else [])).double()


def train(model, data=None, optimizer=None, **options):
    optimizer = optimizer or torch.optim.SGD(model.parameters(), 0.1)
    defaults = {"epochs": 3, "batch_size": 20, "progress": False}
    return fit(model, data or points(), optimizer, **defaults | options)


def kinds(run, event):
    return [line for line in run.metrics if line["event"] == event]


# ---- the slow twin ------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_it_is_the_loop_everybody_writes(reduction, outputs):
    data, other = points(classes=max(outputs, 2)), points(77, max(outputs, 2), seed=1)
    model, twin = network(outputs), network(outputs)
    options = {"lr": 0.01, "potential": LpPotential(1.5), "momentum": 0.5}
    run = train(
        model,
        data,
        MirrorDescent(model.parameters(), **options),
        validation=other,
        reduction=reduction,
        clip=0.5,
        warmup=4,
        schedule="cosine",
        log_every=5,
    )

    optimizer = MirrorDescent(twin.parameters(), **options)
    criterion = nn.BCEWithLogitsLoss if outputs == 1 else nn.CrossEntropyLoss
    target = (lambda y: y.double()) if outputs == 1 else (lambda y: y)
    steps, step = 3 * 11, 0
    for epoch in range(3):
        losses, norms, right = [], [], 0
        for batch in epoch_batches(data.lengths, 20, seed=0, epoch=epoch):
            x, y = data.inputs[batch], data.labels[batch]
            cosine = 0.5 * (1 + math.cos(math.pi * (step - 4) / (steps - 4)))
            optimizer.param_groups[0]["lr"] = 0.01 * ((step + 1) / 4 if step < 4 else cosine)
            optimizer.zero_grad()
            out = twin(x)
            criterion(reduction=reduction)(out, target(y)).backward()
            norms.append(nn.utils.clip_grad_norm_(twin.parameters(), 0.5).item())
            optimizer.step()
            step += 1
            losses.append(criterion(reduction="sum")(out, target(y)).item())
            right += int(((out > 0) if outputs == 1 else out.argmax(1)).eq(y).sum())
            if step % 5 == 0:
                line = next(found for found in kinds(run, "step") if found["step"] == step)
                assert line["lr"] == optimizer.param_groups[0]["lr"]
                assert line["epoch"] == epoch + 1
        found = kinds(run, "epoch")[epoch]
        assert found["loss"] == pytest.approx(sum(losses) / 203, rel=1e-12)
        assert found["accuracy"] == right / 203
        out, y = twin(other.inputs), other.labels
        assert found["validation_loss"] == pytest.approx(criterion()(out, target(y)).item())
        answers = (out > 0) if outputs == 1 else out.argmax(1)
        assert found["validation_accuracy"] == answers.eq(y).double().mean()
        closing = [line for line in kinds(run, "step") if line["epoch"] == epoch + 1][-1]
        since = (step - 1) // 5 * 5 if epoch else 10  # the line before: steps 10, 20, 30
        assert closing["gradient_norm"] == pytest.approx(
            sum(norms[since - step :]) / (step - since)
        )
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_lines_of_steps_share_the_epoch_between_them():
    """Each step is in one line, the last of an epoch closes one; each is a mean over examples."""
    run = train(network(), log_every=4)
    assert [line["step"] for line in kinds(run, "step")] == [
        4,
        8,
        11,
        12,
        16,
        20,
        22,
        24,
        28,
        32,
        33,
    ]
    sizes = [len(b) for e in range(3) for b in epoch_batches(points().lengths, 20, 0, e)]
    at = 0
    for epoch in kinds(run, "epoch"):
        total = 0.0
        for line in kinds(run, "step"):
            if line["epoch"] == epoch["epoch"]:
                total += line["loss"] * sum(sizes[at : line["step"]])
                at = line["step"]
        assert epoch["loss"] == pytest.approx(total / 203)


def test_an_own_loss():
    model, twin = network(), network()
    run = train(model, loss=lambda out, y: F.cross_entropy(out, y, reduction="none") * 2)
    doubled = train(twin, optimizer=torch.optim.SGD(twin.parameters(), 0.2))
    assert run.metrics[-1]["loss"] == pytest.approx(2 * doubled.metrics[-1]["loss"])
    torch.testing.assert_close(list(model.parameters()), list(twin.parameters()))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.uint16], ids=str)
def test_labels_may_be_integers_of_any_kind(dtype, outputs, own):
    data = points(classes=max(outputs, 2))
    other = Arrays(data.inputs, data.labels.to(dtype))
    loss = partial(F.cross_entropy, reduction="none") if own and outputs > 1 else None
    wide, narrow = (train(network(outputs), x, validation=x, loss=loss) for x in (data, other))
    assert wide.metrics == narrow.metrics


@pytest.mark.parametrize(
    ("label", "outputs", "message"),
    [
        (3, 3, "3 logits needs labels 0 to 2, got 3"),
        (-100, 3, "3 logits needs labels 0 to 2, got -100"),
        (2, 2, "2 logits needs labels 0 and 1, got 2"),
        (-1, 1, "one logit needs labels 0 and 1, got -1"),
        (0.5, 1, "one logit needs labels 0 and 1, got 0.5"),
        (math.nan, 3, "3 logits needs labels 0 to 2, got nan"),
    ],
)
def test_labels_out_of_range_are_refused(label, outputs, message):
    labels = torch.tensor([0, label])
    outputs = torch.zeros(2) if outputs == 1 else torch.zeros(2, outputs)
    with pytest.raises(ValueError, match=message):
        example_losses(outputs, labels)


def test_a_text_classifier_learns_and_evaluation_agrees():
    torch.manual_seed(0)
    model = small.classifier(dropout=0.0)
    data = small.sentences(200, seed=5)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    run = fit(model, data, optimizer, epochs=30, batch_size=20, validation=data, progress=False)
    assert run.best["validation_accuracy"] > 0.95
    last = kinds(run, "epoch")[-1]
    (inputs, labels) = data.collate(torch.arange(200))
    with torch.no_grad():
        expected = F.binary_cross_entropy_with_logits(model(*inputs), labels.float()).item()
    assert last["validation_loss"] == pytest.approx(expected, rel=1e-4)
    for size in (1, 7, 200):
        found = evaluate(model, data, batch_size=size)
        assert found["loss"] == pytest.approx(expected, rel=1e-4)
        assert found["accuracy"] == last["validation_accuracy"]


# ---- what the caller finds afterwards -----------------------------------------------------------


def test_the_callers_generator_mode_and_rates_are_left_alone():
    model = network().eval()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(model, optimizer=optimizer, schedule="cosine")
    assert torch.equal(torch.rand(3), expected)
    assert not model.training
    assert optimizer.param_groups[0]["lr"] == 0.1


def frozen_backbone():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).eval()
    return nn.Sequential(backbone.requires_grad_(False), nn.Dropout(0.1), nn.Linear(4, 2)).double()


def modes(model):
    return [part.training for part in model.modules()]


def test_a_frozen_part_in_evaluation_mode_stays_as_it_was():
    model, seen = frozen_backbone(), []
    model[0].register_forward_hook(lambda *_: seen.append(modes(model)))
    before, came = copy.deepcopy(model[0].state_dict()), modes(model)
    optimizer = torch.optim.SGD(model[2].parameters(), 0.1)
    train(model, validation=points(20), optimizer=optimizer, epochs=1)
    assert seen == [came] * 11 + [[False] * len(came)]
    assert modes(model) == came
    torch.testing.assert_close(model[0].state_dict(), before, rtol=0, atol=0)


def test_a_batch_norm_that_is_left_with_one_example_says_so():
    norm = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    with pytest.raises(ValueError, match=r"one example left over, and 1, a BatchNorm, needs two"):
        train(norm, points(21), batch_size=5)
    train(norm, points(22), batch_size=5)
    norm[1].eval()
    train(norm, points(21), batch_size=5)
    pixels = Arrays(torch.rand(21, 3, 4, 4), torch.arange(21) % 2)  # 16 values of each example
    image = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 2))
    train(image, pixels, batch_size=5)


def test_another_error_of_a_single_example_is_left_as_it_is():
    class Refuses(nn.Linear):
        def forward(self, x):
            raise ValueError("not today")

    with pytest.raises(ValueError, match=r"^not today$"):
        train(Refuses(4, 2).double(), points(21), batch_size=1)


@pytest.mark.parametrize("fails", [False, True])
def test_an_evaluation_leaves_every_part_in_its_mode(fails):
    model = frozen_backbone()
    came = modes(model)

    def loss(out, y):
        if fails:
            raise ZeroDivisionError
        return F.cross_entropy(out, y, reduction="none")

    with pytest.raises(ZeroDivisionError) if fails else contextlib.nullcontext():
        evaluate(model, points(), loss=loss)
    assert modes(model) == came


def test_the_result_depends_on_the_seed_and_not_on_the_callers_generator():
    runs = []
    for callers, seed in ((1, 0), (2, 0), (1, 1)):
        model = small.classifier()
        torch.manual_seed(callers)
        runs.append(small.train(None, model, seed=seed)[0].metrics)
    assert runs[0] == runs[1] != runs[2]


# ---- stopping -----------------------------------------------------------------------------------


def noise(count, seed=0):
    """Labels that nothing can be learned about."""
    return Arrays(points(count, seed=seed).inputs, torch.arange(count) % 2)


@pytest.mark.parametrize("validation", [None, noise(50, seed=1)], ids=["alone", "validated"])
def test_it_stops_at_a_train_accuracy(validation):
    run = train(network(), epochs=50, stop_at_accuracy=0.9, validation=validation)
    accuracies = [line["accuracy"] for line in kinds(run, "epoch")]
    assert run.stopped == "accuracy"
    assert accuracies[-1] >= 0.9 > max(accuracies[:-1])
    assert run.epochs == len(accuracies) < 50
    assert run.steps == 11 * run.epochs


@pytest.mark.parametrize("patience", [1, 3])
def test_it_stops_when_validation_gets_no_better(patience):
    """Labels that are noise: the validation is best early."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    options = {"validation": noise(50, seed=1), "epochs": 200, "patience": patience}
    run = train(model, noise(203), optimizer, **options)
    assert run.stopped == "patience"
    merits = [(x["validation_accuracy"], -x["validation_loss"]) for x in kinds(run, "epoch")]
    assert merits.index(max(merits)) == len(merits) - 1 - patience
    assert run.best == kinds(run, "epoch")[-1 - patience]


def test_of_equally_good_epochs_the_first_is_the_best():
    """Steps of length 0: every validation is the same."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    run = train(model, optimizer=optimizer, validation=points(), epochs=9, patience=3)
    assert (run.stopped, run.epochs, run.best["epoch"]) == ("patience", 4, 1)


@pytest.fixture
def validates(monkeypatch):
    """Make the validations of a run be given ones, each an accuracy and a loss."""

    def script(*found):
        rest = iter([{"accuracy": accuracy, "loss": loss} for accuracy, loss in found])
        monkeypatch.setattr(loop, "evaluate", lambda *_: next(rest))

    return script


def test_patience_counts_epochs_in_a_row(validates):
    validates((0.5, 1.0), (0.4, 1.0), (0.6, 1.0), (0.5, 1.0), (0.4, 1.0), (0.9, 1.0))
    run = train(network(), validation=points(), epochs=6, patience=2)
    assert (run.stopped, run.epochs, run.best["epoch"]) == ("patience", 5, 3)


@pytest.mark.parametrize(
    ("found", "best"),
    [
        ([(0.5, 0.9), (0.5, 0.7), (0.5, 0.8)], 2),
        ([(0.5, 0.7), (0.5, 0.9), (0.5, 0.8)], 1),
        ([(0.5, 0.7), (0.6, 0.9), (0.5, 0.1)], 2),
    ],
    ids=["less loss later", "less loss first", "accuracy before loss"],
)
def test_the_best_epoch_has_the_best_accuracy_and_of_equal_ones_the_least_loss(
    found, best, validates, tmp_path
):
    validates(*found)
    model = network()
    run = train(model, validation=points(), epochs=3, directory=tmp_path)
    assert run.best["epoch"] == best
    validates((0.5, 1.0), (0.5, 1.0), (0.5, 1.0))
    train(twin := network(), validation=points(), epochs=best)
    load_weights(model, tmp_path, "best")
    torch.testing.assert_close(model.state_dict(), twin.state_dict(), rtol=0, atol=0)


def test_it_ends_with_its_epochs():
    run = train(network())
    assert (run.stopped, run.epochs, run.steps, run.best) == ("epochs", 3, 33, None)
    assert run.seconds > 0


# ---- progress -----------------------------------------------------------------------------------


def test_progress_counts_the_steps_of_all_epochs(monkeypatch, capsys):
    """Told apart from a bar that stands still: every step is shown, however fast they are."""
    monkeypatch.setattr(loop, "tqdm", partial(tqdm, mininterval=0))
    for progress in (None, False):  # the output is no terminal
        train(network(), progress=progress)
        assert capsys.readouterr().err == ""
    train(network(), progress=True)
    shown = capsys.readouterr().err
    assert all(f" {step}/33 " in shown for step in range(34))


# ---- divergence ---------------------------------------------------------------------------------


def breaks_after(step, optimizer, harm):
    """Call a function after a step of an optimizer, counted from 1."""
    done = 0

    def hook(*_):
        nonlocal done
        done += 1
        if done == step:
            harm()

    optimizer.register_step_post_hook(hook)


@pytest.mark.parametrize("log_every", [1, 7, 1000])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_names_its_step(bad, log_every, tmp_path):
    seen = 0

    def loss(out, y):
        nonlocal seen
        seen += 1
        return F.cross_entropy(out, y, reduction="none") * (bad if seen == 15 else 1)

    options = {"directory": tmp_path, "log_every": log_every, "checkpoint_steps": 4}
    message = (
        r"the loss is (nan|inf) at step 15 \(epoch 2\); the last good checkpoint is "
        r".*checkpoint\.pt, of step 12; use a lower lr than 0\.1"
    )
    with pytest.raises(FloatingPointError, match=message):
        train(network(), loss=loss, **options)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["place"]["step"] == 12
    assert all(weight.isfinite().all() for weight in state["model"].values())
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
    assert not (tmp_path / "outcome.json").exists()


@pytest.mark.parametrize(
    ("options", "saved"),
    [
        ({"checkpoint_minutes": 0.0, "log_every": 4}, 12),  # at steps 4, 8, 11 and 12
        ({"checkpoint_minutes": 1.0, "log_every": 1}, 12),  # at steps 3, 6, 9 and 12
        ({"checkpoint_minutes": 1.0, "log_every": 5}, 10),  # asks at 5, 10, 11 and 15
        ({"checkpoint_minutes": 6.0, "log_every": 1}, 0),
        ({"checkpoint_minutes": None, "log_every": 1}, 0),
    ],
    ids=str,
)
def test_checkpoints_are_so_many_minutes_apart(options, saved, monkeypatch, tmp_path):
    """A step takes 25 seconds, the loss of the 15th is NaN."""
    steps = 0

    def loss(out, y):
        nonlocal steps
        steps += 1
        return F.cross_entropy(out, y, reduction="none") * (math.nan if steps == 15 else 1)

    clock = SimpleNamespace(perf_counter=lambda: 25.0 * steps)
    monkeypatch.setattr(loop, "time", clock)
    with pytest.raises(FloatingPointError, match=f"of step {saved};"):
        train(network(), loss=loss, directory=tmp_path, **options)


@pytest.mark.parametrize(("step", "epoch"), [(6, 1), (11, 1), (12, 2), (22, 2), (33, 3)])
def test_weights_that_are_not_finite_are_never_saved(step, epoch, tmp_path):
    """The step after which the loss would be NaN is the last before a checkpoint."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    breaks_after(step, optimizer, lambda: nn.init.constant_(model[0].bias, math.inf))
    message = rf"a weight is not finite after step {step} \(epoch {epoch}\); .*of step {step - 1};"
    with pytest.raises(FloatingPointError, match=message):
        train(model, optimizer=optimizer, directory=tmp_path, checkpoint_steps=1)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["place"]["step"] == step - 1


@pytest.mark.parametrize("epoch", [1, 2])
def test_the_best_weights_are_finite(epoch, tmp_path):
    """No example looks up the row that breaks: every loss stays finite, the last one is best."""
    torch.manual_seed(0)
    words = Arrays(torch.arange(40) % 4, torch.arange(40) % 2)
    model = nn.Embedding(5, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    breaks_after(2 * epoch, optimizer, lambda: nn.init.constant_(model.weight[4], math.nan))
    message = rf"a weight is not finite after step {2 * epoch} \(epoch {epoch}\)"
    with pytest.raises(FloatingPointError, match=message):
        train(model, words, optimizer, validation=words, directory=tmp_path)
    assert (tmp_path / "best.pt").exists() == (epoch == 2)
    if epoch == 2:
        load_weights(model, tmp_path, "best")
        assert model.weight.isfinite().all()


def test_too_large_a_step_is_told_without_a_directory_too():
    model = small.classifier()
    optimizer = MirrorDescent(model.parameters(), 1e4, LpPotential(1.1))
    message = "no directory was given, so there is no checkpoint; use a lower lr than 10000"
    with pytest.raises(FloatingPointError, match=message):
        small.train(None, model, optimizer)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_validation_that_is_not_finite_stops_the_run(epochs):
    broken = points()
    broken.inputs[3, 1] = math.nan
    message = r"the validation loss is nan after step 11 \(epoch 1\);"
    with pytest.raises(FloatingPointError, match=message):
        train(network(), validation=broken, epochs=epochs)


def test_a_loss_that_is_not_finite_for_its_inputs_is_not_blamed_on_the_rate(tmp_path):
    broken = points()
    broken.inputs[57, 1] = math.nan
    message = r"the loss is nan at step \d+ \(epoch 1\); .*; its example 57 has an input that is"
    with pytest.raises(FloatingPointError, match=message) as caught:
        train(network(), broken, directory=tmp_path)
    assert "lr" not in str(caught.value)
    with pytest.raises(FloatingPointError, match=r"validation loss is nan .*; its example 57 has"):
        train(network(), validation=broken)


# ---- precision ----------------------------------------------------------------------------------


def test_a_precision_that_is_none_is_refused():
    with pytest.raises(ValueError, match="precision must be auto, float32 or bfloat16, got 'half'"):
        choose_precision("half", torch.device("cpu"))


@pytest.mark.parametrize("feature", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_that_has_bfloat16_computes_in_it_only_if_asked(feature, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {feature: True}, raising=False)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == "float32"
    assert choose_precision("bfloat16", cpu) == "bfloat16"


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (9, 0)])
def test_a_gpu_computes_in_bfloat16_if_it_has_it(capability, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda")
    assert choose_precision("float32", gpu) == "float32"
    if capability >= (8, 0):
        assert choose_precision("auto", gpu) == choose_precision("bfloat16", gpu) == "bfloat16"
    else:
        assert choose_precision("auto", gpu) == "float32"
        with pytest.raises(ValueError, match="this cuda has no bfloat16 arithmetic"):
            choose_precision("bfloat16", gpu)


def test_bfloat16_is_refused_where_it_would_be_imitated(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True}, raising=False)
    assert choose_precision("auto", torch.device("cpu")) == "float32"
    with pytest.raises(ValueError, match=r"no bfloat16 arithmetic .* use precision='auto'"):
        train(network(), precision="bfloat16")


def test_bfloat16_where_it_is_allowed_trains_float32_weights(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    data = small.sentences(61, seed=1)
    plain, mixed = small.classifier(dropout=0.0), small.classifier(dropout=0.0)
    runs = [
        fit(m, data, torch.optim.SGD(m.parameters(), 0.1), epochs=2, precision=p, progress=False)
        for m, p in ((plain, "float32"), (mixed, "bfloat16"))
    ]
    losses = [run.metrics[-1]["loss"] for run in runs]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert all(param.dtype == torch.float32 for param in mixed.parameters())


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"epochs": 1.5}, "epochs must be an integer of at least 1, got 1.5"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"epochs": None}, "epochs must be an integer of at least 1, got None"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"seed": True}, "seed must be an integer of at least 0, got True"),
        ({"warmup": -1}, "warmup must be an integer of at least 0"),
        ({"bucket": 0}, "bucket must be"),
        ({"log_every": 0}, "log_every must be"),
        ({"reduction": "none"}, "reduction must be one of mean, sum; got 'none'"),
        ({"schedule": "step"}, "schedule must be one of constant, cosine; got 'step'"),
        ({"clip": 0.0}, "clip must be a finite number above 0, or None for no clipping; got 0.0"),
        ({"clip": math.nan}, "clip must be a finite number above 0"),
        ({"clip": math.inf}, "clip must be .* None for no clipping; got inf"),
        ({"clip": True}, "clip must be .*; got True"),
        ({"clip": "1"}, "clip must be .*; got '1'"),
        (
            {"stop_at_accuracy": 99.5},
            r"stop_at_accuracy must be a number in \(0, 1\], or None for all epochs; got 99.5",
        ),
        ({"stop_at_accuracy": True}, "stop_at_accuracy must be .*; got True"),
        ({"patience": 0, "validation": points()}, "patience must be .* None for all epochs; got 0"),
        ({"patience": True, "validation": points()}, "patience must be .*; got True"),
        ({"patience": 2}, "patience counts validations"),
        (
            {"checkpoint_steps": 0},
            "checkpoint_steps must be an integer of at least 1, or None; got 0",
        ),
        ({"checkpoint_steps": 2.5}, "checkpoint_steps must be .*; got 2.5"),
        ({"checkpoint_steps": True}, "checkpoint_steps must be .*; got True"),
        (
            {"checkpoint_minutes": -1},
            "checkpoint_minutes must be a number of at least 0, or None; got -1",
        ),
        ({"checkpoint_minutes": math.nan}, "checkpoint_minutes must be .*; got nan"),
        ({"checkpoint_minutes": True}, "checkpoint_minutes must be .*; got True"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_written(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(network(), directory=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_options_come_in_one_way_or_the_other_and_by_their_names():
    model, twin = network(), network()
    options = Options(epochs=3, batch_size=20, schedule="cosine", seed=4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    fit(model, points(), optimizer, options, progress=False)
    train(twin, schedule="cosine", seed=4)
    torch.testing.assert_close(model.state_dict(), twin.state_dict(), rtol=0, atol=0)
    with pytest.raises(TypeError, match="options are given, so epochs must be among them"):
        fit(model, points(), optimizer, options, epochs=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        fit(model, points(), optimizer, epoch=3)


def test_numbers_of_numpy_are_numbers(tmp_path):
    options = {"epochs": 2, "batch_size": 20, "warmup": 3, "seed": 4, "bucket": 3, "log_every": 2}
    theirs = {name: np.int64(value) for name, value in options.items()}
    steps = {"checkpoint_steps": np.int32(3), "checkpoint_minutes": np.float32(1)}
    run = train(network(), directory=tmp_path, clip=np.float32(0.5), **theirs, **steps)
    again = train(network(), directory=tmp_path, clip=0.5, **options)  # the same settings
    assert run == again
    assert Options(epochs=np.int64(3)) == Options(epochs=3)
    optimizer = torch.optim.SGD(network().parameters(), np.float32(0.5), momentum=np.float64(0.5))
    group = describe(network(), optimizer, points(), None, None)["optimizer"]["groups"][0]
    assert (group["lr"], group["momentum"]) == (0.5, 0.5)


def test_without_a_directory_nothing_is_asked_of_git_or_of_the_examples(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError

    monkeypatch.setattr("subprocess.run", refuse)
    monkeypatch.setattr(Arrays, "fingerprint", property(refuse))
    train(network())


def test_a_loss_that_is_not_of_each_example_is_refused():
    with pytest.raises(ValueError, match=r"of 20 examples, got shape \(\); .*reduction='none'"):
        train(network(), loss=F.cross_entropy)


def test_an_optimizer_of_another_model_is_refused():
    with pytest.raises(ValueError, match="parameters that are not the model's"):
        train(network(), optimizer=torch.optim.SGD(network().parameters(), 0.1))


def test_outputs_that_are_no_logits_are_refused():
    model = nn.Sequential(nn.Linear(4, 6), nn.Unflatten(1, (2, 3))).double()
    with pytest.raises(ValueError, match=r"got \(20, 2, 3\) for \(20,\)"):
        train(model)
    with pytest.raises(ValueError, match="one logit needs labels 0 and 1, got 2"):
        train(network(1), points(classes=3))
    with pytest.raises(ValueError, match="flatten a single column"):
        train(nn.Linear(4, 1).double())
