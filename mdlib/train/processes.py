"""One process, or those that torchrun started: who does what, and the few words they exchange."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Processes:
    """How many processes train together, and which of them this one is."""

    rank: int
    count: int
    device: torch.device

    def share(self, batch: Tensor) -> Tensor:
        """Own part of a batch; the parts of all are the batch, one may be empty."""
        return batch[self.rank :: self.count]

    @torch.no_grad()
    def begin_alike(self, model: nn.Module) -> None:
        """Give all processes the weights of the first."""
        if self.count > 1:
            for tensor in (*model.parameters(), *model.buffers()):
                distributed.broadcast(tensor, 0)

    @torch.no_grad()
    def sum_gradients(self, model: nn.Module) -> None:
        """Add up the gradients of all processes.

        One that a parameter lacks in all of them it still lacks, as in a single process.
        """
        if self.count == 1:
            return
        params = [param for param in model.parameters() if param.requires_grad]
        used = torch.tensor([float(param.grad is not None) for param in params])
        rows = [torch.zeros_like(one) if one.grad is None else one.grad for one in params]
        total = torch.cat([row.flatten() for row in (*rows, used.to(self.device))])
        distributed.all_reduce(total)
        *rows, used = torch.split(total, [row.numel() for row in (*rows, used)])
        for number, (param, row) in enumerate(zip(params, rows, strict=True)):
            # Only a process that lacks one asks the device whether another has it.
            if param.grad is not None:
                param.grad.copy_(row.view_as(param))
            elif used[number] > 0:
                param.grad = row.view_as(param).to(param.dtype, copy=True)

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
