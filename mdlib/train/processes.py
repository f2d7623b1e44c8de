"""One process, or those that torchrun started: who does what, and the few words they exchange."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """How many processes train together, and which of them this one is."""

    rank: int
    count: int
    device: torch.device

    def share(self, batch: Tensor) -> Tensor:
        """Own part of a batch; the parts of all are the batch, one may be empty."""
        return batch[self.rank :: self.count]

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model whose backward pass averages gradients over the processes."""
        if self.count == 1:
            return model
        own = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=own)

    def total(self, rows: Tensor) -> Tensor:
        """The sum over the processes, in float64."""
        if self.count > 1:
            rows = rows.to(self.device, torch.float64)
            distributed.all_reduce(rows)
        return rows.cpu().double()

    def gather(self, state: Tensor) -> Tensor:
        """One row for each process."""
        if self.count == 1:
            return state[None]
        rows = [torch.empty_like(state, device=self.device) for _ in range(self.count)]
        distributed.all_gather(rows, state.to(self.device))
        return torch.stack(rows).cpu()

    def agree(self, choice: bool) -> bool:
        """Whether any process chose it: the same answer for all."""
        return bool(self.total(torch.tensor([choice])))

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            distributed.barrier()


def started_together() -> int:
    """Return how many processes torchrun started, this one among them; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process speaks for those that torchrun started with it."""
    return os.environ.get("RANK", "0") == "0"


def join(device: torch.device) -> Processes:
    """Join the processes that torchrun started, if it did, until this one ends.

    A group that the caller has made already is used as it is.
    """
    if not distributed.is_available():
        return Processes(0, 1, device)
    if started_together() > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        # Not at the end of a training: a group cannot be left and joined again safely.
        atexit.register(distributed.destroy_process_group)
    if not distributed.is_initialized():
        return Processes(0, 1, device)
    return Processes(distributed.get_rank(), distributed.get_world_size(), device)
