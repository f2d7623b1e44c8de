"""What each process does of ``torchrun -m tests.support.together FOLDER``."""

import contextlib
import os
import sys
from pathlib import Path

import torch

from mdlib.train import Sequences
from tests.support import idle, small

torch.set_num_threads(1)


class FailsAfter(Sequences):
    """Data that fails after so many batches, in every process at the same step."""

    def __init__(self, data, batches):
        self.__dict__.update(data.__dict__)
        self.left = batches

    def collate(self, indices):
        self.left -= 1
        if self.left < 0:
            raise InterruptedError
        return super().collate(indices)


def main(folder):
    # 61 examples in batches of 10: the last batch has one, and one process no share of it.
    for reduction in ("mean", "sum"):
        model = small.classifier(dropout=0.0, seed=int(os.environ["RANK"]))
        small.train(folder / reduction, model, reduction=reduction)
    # With dropout every process has its own generator; all of them go on.
    small.train(folder / "whole", model=small.classifier(dropout=0.5))
    data = small.sentences(61, seed=1)
    for name, batches in (("begun", 0), ("stopped", 3), ("stopped", 9), ("stopped", 100)):
        with contextlib.suppress(InterruptedError):
            run, model = small.train(
                folder / name,
                model=small.classifier(dropout=0.5),
                data=FailsAfter(data, batches),
                checkpoint_minutes=0.0,
            )
    kept = {"idle": idle.train(folder / "idle")}
    for name, model in idle.with_norms().items():
        kept[name] = idle.refused(model)
    torch.save(kept, folder / f"kept-{os.environ['RANK']}.pt")
    torch.save([run.metrics, model.state_dict()], folder / f"rank-{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
