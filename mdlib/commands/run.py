"""``python -m mdlib run``: train once, or with every combination of the values given."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields
from functools import partial
from inspect import cleandoc
from typing import Any

from mdlib.commands import add_where, make_ready, parser_of
from mdlib.runs.cost import cost, costs
from mdlib.runs.grid import choose_rates, grid, table
from mdlib.runs.optimizers import OptimizerChoice
from mdlib.runs.run import TrainingRun, field_types, run_directory
from mdlib.runs.sweep import Outcome, sweep
from mdlib.runs.training import score_on_test, train
from mdlib.studies.images import VisionRun
from mdlib.studies.text import SentimentRun
from mdlib.train.options import Options
from mdlib.train.processes import is_first

KINDS: dict[str, type[TrainingRun]] = {"text": SentimentRun, "images": VisionRun}
_PRESETS = {
    "text": "quick (SST-2, seconds an epoch), small (IMDb, minutes), paper (the paper's protocol)",
    "images": "digits (scikit-learn's, seconds a run), small (MNIST, minutes), paper (the paper's "
    "protocol, on CIFAR-10)",
}
_ABOUT = """\
Train {}, and print the accuracies.

Each option of a run takes several values: then every combination is trained, several at a time,
and a line is printed for each setting. Of several optimizers each takes the values that it has, so
that --p does not multiply the runs of adam. With --test the learning rate that is best on the
validation part is chosen first, and only its runs are tested.

Stopped at any moment, the same command goes on where it was; a finished run is never repeated. A
run's directory is FOLDER/NAME, NAME a hash of its settings: there are run.json, which says what it
is, metrics.jsonl, the weights (checkpoint.pt, best.pt), for texts tokenizer.json, and outcome.json
with the result and where it was computed. A run that fails is recorded and stops no other; a worker
that is lost costs only its run, which goes on from its last checkpoint elsewhere.

Under torchrun -m mdlib run ... all processes train each run together.
"""
_EXAMPLES = {
    "text": """\
examples:
  python -m mdlib run text --p 1.1
      a small model on 20,000 phrases of SST-2: the quickest way to see it train
  python -m mdlib run text --p 1.1 --layers 3 --preset paper --dry-run
      what one run of the paper's protocol would cost here
  python -m mdlib run text --preset small --optimizer adam --lr 3e-4 --test
      a rival on IMDb; when it is trained, its test accuracy
  python -m mdlib run text --p 1.1 2 3 --lr 1e-3 3e-3 1e-2 --workers 2
      nine runs, two at a time
  python -m mdlib run text --optimizer md adam --p 1.1 --lr 1e-3 3e-3 --seed 0 1 2 --test
      choose the learning rate by the validation part, then test only the chosen runs
  python -m mdlib run text --preset paper --p 1.1 2 3 --layers 3 4 6 --scheduler tcp://10.0.0.1:8786
      on a Dask cluster; on each of its machines was started
      dask worker tcp://10.0.0.1:8786 --nthreads 1 --nworkers COUNT
""",
    "images": """\
examples:
  python -m mdlib run images --p 1.1
      a small transformer on the handwritten digits that come with scikit-learn
  python -m mdlib run images --p 1.1 2 3 --seed 0 1 2 3 4 --workers 2
      fifteen runs on handwritten digits, five seeds for each exponent
  python -m mdlib run images --preset paper --p 1.1 --data cifar10-jpeg --dry-run
      what the paper's protocol would cost here, on a version of CIFAR-10 that has a name
