"""Toy problems: the paper's random generator, draw by draw, and problems with a planted selection.

They are plain tensors and import nothing else of mdlib: `AttentionProblem` stands on this file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mdlib.geometry import LpPotential


def gaussian_tokens(
    n: int, T: int, d: int, seed: int | Sequence[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw tokens X, labels y, queries z and a decoder v as in the paper's experiments.

    From one ``torch.Generator`` a seed, in float32 and in this order: v = randn(d); y from the
    sign of randn(n); X = randn(n, T, d); z = randn(n, d). Every vector is then divided by its
    l_2 norm, and all is cast to float64.

    Parameters
    ----------
    n, T, d : int
        Number of inputs, tokens an input, dimensions a token.
    seed : int or sequence of int
        A sequence stacks one problem a seed along a leading batch axis.

    Returns
    -------
    X (..., n, T, d), y (..., n), z (..., n, d), v (..., d) : float64 tensors on the CPU

    Raises
    ------
    ValueError
        If n, T or d is below 1, or the sequence of seeds is empty.

    Examples
    --------
    >>> X, y, z, v = gaussian_tokens(n=6, T=8, d=10, seed=[1, 2, 3])
    >>> X.shape, v.shape
    (torch.Size([3, 6, 8, 10]), torch.Size([3, 10]))
    """
    if min(n, T, d) < 1:
        raise ValueError(f"n, T and d must be at least 1, got n={n}, T={T}, d={d}")
    if isinstance(seed, int | np.integer):
        return _draw(n, T, d, int(seed))
    if len(seed) == 0:
        raise ValueError("seed is an empty sequence; give at least one seed")
    draws = [_draw(n, T, d, s) for s in seed]
    X, y, z, v = (torch.stack(part) for part in zip(*draws, strict=True))
    return X, y, z, v


