"""The command line: ``python -m mdlib sentiment``, ``... vision`` and ``... sweep``."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import Field, fields
from functools import partial
from pathlib import Path
from typing import Any

from mdlib.files.fetch import UnavailableError
from mdlib.runs import OPTIMIZERS, TrainingRun, prepare, score_on_test, train
from mdlib.runs.cost import cost, costs
from mdlib.runs.grid import choose_rates, grid, table
from mdlib.runs.sweep import Outcome, make_folder, perform, run_directory, sweep
from mdlib.runs.training import choose_device
from mdlib.studies.images import VisionRun
from mdlib.studies.text import SentimentRun

KINDS: dict[str, type[TrainingRun]] = {"sentiment": SentimentRun, "vision": VisionRun}
PRESETS = {
    "sentiment": "quick (SST-2, seconds an epoch), small (IMDb, minutes), paper (the paper's "
    "protocol); default: quick",
    "vision": "digits (scikit-learn's, seconds a run), small (MNIST, minutes), paper (the paper's "
    "protocol, on CIFAR-10); default: digits",
}

ONE = """\
Train {} once and print the accuracies.

Stopped at any moment, the same command goes on where it was; finished, it is not repeated. The
run's directory is FOLDER/NAME, NAME a hash of its settings: there are metrics.jsonl, the weights
(checkpoint.pt, best.pt), for texts tokenizer.json, and outcome.json with the result and where it
was computed.
"""

ONE_EXAMPLES = {
    "sentiment": """\
examples:
  python -m mdlib sentiment --p 1.1
      a small model on 20,000 phrases of SST-2: the quickest way to see it train
  python -m mdlib sentiment --p 1.1 --layers 3 --preset paper --dry-run
      what one run of the paper's protocol would cost here
  python -m mdlib sentiment --preset small --optimizer adam --lr 3e-4 --test
      a rival on IMDb; when it is trained, its test accuracy
""",
    "vision": """\
examples:
  python -m mdlib vision --p 1.1
      a small transformer on the handwritten digits that come with scikit-learn
  python -m mdlib vision --preset paper --p 1.1 --data cifar10-jpeg --dry-run
      what the paper's protocol would cost here, on a version of CIFAR-10 that has a name
""",
}

SWEEP = """\
Train every combination of the values given and print a table.

Finished runs are never repeated, also those of `python -m mdlib sentiment` or `vision` in the same
folder; a run that fails is recorded and stops no other; a worker that is lost costs only its run,
which goes on from its last checkpoint elsewhere.

With --task vision the runs are on images; its options are listed by --task vision --help.

Every option of a run takes several values. Those that an optimizer does not have, such as p for
adam, do not multiply its runs.
"""

SWEEP_EXAMPLES = """\
examples:
  python -m mdlib sweep --p 1.1 2 3 --lr 1e-3 3e-3 1e-2 --workers 2
      nine runs, two at a time
  python -m mdlib sweep --preset paper --p 1.1 2 3 --layers 3 4 6 --scheduler tcp://10.0.0.1:8786
      the paper's table, ten seeds each, on a Dask cluster; on each of its machines was started
      dask worker tcp://10.0.0.1:8786 --nthreads 1 --nworkers COUNT
  python -m mdlib sweep --optimizer md adam --p 1.1 --lr 1e-3 3e-3 --test
      choose the learning rate by the validation part, then test only the chosen runs
  python -m mdlib sweep --task vision --p 1.1 2 3 --workers 2
      fifteen runs on handwritten digits, five seeds for each exponent
