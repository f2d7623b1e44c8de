"""The book's studies of images.

``mnist``
    All of MNIST in patches of 7 x 7, two layers of width 64.
``cifar``
    CIFAR-10 in its complete JPEG version, in patches of 8 x 8, the same network.
``paper``
    The paper's own protocol, CIFAR-10 with its original pixels: its two contenders with its rates.
    It takes GPUs.

In the first two, mirror descent takes plain steps, as the paper has them, and normalised steps with
momentum; its rivals are gradient descent with momentum, the same with an l_1 penalty, Adam and
AdamW. For all of them the rate warms up and then falls. Where the best of four rates in short runs
stood at an end, the four were moved.
"""

from __future__ import annotations

from typing import Any

from mdlib.runs.study import Contender, Study, rates
from mdlib.studies.images.inspection import ImageRun, look_inside
from mdlib.studies.images.run import VisionRun

_COMMON: dict[str, Any] = {
    "subset": None,
    "layers": 2,
    "width": 64,
    "hidden": 128,
    "batch_size": 100,
    "schedule": "cosine",
    "warmup": 200,
}
_CONTENDERS = (
    Contender(
        "p = 1.1", {"p": 1.1, "momentum": 0.0, "normalize": False}, rates(0.125, 0.25, 0.5, 1.0)
    ),
    Contender("p = 1.1, momentum", {"p": 1.1}, rates(1e-3, 2e-3, 4e-3, 8e-3)),
    Contender("p = 1.5, momentum", {"p": 1.5}, rates(4e-3, 8e-3, 16e-3, 32e-3)),
    Contender("SGD, momentum", {"optimizer": "sgd"}, rates(0.03, 0.1, 0.3, 1.0)),
    # By validation alone the smallest penalty would be chosen; this is the one of the reviews.
    Contender("l_1 penalty", {"optimizer": "l1", "penalty": 1e-3}, rates(0.03, 0.1, 0.3, 1.0)),
    Contender("Adam", {"optimizer": "adam"}, rates(2e-3, 4e-3, 8e-3, 16e-3)),
    Contender("AdamW", {"optimizer": "adamw", "weight_decay": 0.1}, rates(2e-3, 4e-3, 8e-3, 16e-3)),
)

MNIST = Study(
    kind=VisionRun,
    inspect=look_inside,
    result=ImageRun,
    preset="small",
    changes={**_COMMON, "data": "mnist", "patch": 7, "epochs": 6},
    contenders=_CONTENDERS,
    short=2,
)

CIFAR = Study(
    kind=VisionRun,
    inspect=look_inside,
    result=ImageRun,
    preset="small",
    changes={**_COMMON, "data": "cifar10-jpeg", "patch": 8, "epochs": 10},
    contenders=_CONTENDERS,
    short=3,
    seeds=range(3),
)

PAPER = Study(
    kind=VisionRun,
    inspect=look_inside,
    result=ImageRun,
    preset="paper",
    changes={},
    contenders=(
        Contender("p = 1.1", {"p": 1.1}, rates(5e-2)),
        Contender("Adam", {"optimizer": "adam"}, rates(1e-4)),
    ),
    short=1,
    seeds=range(3),
)

STUDIES = {"mnist": MNIST, "cifar": CIFAR, "paper": PAPER}