def _draw(n: int, T: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator("cpu").manual_seed(int(seed))

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")

    v = randn(d)
    y = torch.where(randn(n) >= 0, 1.0, -1.0)
    X = randn(n, T, d)
    z = randn(n, d)
    v, X, z = (x / torch.linalg.vector_norm(x, dim=-1, keepdim=True) for x in (v, X, z))
    return X.double(), y.double(), z.double(), v.double()


def planted_tokens(
    n: int,
    T: int,
    d: int,
    p: float,
    seed: int | Sequence[int],
    spare: int = 0,
    rival: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Draw a joint problem together with the selection alpha that solves it.

    With a random g, :math:`u = \mathrm{sign}(g)|g|^{q-1}` and a_i the planted token of input i
    times its label, :math:`u^\top a_i` is the same for all inputs that are not spare and the mean
    of their a_i is g. So the l_p-SVM of the planted tokens has the direction u and the label margin
    :math:`\Gamma = \|g\|_q = 1`, whatever else is drawn, and the inputs that are not spare are its
    support vectors.

    Every other token is :math:`\rho\, a_i` times the label, with rho drawn from [0, 1/2], and a
    perturbation of l_q norm :math:`(1 - \rho)/2`. So the condition of the joint theorem holds. If
    input i leaks the attention s_it to token t, :math:`(1 - \kappa_i) a_i` is left of a_i, with
    :math:`\kappa_i = \sum_t (1 - \rho_{it}) s_{it}`, and a perturbation of norm at most
    :math:`\kappa_i/2`. The norm of any weighted mean of the inputs bounds the label margin. With
    weights like :math:`1/(1 - \kappa_i)` on the m inputs that are not spare it is at most
    :math:`1 - \frac{K/2}{m + K}`, where :math:`K = \sum_i \kappa_i/(1 - \kappa_i)`: a leak costs at
    least a quarter of its size over m. Some W sets the planted tokens apart, because all label
    times query have a positive component along one line. With a rival neither is promised.

    Parameters
    ----------
    n, T, d : int
        Number of inputs, tokens an input, dimensions a token.
    p : float
        The exponent whose SVM is planted.
    seed : int or sequence of int
        A sequence stacks one problem a seed along a leading batch axis.
    spare : int
        How many inputs, the last ones, are not support vectors: their label margin is 1.5 to 3
        times that of the others.
    rival : float
        If positive, each input has a second planted token, and the tokens of this family have the
        label margin ``rival``: above 1 they are the better selection, and the condition fails.

    Returns
    -------
    X (..., n, T, d), y (..., n), z (..., n, d) : float64 tensors on the CPU
    tokens : int64 tensor (..., n)
        The planted selection.

    Raises
    ------
    ValueError
        If n, T or d is below 1, spare is not in 0..n-1, rival is negative, or T leaves no room.

    Examples
    --------
    >>> X, y, z, tokens = planted_tokens(n=6, T=8, d=10, p=1.5, seed=[1, 2, 3])
    >>> X.shape, tokens.shape
    (torch.Size([3, 6, 8, 10]), torch.Size([3, 6]))
    """
    if min(n, T, d) < 1:
        raise ValueError(f"n, T and d must be at least 1, got n={n}, T={T}, d={d}")
    p = LpPotential(p).p
    if not 0 <= spare < n:
        raise ValueError(
            f"spare must lie in 0..{n - 1}, at least one input less than n; got {spare}"
        )
    if rival < 0 or (rival > 0 and T < 2):
        raise ValueError(f"rival must be at least 0 and needs T >= 2, got {rival} with T={T}")
    if isinstance(seed, int | np.integer):
        return _plant(n, T, d, p, int(seed), spare, rival)
    if len(seed) == 0:
        raise ValueError("seed is an empty sequence; give at least one seed")
    draws = [_plant(n, T, d, p, int(s), spare, rival) for s in seed]
    X, y, z, tokens = (torch.stack(part) for part in zip(*draws, strict=True))
    return X, y, z, tokens


def _plant(
    n: int, T: int, d: int, p: float, seed: int, spare: int, rival: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator("cpu").manual_seed(seed)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu")

    q = p / (p - 1)
    y = torch.where(randn(n) >= 0, 1.0, -1.0).double()
    a = _family(randn(d), randn(n, d), q, spare)
    rho = torch.rand(n, T, 1, generator=generator, dtype=torch.float64, device="cpu") / 2
    noise = randn(n, T, d)
    noise = noise / torch.linalg.vector_norm(noise, q, dim=-1, keepdim=True)
    others = rho * a[:, None] + (1 - rho) / 2 * noise
    # The places of each input's tokens, shuffled.
    place = torch.rand(n, T, generator=generator, device="cpu").argsort(-1)
    tokens = place[:, 0]
    rows = torch.arange(n, device="cpu")
    others[rows, tokens] = a
    if rival > 0:
        others[rows, place[:, 1]] = rival * _family(randn(d), randn(n, d), q, spare)
    line = torch.nn.functional.normalize(randn(d), dim=-1)
    z = torch.nn.functional.normalize(randn(n, d), dim=-1)
    along = z @ line
    z = z + (y * (along.abs() + 0.2) - along)[:, None] * line
    return others * y[:, None, None], y, z, tokens


def _family(g: Tensor, scatter: Tensor, q: float, spare: int) -> Tensor:
    """Vectors a_i (n, d) whose l_p-SVM has direction sign(g)|g|^(q-1) and label margin 1."""
    g = g / torch.linalg.vector_norm(g, q)
    u = g.sign() * g.abs() ** (q - 1)  # of l_p norm 1, and u.g = 1
    along = scatter - (scatter @ u)[:, None] * g  # u.along = 0
    support = len(scatter) - spare
    along[:support] -= along[:support].mean(0)
    extra = torch.linspace(3.0, 1.5, spare, dtype=g.dtype, device=g.device)
    size = torch.cat([g.new_ones(support), extra])[:, None]
    return size * g + along / 2
