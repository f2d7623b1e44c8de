"""Tools of the mathematics, each broken in a way in which one breaks them by mistake."""

from dataclasses import replace

import torch

from mdlib import AttentionProblem, LpPotential, attention_descent, attention_svm, joint_descent

FEW = range(1, 6)  # seeds
SHORT = {1.75: 1500, 2: 2000}  # steps


class EuclidByLp(LpPotential):
    """A Euclidean step whose gradient is divided by the l_q norm: the geometry half forgotten."""

    def _mirror(self, w):
        return w.clone()

    def _inverse(self, y):
        return y.clone()


class PForPMinusOne(LpPotential):
    """Powers p and 1/p in the mirror maps where p - 1 and 1/(p - 1) belong."""

    def _mirror(self, w):
        return w.sign() * w.abs() ** self.p

    def _inverse(self, y):
        return y.sign() * y.abs() ** (1 / self.p)


def by(potential):
    """Return a descent in another geometry than it was asked for."""
    return lambda problem, v, p, *args, **kw: attention_descent(
        problem, v, potential(p), *args, **kw
    )


def uphill(problem, v, *args, **kw):
    """A lost sign: for the linear loss, and nearly so for the others, -v is the way up."""
    return attention_descent(problem, -v, *args, **kw)


def stuck(problem, v, p, steps, lr=0.1, **kw):
    """A descent that stops for good at a tenth of its steps, and says nothing."""
    run = attention_descent(problem, v, p, steps, lr, **kw)
    early = (run.steps > steps // 10 + 1).sum()
    W = run.W.clone()
    W[-early:] = W[-early - 1]
    return replace(run, W=W)


def wrong_token(problem, tokens, p, **kw):
    return attention_svm(problem, (tokens + 1) % problem.X.shape[-2], p, **kw)


def wrong_p(problem, tokens, p, **kw):
    return attention_svm(problem, tokens, p + 0.5, **kw)


def dropped(problem, tokens, p, **kw):
    """The constraint of one token of each input is forgotten."""
    forgotten = (tokens[..., None] + 1) % problem.X.shape[-2]
    mask = torch.ones(forgotten.shape[:-1] + problem.X.shape[-2:-1], dtype=torch.bool)
    mask = mask.scatter(-1, forgotten, False)
    return attention_svm(AttentionProblem(problem.X, problem.y, problem.z, mask), tokens, p, **kw)


def jointly_by(potential):
    """Return a joint descent in another geometry than it was asked for."""
    return lambda problem, p, *args, **kw: joint_descent(problem, potential(p), *args, **kw)


def other_labels(problem, *args, **kw):
    """A lost sign: every label is turned round, for one of the tools only."""
    turned = AttentionProblem(problem.X, -problem.y, problem.z, problem.mask)
    return joint_descent(turned, *args, **kw)


def never_relaxed(problem, tokens, p, required=None):
    return attention_svm(problem, tokens, p)
