r"""The margin constraints of the two SVMs, as linear maps that know their structure.

Both problems read: the smallest :math:`\|w\|_p` with :math:`A w \ge b`. A class here is one such A.
It never forms the matrix: for attention the row of token t of input i is the outer product
:math:`(X_{i\alpha_i} - X_{it})\, z_i^\top`, and all that a solver asks for comes down to products
of small matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from mdlib.geometry.potentials import LpPotential


class Constraints(ABC):
    """m linear constraints A w >= b on a weight vector of D entries, with leading batch axes.

    Attributes
    ----------
    bound : Tensor (..., m)
        b: the margin that is required, from 0 (it must not be negative) to 1; -1 for a row of
        zeros that stands in for a constraint that is not there (padding), and never binds.
    """

    bound: Tensor

    @abstractmethod
    def margins(self, w: Tensor) -> Tensor:
        """Return A w, (..., m)."""

    @abstractmethod
    def pull(self, multipliers: Tensor) -> Tensor:
        """Return the transpose of A times the multipliers, (..., D)."""

    @abstractmethod
    def gram(self, h: Tensor) -> Tensor:
        """Return A diag(h) A', (..., m, m)."""

    @abstractmethod
    def row_norms(self, q: float) -> Tensor:
        """Return the l_q norm of each row of A, (..., m)."""

    @abstractmethod
    def __getitem__(self, index: int | slice | Tensor) -> Constraints:
        """Return one problem of the batch, or a part of it."""

    @abstractmethod
    def scaled(self, factor: Tensor) -> Constraints:
        """Return the constraints with A times a factor (...) a problem, and b as it is."""

    @property
    @abstractmethod
    def workspace(self) -> int:
        """Return how many numbers `gram` holds at a time for one problem."""

    @property
    def required(self) -> Tensor:
        """True where the margin must be positive."""
        return self.bound > 0

    def reach(self, margins: Tensor) -> Tensor:
        """Return the least share of its requirement that a margin makes up, (...)."""
        share = margins / torch.where(self.required, self.bound, 1.0)
        return share.masked_fill(~self.required, torch.inf).amin(-1)


class TokenConstraints(Constraints):
    r"""The rows :math:`(X_{i\alpha_i} - X_{it}) z_i^\top` of the attention SVM, without t = alpha.

    Parameters
    ----------
    lead : Tensor (..., n, T - 1, d)
        X_i,alpha - X_it of the other tokens; zero for padding.
    z : Tensor (..., n, d)
        The queries.
    bound : Tensor (..., n, T - 1)
    """

    def __init__(self, lead: Tensor, z: Tensor, bound: Tensor) -> None:
        self.lead, self.z, self.bound = lead, z, bound.flatten(-2)

    def margins(self, w: Tensor) -> Tensor:
        """Return A w, (..., m)."""
        d = self.z.shape[-1]
        image = self.z @ w.reshape(*w.shape[:-1], d, d).mT  # W z_i
        return (self.lead @ image[..., None])[..., 0].flatten(-2)

    def pull(self, multipliers: Tensor) -> Tensor:
        """Return the transpose of A times the multipliers, (..., d * d)."""
        per_input = multipliers.reshape(self.lead.shape[:-1])
        u = (per_input[..., None, :] @ self.lead)[..., 0, :]
        return (u.mT @ self.z).flatten(-2)

    def gram(self, h: Tensor) -> Tensor:
        """Return A diag(h) A', (..., m, m): for each pair of inputs one small product."""
        d = self.z.shape[-1]
        # between[i, l, j] = sum_k z_ik h_jk z_lk: how row j of W ties input i to input l.
        between = torch.einsum(
            "...ik,...jk,...lk->...ilj", self.z, h.reshape(*h.shape[:-1], d, d), self.z
        )
        other = between[..., :, :, None, :] * self.lead[..., None, :, :, :]
        # For each input one product with the rows of all: in this order the result lies in place.
        return (self.lead @ other.flatten(-3, -2).mT).flatten(-3, -2)

    def row_norms(self, q: float) -> Tensor:
        """Return the norm of each outer product: the product of the norms."""
        norm = LpPotential(q / (q - 1)).dual_norm
        return (norm(self.lead, dim=-1) * norm(self.z, dim=-1)[..., None]).flatten(-2)

    def __getitem__(self, index: int | slice | Tensor) -> TokenConstraints:
        """Return one problem of the batch, or a part of it."""
        bound = self.bound.reshape(self.lead.shape[:-1])
        return TokenConstraints(self.lead[index], self.z[index], bound[index])

    def scaled(self, factor: Tensor) -> TokenConstraints:
        """Return the constraints with A times a factor (...) a problem, and b as it is."""
        bound = self.bound.reshape(self.lead.shape[:-1])
        return TokenConstraints(self.lead * factor[..., None, None, None], self.z, bound)

    @property
    def workspace(self) -> int:
        """Return how many numbers `gram` holds at a time for one problem."""
        n, others, d = self.lead.shape[-3:]
        return n * others * max(3 * n * others, n * d)


class SampleConstraints(Constraints):
    r"""The rows :math:`y_i x_i^\top` of the classifier's SVM.

    Parameters
    ----------
    rows : Tensor (..., n, d)
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows, self.bound = rows, torch.ones_like(rows[..., 0])

    def margins(self, w: Tensor) -> Tensor:
        """Return A w, (..., n)."""
        return (self.rows @ w[..., None])[..., 0]

    def pull(self, multipliers: Tensor) -> Tensor:
        """Return the transpose of A times the multipliers, (..., d)."""
        return (multipliers[..., None, :] @ self.rows)[..., 0, :]

    def gram(self, h: Tensor) -> Tensor:
        """Return A diag(h) A', (..., n, n)."""
        return (self.rows * h[..., None, :]) @ self.rows.mT

    def row_norms(self, q: float) -> Tensor:
        """Return the l_q norm of each row, (..., n)."""
        return LpPotential(q / (q - 1)).dual_norm(self.rows, dim=-1)

    def __getitem__(self, index: int | slice | Tensor) -> SampleConstraints:
        """Return one problem of the batch, or a part of it."""
        return SampleConstraints(self.rows[index])

    def scaled(self, factor: Tensor) -> SampleConstraints:
        """Return the constraints with A times a factor (...) a problem, and b as it is."""
        return SampleConstraints(self.rows * factor[..., None, None])

    @property
    def workspace(self) -> int:
        """Return how many numbers `gram` holds at a time for one problem."""
        n, d = self.rows.shape[-2:]
        return n * max(3 * n, d)
