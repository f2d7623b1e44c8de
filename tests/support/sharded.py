"""What each of two processes does with a sharded model: ``torchrun sharded.py FOLDER``.

Every case trains a model twice from the same weights, sharded and whole, and keeps what came out.
"""

import copy
import os
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, init_device_mesh
from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

from mdlib import LpPotential, MirrorDescent, ProximalSGD
from tests.support.halfsquared import HalfSquaredNorm

torch.set_num_threads(1)

OPTIONS = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "weight decay": {"weight_decay": 0.3},
    "normalize": {"normalize": True},
    "maximize": {"maximize": True},
    "all": {"momentum": 0.5, "weight_decay": 0.1, "normalize": True, "maximize": True},
}
SHAPES = {"small": (8, 8), "uneven": (3, 1), "large": (400, 700)}  # a piece has 131,072 entries
PS = [1.1, 3]


def model(shape):
    torch.manual_seed(0)
    return nn.Linear(*shape, dtype=torch.float64)


def shard_rows(module):
    return fully_shard(module)


def shard_by_tensor(module):
    return parallelize_module(
        module, init_device_mesh("cpu", (2,)), ColwiseParallel(output_layouts=Replicate())
    )


def train(module, make, steps=3):
    """The weights after a few steps on inputs that every process draws alike."""
    optimizer = make(module.parameters())
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(5, module.in_features, generator=generator, dtype=torch.float64)
        optimizer.zero_grad()
        (module(x) - 1).square().mean().backward()
        optimizer.step()
    return optimizer, [whole(w) for w in module.parameters()]


def whole(w):
    w = w.detach()
    return w.full_tensor() if isinstance(w, DTensor) else w


def sharded_and_whole(shard, shape, make):
    return train(shard(model(shape)), make)[1], train(model(shape), make)[1]


def mirror_descent(p, options):
    return lambda params: MirrorDescent(params, 0.05, LpPotential(p), **options)


def cases():
    for shard in (shard_rows, shard_by_tensor):
        for size, shape in SHAPES.items():
            if shard is shard_by_tensor and size == "uneven":
                continue
            for p in PS:
                for name, options in OPTIONS.items():
                    key = f"{shard.__name__}, {size}, p={p}, {name}"
                    yield key, sharded_and_whole(shard, shape, mirror_descent(p, options))
        penalised = sharded_and_whole(shard, (8, 8), lambda w: ProximalSGD(w, 0.05, 0.1))
        yield f"{shard.__name__}, proximal", penalised


def refused():
    module = shard_rows(model((8, 8)))
    try:
        train(module, lambda params: MirrorDescent(params, 0.05, HalfSquaredNorm()))
    except ValueError as error:
        return str(error)


def asked_for_its_state():
    """The weights before and after torch asks a fresh optimizer for its state."""
    module = shard_rows(model((8, 8)))
    optimizer = MirrorDescent(module.parameters(), 0.1, LpPotential(20))
    before = [whole(w).clone() for w in module.parameters()]
    get_optimizer_state_dict(module, optimizer)
    return before, [whole(w) for w in module.parameters()]


def zero_redundancy():
    """A saved state goes on in a ZeroRedundancyOptimizer, or is refused by another potential."""
    from torch.distributed.optim import ZeroRedundancyOptimizer  # which warns on import

    alone = model((8, 8))
    optimizer, _ = train(alone, mirror_descent(1.5, {"momentum": 0.9}))
    state, results = optimizer.state_dict(), {}
    for p in (1.5, 3):
        other = copy.deepcopy(alone)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own
            zero = ZeroRedundancyOptimizer(
                other.parameters(), MirrorDescent, lr=0.7, potential=LpPotential(p), momentum=0.9
            )
        zero.load_state_dict(copy.deepcopy(state))
        try:
            results[p] = train(other, lambda _, zero=zero: zero)[1]
        except ValueError as error:
            results[p] = str(error)
    results["whole"] = train(alone, lambda _: optimizer)[1]
    return results


def main(folder):
    dist.init_process_group("gloo")
    kept = {
        "cases": dict(cases()),
        "refused": refused(),
        "asked": asked_for_its_state(),
        "zero": zero_redundancy(),
    }
    torch.save(kept, folder / f"rank-{os.environ['RANK']}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