"""

HELP = {
    "data": "data set",
    "optimizer": "md is mirror descent; sgd, l1 (sgd with an l_1 penalty), adam, adamw: its rivals",
    "p": "exponent of md's potential: 2 is gradient descent, near 1 sparse",
    "lr": "learning rate; by default the preset's for the optimizer and p",
    "momentum": "of md (in the dual), sgd and l1",
    "penalty": "factor of the l_1 norm, for l1",
    "weight_decay": "decoupled, of md (in the dual) and adamw",
    "normalize": "divide each gradient by its dual norm (md)",
    "layers": "number of transformer blocks",
    "width": "entries of a token",
    "heads": "attention heads in a block",
    "hidden": "width of a block's perceptron",
    "dropout": "rate",
    "vocabulary": "largest number of different tokens",
    "max_length": "tokens after which a text is cut",
    "subset": "train on so many examples only",
    "batch_size": "examples in a step",
    "epochs": "largest number of passes over the examples",
    "reduction": "of the loss over a batch",
    "clip": "largest l_2 norm of the whole gradient",
    "warmup": "steps in which the learning rate grows to its own",
    "schedule": "of the learning rate after that",
    "stop_at_accuracy": "stop after an epoch with this training accuracy",
    "patience": "stop after so many epochs without a better validation accuracy",
    "seed": "of initial weights, order of examples and dropout",
    "patch": "side of a patch, in pixels",
    "image_size": "side to which images are resized; by default their own",
    "augment": "shift and mirror the training images at random (CIFAR-10)",
}
CHOICES = {
    "optimizer": list(OPTIMIZERS),
    "reduction": ["mean", "sum"],
    "schedule": ["constant", "cosine"],
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return 0, 1 if a run did not finish, or 130 if it was stopped by Ctrl-C.

    A bad option ends with status 2.
    """
    parser = _parser(_task(arguments))
    options = parser.parse_args(arguments)
    try:
        return int(options.command(options))
    except (ValueError, UnavailableError, ModuleNotFoundError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {_as_options(str(error), options.kind)}\n")
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130  # as a shell says of what SIGINT ended


def train_one(options: argparse.Namespace) -> int:
    """``sentiment`` and ``vision``: one run, here."""
    chosen = {name: value for name, value in _chosen(options).items() if value is not None}
    run = options.kind.preset(options.preset, **chosen)
    if options.dry_run:
        print(f"{run.title}\n\n{cost(run, options.device, progress=True)}")
        return 0
    choose_device(options.device)
    make_folder(options.folder)
    prepare([run])
    directory = run_directory(run, options.folder)
    print(f"{run.title}\n{directory}", file=sys.stderr)
    training = partial(train, device=options.device, progress=None)
    end = perform(run, training, options.folder)
    if end.status != "finished":
        print(f"{end.status}: {_as_options(str(end.error), options.kind)}", file=sys.stderr)
        return 1
    print(f"{'epoch':>5} {'train':>7} {'validation':>10}")
    for line in end.result["curve"]:
        print(f"{line['epoch']:5} {line['accuracy']:7.2%} {line['validation_accuracy']:10.2%}")
    if options.test:
        tested = perform(
            run, partial(score_on_test, device=options.device), options.folder, record="test"
        )
        if tested.status != "finished":
            print(f"test {tested.status}: {tested.error}", file=sys.stderr)
            return 1
        best, last = (tested.result[which]["accuracy"] for which in ("best", "last"))
        print(f"test accuracy {best:.2%} with the best weights, {last:.2%} with the last")
    return 0


def train_many(options: argparse.Namespace) -> int:
    """``sweep``: all combinations, several at a time."""
    chosen = _chosen(options)
    chosen["seed"] = chosen["seed"] or range(options.kind.repeats[options.preset])
    values = {
        name: [value] if isinstance(value, bool) else value  # a switch has one value
        for name, value in chosen.items()
        if value is not None
    }
    runs = grid(options.kind, options.preset, values)
    if options.dry_run:
        print(costs(runs, options.device, progress=True))
        return 0
    if options.scheduler is None:
        choose_device(options.device)
        make_folder(options.folder)
        prepare(runs)
    where = {"workers": options.workers, "scheduler": options.scheduler}
    ends = sweep(runs, partial(train, device=options.device), options.folder, **where)
    tests: list[Outcome] = []
    if options.test:
        scoring = partial(score_on_test, device=options.device)
        best = [end.run for end in choose_rates(ends)]
        tests = sweep(best, scoring, options.folder, record="test", **where)
    print(table(ends, tests))
    bad = [end for end in [*ends, *tests] if end.status != "finished"]
    for end in bad:
        error = _as_options(str(end.error), options.kind)
        print(f"{end.directory}: {end.status}: {error}", file=sys.stderr)
    return 1 if bad else 0


def _as_options(message: str, kind: type[TrainingRun]) -> str:
    """Say in terms of the command line what the library says in terms of its arguments.

    >>> _as_options("clip must be above 0, or None for no clipping; got 0", SentimentRun)
    '--clip must be above 0, or leave it out for no clipping; got 0'
    """
    # The library checks the vocabulary as a tokenizer's size.
    message = re.sub(r"^size\b", "vocabulary", message)
    message = re.sub(r"^(device|folder|scheduler|workers)\b", r"--\1", message)
    # "data" is a word of its own in many messages, and its values are checked before.
    names = "|".join(field.name for field in fields(kind) if field.name != "data")
    message = re.sub(  # but not within a path, a quotation or a longer name
        rf"(?<![\w/.'\"-])({names})(?![\w/.'\"-])( ?= ?)?",
        lambda found: f"--{found[1].replace('_', '-')}" + " " * bool(found[2]),
        message,
    )
    return message.replace(", got None", "").replace("or None for", "or leave it out for")


def _chosen(options: argparse.Namespace) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in fields(options.kind)}


