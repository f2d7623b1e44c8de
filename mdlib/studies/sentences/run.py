"""One run: l_p-JointGD on sentences of many lengths, or the baseline that it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from mdlib.attention.problem import AttentionProblem
from mdlib.geometry.potentials import LpPotential
from mdlib.optim.mirror_descent import MirrorDescent


class Model(NamedTuple):
    """The two weights: W (d, d) and v (d,)."""

    W: Tensor
    v: Tensor


def train(parts: Sequence[AttentionProblem], p: float, lr: float, steps: int) -> Model:
    r"""Train W and v from zero on all parts at once, by normalised mirror steps.

    The step size falls linearly to zero: normalised steps of one size never settle, as they do not
    shrink where the gradient does.

    Parameters
    ----------
    parts : sequence of AttentionProblem
        Together the training data, as `mdlib.data.text.by_length` cuts them. Each step takes
        the gradient of the mean loss over all inputs.
    p : float
        Exponent of `LpPotential`.
    lr : float
        The first step size, measured in the dual.
    steps : int

    Raises
    ------
    ValueError
        If lr or steps is not positive.

    Examples
    --------
    >>> problem, _ = AttentionProblem.random(n=6, T=8, d=10, seed=1)
    >>> W, v = train([problem], p=2, lr=0.3, steps=100)
    >>> bool((problem.predict(W, v).sign() == problem.y).all())
    True
    """
    if not (lr > 0 and steps >= 1):
        raise ValueError(f"lr must be positive and steps at least 1, got {lr} and {steps}")
    n, d = sum(len(part.y) for part in parts), parts[0].X.shape[-1]
    W, v = (torch.nn.Parameter(parts[0].X.new_zeros(shape)) for shape in ((d, d), (d,)))
    optimizer = MirrorDescent([W, v], lr=lr, potential=LpPotential(p), normalize=True)
    schedule = LambdaLR(optimizer, lambda k: 1 - k / steps)
    for _ in range(steps):
        optimizer.zero_grad()
        for part in parts:
            (part.risk(W, v) * (len(part.y) / n)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return Model(W.detach(), v.detach())


def mean_word(train: AttentionProblem, C: float) -> Model:
    """Fit the baseline: logistic regression on the mean word, all that the model sees at W = 0.

    It has no intercept; C is the inverse of its penalty's weight.

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


def correct(problem: AttentionProblem, model: Model) -> Tensor:
    """Return for each input whether the model's output has the sign of the label, bool (n,)."""
    return problem.predict(model.W, model.v) * problem.y > 0