""",
}


def add_to(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = parser_of(verbs, "run", "train, once or with many settings")
    about = parser.add_subparsers(required=True, metavar="WHAT")
    models = {"text": "the sentiment classifier", "images": "the vision transformer"}
    for name, what in models.items():
        one = parser_of(about, name, f"train {what}", _ABOUT.format(what), epilog=_EXAMPLES[name])
        add_where(one)
        one.add_argument(
            "--test",
            action="store_true",
            help="afterwards, look at the test part, once for each run",
        )
        _add_settings(one, KINDS[name], _PRESETS[name])
        one.set_defaults(command=execute, kind=KINDS[name])


def execute(options: argparse.Namespace) -> int:
    """Train all combinations; return 1 if one of them did not finish."""
    values = {
        field.name: value if isinstance(value, list) else [value]  # a switch has one value
        for field in fields(options.kind)
        if (value := getattr(options, field.name)) is not None
    }
    runs = grid(options.kind, options.preset, values)
    alone = runs[0] if len(runs) == 1 else None
    if options.dry_run:
        if alone is None:
            print(costs(runs, options.device, progress=True))
        else:
            print(f"{alone.title}\n\n{cost(alone, options.device, progress=True)}")
        return 0
    where = make_ready(options, runs)
    if alone is not None and options.scheduler is None:
        where["workers"] = where["workers"] or 1  # here, with as many threads as there are
    if alone is not None and is_first():
        print(f"{alone.title}\n{run_directory(alone, options.folder)}", file=sys.stderr)
    ends = sweep(
        runs,
        partial(train, device=options.device, progress=None if alone is not None else False),
        options.folder,
        progress=None if alone is None else False,
        **where,
    )
    tests: list[Outcome] = []
    if options.test:
        best = [end.run for end in choose_rates(ends)]
        scoring = partial(score_on_test, device=options.device)
        tests = sweep(best, scoring, options.folder, record="test", **where)
    if is_first():
        _tell(ends, tests, alone is not None)
    return int(any(end.status != "finished" for end in [*ends, *tests]))


def _tell(ends: list[Outcome], tests: list[Outcome], alone: bool) -> None:
    """Print the curve of one run, or the table of many; on stderr what failed."""
    if not alone:
        print(table(ends, tests))
    elif ends[0].status == "finished":
        print(f"{'epoch':>5} {'train':>7} {'validation':>10}")
        for line in ends[0].result["curve"]:
            print(f"{line['epoch']:5} {line['accuracy']:7.2%} {line['validation_accuracy']:10.2%}")
        if tests and tests[0].status == "finished":
            best, last = (tests[0].result[which]["accuracy"] for which in ("best", "last"))
            print(f"test accuracy {best:.2%} with the best weights, {last:.2%} with the last")
    for end in [*ends, *tests]:
        if end.status != "finished":
            print(f"{end.directory}: {end.status}: {end.error}", file=sys.stderr)


def _add_settings(parser: argparse.ArgumentParser, kind: type[TrainingRun], presets: str) -> None:
    """An option for each field of a run, in the groups of the classes that have them."""
    first = next(iter(kind.presets))
    parser.add_argument(
        "--preset",
        choices=kind.presets,
        default=first,
        help=f"where the settings start: {presets}; default: {first}",
    )
    groups = {"training": Options, "optimizer": OptimizerChoice, "network and data": kind}
    left = dict(field_types(kind))
    for title, of in groups.items():
        group = parser.add_argument_group(f"{title} (each takes several values)")
        for field in fields(of):
            if field.name not in left:
                continue
            type_, known = left.pop(field.name)
            extra: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
            if type_ is not bool:
                extra = {"type": type_, "choices": known or None, "nargs": "+"}
                extra["metavar"] = {int: "N", float: "X", str: "WORD"}[type_]
            text = f"{', '.join(known)}: " if known else ""
            group.add_argument(
                f"--{field.name.replace('_', '-')}",
                help=text + _documented(kind, field.name) + _preset_values(kind, field.name),
                **extra,
            )


def _documented(kind: type[TrainingRun], name: str) -> str:
    """What the class's docstring, or that of one that it is made of, says of an attribute."""
    for one in kind.__mro__:
        text = cleandoc(one.__doc__ or "")
        if found := re.search(rf"^{name} : .*\n((?: {{4}}.*\n?)+)", text, re.M):
            return " ".join(found[1].split()).replace("%", "%%")
    return ""


def _preset_values(kind: type[TrainingRun], name: str) -> str:
    """What the presets set it to, in words for the help."""
    default = getattr(kind, name)
    values = {preset: given.get(name, default) for preset, given in kind.presets.items()}
    if name in ("p", "lr") or not any(values.values()):
        return ""
    if len(set(values.values())) == 1:
        return f" (default: {next(iter(values.values()))})"
    return f" ({', '.join(f'{preset} {value}' for preset, value in values.items())})"
