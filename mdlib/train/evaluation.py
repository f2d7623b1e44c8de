"""The loss and the accuracy of a model on examples that it does not train on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mdlib.nn.modes import modes_kept
from mdlib.train.batches import sorted_batches
from mdlib.train.examples import Examples
from mdlib.train.objective import Loss, correct, example_losses
from mdlib.train.precision import Precision, autocast, choose_precision
from mdlib.train.processes import Processes


@torch.no_grad()
def evaluate(
    model: nn.Module,
    data: Examples,
    batch_size: int = 100,
    loss: Loss | None = None,
    precision: Precision = "auto",
    processes: Processes | None = None,
) -> dict[str, float]:
    """Return the mean loss and the share of right answers, in evaluation mode.

    Each part of the model is left in the mode in which it came.

    Parameters
    ----------
    model : nn.Module
    data : Examples
    batch_size : int
        Examples computed at a time.
    loss : function, optional
        As in `fit`.
    precision : {"auto", "float32", "bfloat16"}
        As in `fit`.
    processes : Processes, optional
        Those that share the work; `fit` passes its own.

    Returns
    -------
    dict with the keys "loss" and "accuracy"

    Examples
    --------
    >>> from mdlib.train import Arrays
    >>> model = nn.Linear(2, 2, bias=False)
    >>> model.weight.data = torch.eye(2)
    >>> data = Arrays(torch.tensor([[9.0, 0.0], [0.0, 9.0]]), labels=[0, 0])
    >>> {name: round(value, 4) for name, value in evaluate(model, data).items()}
    {'loss': 4.5001, 'accuracy': 0.5}
    """
    device = next(model.parameters()).device
    processes = processes or Processes(0, 1, device)
    chosen = choose_precision(precision, device)
    batches = sorted_batches(data.lengths, batch_size)
    rows = [torch.zeros(2, device=device)]
    with modes_kept(model):
        model.eval()
        for batch in batches[processes.rank :: processes.count]:
            inputs, labels = to_device(data.collate(batch), device)
            with autocast(chosen, device):
                outputs = at_least_single(model(*inputs))
            losses = (loss or example_losses)(outputs, labels)
            rows.append(torch.stack([losses.sum(), correct(outputs, labels).sum()]))
    total = processes.total(torch.stack(rows).cpu().double().sum(0)) / len(data.lengths)
    return {"loss": float(total[0]), "accuracy": float(total[1])}


def at_least_single(outputs: Tensor) -> Tensor:
    """The logits in float32, or wider where the model is: a loss in bfloat16 has three digits."""
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))


def to_device(
    batch: tuple[tuple[Tensor, ...], Tensor], device: torch.device
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Move a batch to where the model is, without waiting for it."""
    inputs, labels = batch
    moved = tuple(x.to(device, non_blocking=True) for x in inputs)
    if not labels.is_floating_point():  # the one kind of integer that torch's losses take
        labels = labels.long()
    return moved, labels.to(device, non_blocking=True)
