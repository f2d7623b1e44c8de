"""All that a run needs to go on as if it had never stopped: tensors, generators, the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from mdlib.train.processes import Processes
from mdlib.train.result import Place


def take(
    model: nn.Module, optimizer: Optimizer, place: Place, processes: Processes
) -> dict[str, Any]:
    """Return the state as tensors and plain numbers; every process has to ask."""
    generators = {"cpu": torch.get_rng_state()}
    if processes.device.type == "cuda":
        generators["cuda"] = torch.cuda.get_rng_state(processes.device)
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "place": asdict(place),
        "generators": {name: processes.gather(state) for name, state in generators.items()},
    }


def put_back(
    state: Mapping[str, Any], model: nn.Module, optimizer: Optimizer, processes: Processes
) -> Place:
    """Bring everything to where it was when the state was taken; return the place."""
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    # A copy: torch reads a generator's state from where the memory begins, not the row.
    generators = {name: rows[processes.rank].clone() for name, rows in state["generators"].items()}
    torch.set_rng_state(generators["cpu"])
    if "cuda" in generators:
        torch.cuda.set_rng_state(generators["cuda"], processes.device)
    return Place(**state["place"])
