"""The baseline: logistic regression on the mean word, all that the model sees at W = 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from sklearn.linear_model import LogisticRegression

from mdlib.attention.losses import loss_named
from mdlib.attention.problem import AttentionProblem
from mdlib.studies.sentences.training import Model


class Penalty(NamedTuple):
    """The inverse C of the penalty's weight, and the validation loss that chose it."""

    C: float
    loss: float


def mean_word(train: AttentionProblem, C: float) -> Model:
    """Fit a linear classifier without intercept to the queries, and return it as W = 0 and v.

    Examples
    --------
    >>> problem = AttentionProblem(torch.eye(2)[:, None].double(), [1, -1], torch.eye(2))
    >>> W, v = mean_word(problem, C=1.0)
    >>> bool(W.any()), (problem.predict(W, v) > 0).tolist()
    (False, [True, False])
    """
    fitted = LogisticRegression(C=C, fit_intercept=False, max_iter=10_000)
    fitted.fit(train.z.numpy(), train.y.numpy())
    d = train.z.shape[-1]
    return Model(train.X.new_zeros(d, d), torch.as_tensor(fitted.coef_[0]).to(train.X))


def search_penalty(
    train: AttentionProblem, validation: AttentionProblem, values: Iterable[float]
) -> list[Penalty]:
    """Fit with every C; return them, lowest validation loss first.

    Examples
    --------
    >>> problem = AttentionProblem(torch.eye(2)[:, None].double(), [1, -1], torch.eye(2))
    >>> [penalty.C for penalty in search_penalty(problem, problem, (0.1, 10))]
    [10, 0.1]
    """
    logistic = loss_named("logistic").value
    losses = []
    for C in values:
        margins = validation.z @ mean_word(train, C).v * validation.y
        losses.append(Penalty(C, logistic(margins).mean().item()))
    return sorted(losses, key=lambda penalty: penalty.loss)
