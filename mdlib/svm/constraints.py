r"""The constraints of a margin problem: their margins, their pull on the weights, their norms.

Both SVMs ask for the smallest :math:`\|w\|_p` with :math:`A w \ge b`. The matrix A is never formed:
its rows are outer products, and what is asked of it comes down to products of small matrices.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mdlib.geometry.potentials import LpPotential


class Constraints:
    r"""m = n R linear constraints A w >= b on a weight of d k entries, with leading batch axes.

    Row r of input i is the outer product :math:`x_{ir} z_i^\top`. For the attention SVM x is
    :math:`X_{i\alpha_i} - X_{it}`. The classifier's SVM is one input with the query 1, whose rows
    are :math:`y_i x_i`.

    Parameters
    ----------
    x : Tensor (..., n, R, d)
        Zero for padding.
    z : Tensor (..., n, k)
    bound : Tensor (..., n, R)
        The margin that is required, from 0 (it must not be negative) to 1; -1 where there is no
        constraint. Kept as (..., m).
    """

    def __init__(self, x: Tensor, z: Tensor, bound: Tensor) -> None:
        self.x, self.z, self.bound = x, z, bound.flatten(-2)

    def margins(self, w: Tensor) -> Tensor:
        """Return A w, (..., m)."""
        W = w.reshape(*w.shape[:-1], self.x.shape[-1], self.z.shape[-1])
        image = self.z @ W.mT  # W z_i
        return (self.x @ image[..., None])[..., 0].flatten(-2)

    def pull(self, multipliers: Tensor) -> Tensor:
        """Return the transpose of A times the multipliers, (..., d k)."""
        per_input = multipliers.reshape(self.x.shape[:-1])
        u = (per_input[..., None, :] @ self.x)[..., 0, :]
        return (u.mT @ self.z).flatten(-2)

    def row_norms(self, q: float) -> Tensor:
        """Return the l_q norm of each outer product, the product of the norms, (..., m)."""
        norm = LpPotential(q / (q - 1)).dual_norm
        return (norm(self.x, dim=-1) * norm(self.z, dim=-1)[..., None]).flatten(-2)

    def __getitem__(self, index: int | slice | Tensor) -> Constraints:
        """Return one problem of the batch, or a part of it."""
        bound = self.bound.reshape(self.x.shape[:-1])
        return Constraints(self.x[index], self.z[index], bound[index])

    @property
    def required(self) -> Tensor:
        """True where the margin must be positive."""
        return self.bound > 0

    def reach(self, margins: Tensor) -> Tensor:
        """Return the least share of its requirement that a margin makes up, (...)."""
        share = margins / torch.where(self.required, self.bound, 1.0)
        return share.masked_fill(~self.required, torch.inf).amin(-1)