def _task(arguments: list[str] | None) -> str:
    """What a sweep is about, which decides the options it has."""
    parser = argparse.ArgumentParser(prog="python -m mdlib", add_help=False, allow_abbrev=False)
    parser.add_argument("--task", choices=KINDS, default="sentiment")
    return str(parser.parse_known_args(arguments)[0].task)


def _parser(task: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mdlib",
        description="Train with mirror descent. The book's studies are conducted by `python -m "
        "mdlib.studies.text`, `python -m mdlib.studies.images` and `python -m "
        "mdlib.studies.sentences`; `python -m mdlib.claims` measures the ledger.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    models = {"sentiment": "the sentiment classifier", "vision": "the vision transformer"}
    for name, what in models.items():
        one = _command(commands, name, ONE.format(what), ONE_EXAMPLES[name], f"train {what} once")
        _add_run_options(one, name, several=False)
        one.set_defaults(command=train_one)
    many = _command(commands, "sweep", SWEEP, SWEEP_EXAMPLES, "train all combinations of settings")
    many.add_argument(
        "--task", choices=KINDS, default="sentiment", help="what to train (default: sentiment)"
    )
    where = many.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=int, help="processes at a time, one thread each (default: a core each)"
    )
    where.add_argument("--scheduler", help="address of a Dask scheduler, to use its workers")
    _add_run_options(many, task, several=True)
    many.set_defaults(command=train_many)
    return parser


def _command(
    commands: Any, name: str, description: str, examples: str, summary: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --tas would pass here, and not where --task decides the options
    )
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--device", default="auto", help="cpu or cuda (default: cuda if there)")
    parser.add_argument(
        "--test", action="store_true", help="afterwards, look at the test part, once for each run"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the cost, timed on a few real steps, and train nothing",
    )
    return parser


def _add_run_options(parser: argparse.ArgumentParser, task: str, several: bool) -> None:
    """An option for each field of a run; without it the preset decides."""
    kind = KINDS[task]
    parser.set_defaults(kind=kind)
    parser.add_argument(
        "--preset",
        choices=kind.presets,
        default=next(iter(kind.presets)),
        help=f"where the settings start: {PRESETS[task]}",
    )
    settings = parser.add_argument_group(
        "settings of a run" + (" (each takes several values)" if several else "")
    )
    choices = CHOICES | {"data": list(kind.data_sets)}
    for field in fields(kind):
        type_ = next(k for k in (float, int, bool, str) if k.__name__ in f"{field.type} str")
        flag = "--" + field.name.replace("_", "-")
        text = HELP[field.name] + _preset_values(kind, field)
        if several and field.name == "seed":
            counts = ", ".join(f"{name} the first {count}" for name, count in kind.repeats.items())
            text += f" (default: {counts})"
        extra: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        if type_ is not bool:
            known = choices.get(field.name)
            metavar = None if known else {int: "N", float: "X"}[type_]
            extra = {"type": type_, "choices": known, "metavar": metavar}
            extra["nargs"] = "+" if several else None
        settings.add_argument(flag, default=None, dest=field.name, help=text, **extra)


def _preset_values(kind: type[TrainingRun], field: Field[Any]) -> str:
    """What the presets set it to, in words for the help."""
    values = {name: preset.get(field.name, field.default) for name, preset in kind.presets.items()}
    if field.name in ("p", "lr") or not any(values.values()):
        return ""
    if len(set(values.values())) == 1:
        return f" (default: {next(iter(values.values()))})"
    return f" ({', '.join(f'{name} {value}' for name, value in values.items())})"


if __name__ == "__main__":
    sys.exit(main())
