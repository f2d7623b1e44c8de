"""The book's studies of text.

``reviews``
    Reviews of IMDb cut to 128 tokens, one layer of width 64. Mirror descent with plain steps, as
    the paper has it, and with normalised steps and momentum; gradient descent with momentum, with
    an l_1 penalty, and Adam. For all of them the rate warms up and then falls. Where the best of
    four rates in short runs, or in whole ones, stood at an end, the four were moved.
``learned``
    Fewer reviews, and as many epochs as it takes to get nearly all of them right, as in the paper:
    the rate stays what it is, there is no dropout, and what a contender makes of new reviews is
    taken at the end.
``paper``
    The paper's own protocol: three exponents with its rates, three depths. It takes GPUs.
"""

from __future__ import annotations

from mdlib.runs.study import Contender, Study, rates
from mdlib.studies.text.inspection import TextRun, look_inside
from mdlib.studies.text.run import SentimentRun

_PLAIN = {"momentum": 0.0, "normalize": False}
_MODEL = {"layers": 1, "width": 64, "hidden": 128, "max_length": 128}

REVIEWS = Study(
    kind=SentimentRun,
    inspect=look_inside,
    result=TextRun,
    preset="small",
    changes={**_MODEL, "epochs": 15, "schedule": "cosine", "warmup": 200},
    contenders=(
        Contender("p = 1.1", {"p": 1.1, **_PLAIN}, rates(0.25, 0.5, 1.0, 2.0)),
        Contender("p = 2", {"p": 2.0, **_PLAIN}, rates(0.125, 0.25, 0.5, 1.0)),
        Contender("p = 3", {"p": 3.0, **_PLAIN}, rates(0.01, 0.03, 0.1, 0.3)),
        Contender("p = 1.1, momentum", {"p": 1.1}, rates(5e-4, 1e-3, 2e-3, 3e-3)),
        Contender("p = 2, momentum", {"p": 2.0}, rates(5e-3, 1e-2, 2e-2, 4e-2)),
        Contender("p = 3, momentum", {"p": 3.0}, rates(3e-3, 1e-2, 2e-2, 4e-2)),
        Contender("SGD, momentum", {"optimizer": "sgd"}, rates(0.05, 0.1, 0.2, 0.4)),
        # By validation alone the smallest penalty would be chosen, and nothing would be zero.
        Contender(
            "l_1 penalty", {"optimizer": "l1", "penalty": 1e-3}, rates(0.0125, 0.025, 0.05, 0.1)
        ),
        Contender("Adam", {"optimizer": "adam"}, rates(1e-3, 2e-3, 4e-3, 8e-3)),
    ),
    short=6,
)

LEARNED = Study(
    kind=SentimentRun,
    inspect=look_inside,
    result=TextRun,
    preset="small",
    changes={
        **_MODEL,
        "dropout": 0.0,
        "subset": 2_000,
        "epochs": 120,
        "warmup": 200,
        "stop_at_accuracy": 0.995,
    },
    contenders=(
        # The best of these stands at an end: with 0.8 a first run lost again what it had learned.
        Contender("p = 1.1", {"p": 1.1, **_PLAIN}, rates(0.05, 0.1, 0.2, 0.4)),
        Contender("p = 2", {"p": 2.0, **_PLAIN}, rates(0.2, 0.4, 0.8, 1.6)),
        Contender("p = 3", {"p": 3.0, **_PLAIN}, rates(0.02, 0.04, 0.08, 0.16)),
        Contender("Adam", {"optimizer": "adam"}, rates(1e-3, 2e-3, 4e-3, 8e-3)),
    ),
    short=30,
    seeds=range(10),  # as many as the paper has
)

PAPER = Study(
    kind=SentimentRun,
    inspect=look_inside,
    result=TextRun,
    preset="paper",
    changes={},
    contenders=tuple(
        Contender(f"p = {p:g}, {layers} layers", {"p": p, "layers": layers}, rates(lr))
        for layers in (3, 4, 6)
        for p, lr in ((1.1, 1e-3), (2.0, 1e-3), (3.0, 1e-5))
    ),
    short=1,
    seeds=range(10),
)

STUDIES = {"reviews": REVIEWS, "learned": LEARNED, "paper": PAPER}
