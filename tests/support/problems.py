"""Attention problems drawn for a test, and what autograd says of them."""

import torch

from mdlib import AttentionProblem


def draw(*batch, n=4, T=5, d=3, masked=False, W_scale=1.0):
    """A random problem with weights W and decoder v; float64."""
    X, z = torch.randn(*batch, n, T, d).double(), torch.randn(*batch, n, d).double()
    y = torch.randn(*batch, n).double().sign()
    mask = torch.rand(*batch, n, T) < 0.6 if masked else None
    if masked:
        mask[..., 1] = True
    W = W_scale * torch.randn(*batch, d, d).double()
    return AttentionProblem(X, y, z, mask), W, torch.randn(*batch, d).double()


def autograd(problem, W, v, loss):
    W = W.clone().requires_grad_()
    (grad,) = torch.autograd.grad(problem.risk(W, v, loss).sum(), W)
    return grad


def chosen(problem, tokens):
    """The chosen tokens themselves, (..., n, d)."""
    return problem.X.take_along_dim(tokens[..., None, None], -2)[..., 0, :]
