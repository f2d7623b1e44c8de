"""What is minimised and what is counted, by the shape of the outputs: one logit, or one a class."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def example_losses(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each example, (B,).

    Parameters
    ----------
    outputs : Tensor (B,) or (B, K)
        The logit of label 1, with labels 0 and 1; or the logits of labels 0, ..., K - 1.
    labels : int tensor (B,)

    Raises
    ------
    ValueError
        For other shapes and other labels.

    Examples
    --------
    >>> import torch
    >>> example_losses(torch.tensor([0.0, 0.0]), torch.tensor([1, 0]))
    tensor([0.6931, 0.6931])
    >>> example_losses(torch.zeros(2, 3), torch.tensor([0, 2]))
    tensor([1.0986, 1.0986])
    """
    _check(outputs, labels)
    if outputs.ndim == 1:
        return F.binary_cross_entropy_with_logits(
            outputs, labels.to(outputs.dtype), reduction="none"
        )
    return F.cross_entropy(outputs, labels.long(), reduction="none")


def correct(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return which examples get their label, bool (B,); shapes as in `example_losses`.

    Examples
    --------
    >>> import torch
    >>> correct(torch.tensor([-0.1, 3.0]), torch.tensor([1, 1]))
    tensor([False,  True])
    """
    _check(outputs, labels)
    predicted = outputs > 0 if outputs.ndim == 1 else outputs.argmax(-1)
    return predicted == labels


def _check(outputs: Tensor, labels: Tensor) -> None:
    single = outputs.ndim == 1
    if not (single or (outputs.ndim == 2 and outputs.shape[1] > 1)) or (
        labels.shape != outputs.shape[:1]
    ):
        raise ValueError(
            "the model must return logits (B,) or (B, classes) for labels (B,), got "
            f"{tuple(outputs.shape)} for {tuple(labels.shape)}; flatten a single column"
        )
    if labels.device.type == "cpu":  # to ask a GPU would stop its queue of work at every step
        _check_range(labels, 2 if single else outputs.shape[1], "one logit" if single else "")


def _check_range(labels: Tensor, classes: int, model: str) -> None:
    wide = labels if labels.is_floating_point() else labels.long()
    wrong = wide[(wide < 0) | (wide >= classes) | (wide != wide.floor())]
    if len(wrong):
        allowed = "0 and 1" if classes == 2 else f"0 to {classes - 1}"
        raise ValueError(
            f"a model with {model or f'{classes} logits'} needs labels {allowed}, got "
            f"{wrong[0].item()}"
        )
