r"""AttentionProblem: one layer of softmax attention on labelled sequences, and its exact gradient.

The model of the paper reads a sequence of tokens :math:`X \in R^{T \times d}` with
a query :math:`z \in R^d`,

.. math:: f(X, z) = v^\top X^\top \mathrm{softmax}(X W z),

and is trained on :math:`L(W, v) = \frac1n \sum_i \ell(y_i f(X_i, z_i))`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mdlib.attention.generators import gaussian_tokens, planted_tokens
from mdlib.attention.gradient import RiskGradient
from mdlib.attention.losses import loss_named
from mdlib.attention.shapes import one_axis


class AttentionProblem:
    r"""Labelled token sequences with queries: the data of a token-selection problem.

    Leading axes ``...`` are a batch of problems; every method carries them along, so that a
    hundred seeds cost one call. Weights broadcast against them: W is (..., d, d), v is (..., d).

    Parameters
    ----------
    X : array (..., n, T, d)
        Tokens: n inputs of T tokens each. Real floating point; its dtype (float64 for lists) is
        that of all results.
    y : array (..., n)
        Labels, -1 or +1.
    z : array (..., n, d)
        Query tokens.
    mask : bool array (..., n, T), optional
        True where a token is real, False where it pads. Padding may hold anything.

    Raises
    ------
    ValueError
        If shapes do not fit, a label is not -1 or +1, an entry is not finite, or an input has no
        real token. The message names the input.
    TypeError
        If X is not real floating point, or the mask is not boolean.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
    >>> problem
    AttentionProblem(n=6, T=8, d=10)
    >>> W = torch.zeros(10, 10, dtype=torch.float64)
    >>> problem.attention(W)[0, 0].item()  # W = 0 looks at every token alike
    0.125
    >>> round(problem.risk(W, v).item(), 2)
    0.68
    """

    def __init__(self, X: Any, y: Any, z: Any, mask: Any = None) -> None:
        X = X if isinstance(X, Tensor) else torch.from_numpy(np.asarray(X))
        if not X.is_floating_point():
            raise TypeError(f"X must be real floating point, got {X.dtype}; convert with .double()")
        if X.ndim < 3 or 0 in X.shape[-3:]:
            raise ValueError(f"X must have shape (..., n, T, d), none 0; got {tuple(X.shape)}")
        self.y = torch.as_tensor(y, device=X.device).to(X)
        self.z = torch.as_tensor(z, device=X.device).to(X)
        self.mask = None if mask is None else torch.as_tensor(mask, device=X.device)
        self._check_shapes(X)
        self.X = X if self.mask is None else torch.where(self.mask[..., None], X, 0.0)
        self._check_values()

    def _check_shapes(self, X: Tensor) -> None:
        wanted = {"y": (self.y, X.shape[:-2]), "z": (self.z, X.shape[:-2] + X.shape[-1:])}
        if self.mask is not None:
            wanted["mask"] = (self.mask, X.shape[:-1])
            if self.mask.dtype != torch.bool:
                raise TypeError(f"mask must be boolean, got {self.mask.dtype}; use .bool()")
        for name, (tensor, shape) in wanted.items():
            if tensor.shape != shape:
                raise ValueError(
                    f"X of shape {tuple(X.shape)} needs {name} of shape {tuple(shape)}, "
                    f"got {tuple(tensor.shape)}"
                )

    def _check_values(self) -> None:
        bad = {
            "a label other than -1 or +1": self.y.abs() != 1,
            "a token that is not finite": ~self.X.isfinite().all(-1).all(-1),
            "a query that is not finite": ~self.z.isfinite().all(-1),
        }
        if self.mask is not None:
            bad["no real token (its mask is all False)"] = ~self.mask.any(-1)
        for what, where in bad.items():
            if where.any():
                index = tuple(where.nonzero()[0].tolist())
                found = f" ({self.y[index].item():g})" if "label" in what else ""
                raise ValueError(f"input {index if len(index) > 1 else index[0]} has {what}{found}")

    @staticmethod
    def random(
        n: int, T: int, d: int, *, seed: int | Sequence[int]
    ) -> tuple[AttentionProblem, Tensor]:
        """Draw a problem and a decoder v from the paper's generator; see `attention.generators`.

        Examples
        --------
        >>> problems, v = AttentionProblem.random(n=6, T=8, d=10, seed=range(1, 101))
        >>> problems.X.shape, v.shape
        (torch.Size([100, 6, 8, 10]), torch.Size([100, 10]))
        """
        X, y, z, v = gaussian_tokens(n, T, d, seed)
        return AttentionProblem(X, y, z), v

    @staticmethod
    def planted(
        n: int,
        T: int,
        d: int,
        p: float,
        *,
        seed: int | Sequence[int],
        spare: int = 0,
        rival: float = 0.0,
    ) -> tuple[AttentionProblem, Tensor]:
        """Draw a joint problem and the selection that solves it; see `mdlib.attention.generators`.

        Examples
        --------
        >>> from mdlib import classifier_svm
        >>> problem, tokens = AttentionProblem.planted(n=6, T=8, d=10, p=1.5, seed=1, spare=2)
        >>> chosen = problem.X[torch.arange(6), tokens]
        >>> classifier_svm(chosen, problem.y, p=1.5).support
        tensor([ True,  True,  True,  True, False, False])
        """
        X, y, z, tokens = planted_tokens(n, T, d, p, seed, spare, rival)
        return AttentionProblem(X, y, z), tokens

    def __getitem__(self, index: int | slice | Tensor) -> AttentionProblem:
        """Return the problems that an index of the first batch axis, or a mask over it, chooses.

        Examples
        --------
        >>> problems, v = AttentionProblem.random(n=6, T=8, d=10, seed=range(1, 4))
        >>> problems[1:]
        AttentionProblem(batch=(2,), n=6, T=8, d=10)
        >>> [one.X.shape for one in problems][0]
        torch.Size([6, 8, 10])
        """
        if self.X.ndim == 3:
            raise TypeError(f"{self} is a single problem, there is no batch to choose from")
        mask = None if self.mask is None else self.mask[index]
        return AttentionProblem(self.X[index], self.y[index], self.z[index], mask)

    def double(self) -> AttentionProblem:
        """Return the problem in float64."""
        return AttentionProblem(self.X.double(), self.y, self.z, self.mask)

    def in_one_row(self, batch: Sequence[int]) -> AttentionProblem:
        """Broadcast the leading axes to ``batch``, and join them into one.

        Examples
        --------
        >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=range(1, 4))
        >>> problem.in_one_row((2, 3))
        AttentionProblem(batch=(6,), n=6, T=8, d=10)
        """
        X, y, z = (one_axis(x, batch, k) for x, k in ((self.X, 3), (self.y, 1), (self.z, 2)))
        mask = None if self.mask is None else one_axis(self.mask, batch, 2)
        return AttentionProblem(X, y, z, mask)

    def __repr__(self) -> str:
        *batch, n, T, d = self.X.shape
        prefix = f"batch={tuple(batch)}, " if batch else ""
        return f"AttentionProblem({prefix}n={n}, T={T}, d={d})"

    def scores(self, v: Tensor) -> Tensor:
        """Return the token scores gamma_it = y_i v.X_it, (..., n, T); -inf for padding.

        The margin that input i would have if token t had all the attention.

        Examples
        --------
        >>> X = [[[1.0, 0.0], [0.0, 2.0]]]
        >>> AttentionProblem(X, y=[-1], z=[[1.0, 1.0]]).scores(torch.tensor([1.0, 1.0]))
        tensor([[-1., -2.]], dtype=torch.float64)
        """
        return self._hide_padding(self._values(v) * self.y[..., None])

    def optimal_tokens(self, v: Tensor) -> Tensor:
        """Return the index of each input's best-scored token, (..., n); the first one of a tie.

        Examples
        --------
        >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
        >>> problem.optimal_tokens(v)
        tensor([3, 2, 6, 2, 6, 2])
        """
        return self.scores(v).argmax(-1)

    def logits(self, W: Tensor) -> Tensor:
        """Return the attention logits X_it.W z_i, (..., n, T); -inf for padding."""
        return self._hide_padding(self._raw_logits(W))

    def attention(self, W: Tensor) -> Tensor:
        """Return the attention weights softmax(X_i W z_i), (..., n, T); 0 for padding.

        Examples
        --------
        >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
        >>> problem.attention(torch.zeros(10, 10))[0, :3]
        tensor([0.1250, 0.1250, 0.1250], dtype=torch.float64)
        """
        return self.logits(W).softmax(-1)

    def predict(self, W: Tensor, v: Tensor) -> Tensor:
        """Return the model's outputs f(X_i, z_i), (..., n); their signs are the labels it gives."""
        return self._read(self.attention(W), v)

    def margins(self, W: Tensor, tokens: Tensor) -> Tensor:
        """Return (X_i,alpha - X_it).W z_i for the chosen tokens alpha, (..., n, T).

        By how much the logit of each input's chosen token leads that of its other tokens: the left
        side of the l_p-AttSVM's constraints. inf where there is no constraint: for the chosen token
        itself and for padding.

        Parameters
        ----------
        W : Tensor (..., d, d)
        tokens : integer Tensor (..., n)

        Raises
        ------
        TypeError
            If tokens are not integers.
        ValueError
            If a token is out of range or padding, or the shape does not fit.

        Examples
        --------
        >>> problem = AttentionProblem([[[1.0, 0.0], [0.0, 2.0]]], y=[1], z=[[1.0, 0.0]])
        >>> problem.margins(torch.eye(2), torch.tensor([0]))
        tensor([[inf, 1.]], dtype=torch.float64)
        """
        logits, chosen = _broadcast(self.logits(W), self.checked_tokens(tokens)[..., None])
        lead = logits.gather(-1, chosen) - logits
        return lead.scatter(-1, chosen, torch.inf)

    def risk(self, W: Tensor, v: Tensor, loss: str = "logistic") -> Tensor:
        """Return the mean over inputs of loss(y_i f(X_i, z_i)), one number a problem.

        Parameters
        ----------
        W : Tensor (..., d, d)
        v : Tensor (..., d)
        loss : {"logistic", "exponential", "linear"}

        Raises
        ------
        ValueError
            For another loss.

        Examples
        --------
        >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
        >>> W = 100 * torch.eye(10)
        >>> bool(problem.risk(W, v, "exponential") > problem.risk(W, v))
        True
        """
        return self.risk_of(self.attention(W), v, loss)

    def risk_of(self, attention: Tensor, v: Tensor, loss: str = "logistic") -> Tensor:
        """Return the risk with attention weights (..., n, T) instead of those of a W.

        Examples
        --------
        >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
        >>> full = torch.nn.functional.one_hot(problem.optimal_tokens(v), 8)
        >>> bool(problem.risk_of(full, v) < problem.risk(1e3 * torch.eye(10), v))
        True
        """
        return loss_named(loss).value(self._read(attention, v) * self.y).mean(-1)

    def gradient(self, W: Tensor, v: Tensor, loss: str = "logistic") -> Tensor:
        """Return the gradient of the risk in W, (..., d, d).

        It equals autograd's while attention is soft, and stays exact when softmax saturates; once
        the gradient leaves the range of the dtype only `scaled_gradient` still shows it.
        Arguments and errors are those of `risk`.

        Examples
        --------
        >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
        >>> W = torch.zeros(10, 10, dtype=torch.float64, requires_grad=True)
        >>> problem.risk(W, v).backward()
        >>> torch.allclose(problem.gradient(W.detach(), v), W.grad)
        True
        """
        direction, log_scale = self.scaled_gradient(W, v, loss)
        return direction * log_scale.exp()[..., None, None]

    def scaled_gradient(
        self, W: Tensor, v: Tensor, loss: str = "logistic"
    ) -> tuple[Tensor, Tensor]:
        r"""Return G and c such that the gradient of the risk in W is exp(c) G.

        With s the attention weights, :math:`m_i = \sum_t s_{it}\gamma_{it}` and alpha the most
        attended token of each input,

        .. math::
            \nabla_W L = \sum_i \sum_{t \ne \alpha_i} c_{it}\, (X_{it} - X_{i\alpha_i}) z_i^\top,
            \qquad c_{it} = \tfrac1n\, \ell'(m_i)\, s_{it} (\gamma_{it} - m_i).

        The textbook sum over all t subtracts numbers that agree in every digit once s rounds to 1;
        this one has no such pair. The logarithms of s and of the loss's slope are carried, and the
        largest is taken out as c, so that G neither under- nor overflows. To ask at many W, as a
        descent does, prepare a `RiskGradient` once.

        Arguments and errors are those of `risk`.

        Returns
        -------
        G : Tensor (..., d, d)
        c : Tensor (...)

        Examples
        --------
        >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
        >>> G, c = problem.scaled_gradient(1e6 * torch.eye(10), v)
        >>> bool(G.abs().max() > 1e-3), bool(c < -10_000)
        (True, True)
        """
        W = self.weight("W", W, 2)
        gradient = RiskGradient(self, v, loss, W.shape[:-2])
        G, log_scale = gradient(gradient.flat(W))
        log_scale = log_scale[:, 0, 0].where(G.flatten(1).any(-1), 0.0)
        return G.view(*gradient.batch, *W.shape[-2:]), log_scale.view(gradient.batch)

    def _read(self, attention: Tensor, v: Tensor) -> Tensor:
        return (attention * self._values(v)).sum(-1)

    def _values(self, v: Tensor) -> Tensor:
        """v.X_it for every token, padding included."""
        return (self.X @ self.weight("v", v, 1)[..., None, :, None])[..., 0]

    def _raw_logits(self, W: Tensor) -> Tensor:
        return (self.X @ (self.z @ self.weight("W", W, 2).mT)[..., None])[..., 0]

    def checked_tokens(self, tokens: Tensor) -> Tensor:
        """Return a selection as int64 indices (..., n); refuse what is no selection.

        Raises
        ------
        TypeError
            If the tokens are no integers.
        ValueError
            If an index is out of range, a token is padding, or their number is not that of the
            inputs.

        Examples
        --------
        >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
        >>> problem.checked_tokens([0, 1, 2, 3, 4, 5])
        tensor([0, 1, 2, 3, 4, 5])
        """
        tokens = torch.as_tensor(tokens, device=self.X.device)
        if tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool:
            raise TypeError(f"tokens must be integer indices, got {tokens.dtype}")
        T = self.X.shape[-2]
        if ((tokens < 0) | (tokens >= T)).any():
            raise ValueError(f"tokens must lie in 0..{T - 1}, got {tokens.tolist()}")
        n = self.y.shape[-1]
        if tokens.shape[-1:] != (n,):
            raise ValueError(f"tokens must have shape (..., {n}), got {tuple(tokens.shape)}")
        tokens = tokens.long()
        if self.mask is not None:
            mask, index = _broadcast(self.mask, tokens[..., None])
            padded = ~mask.gather(-1, index)[..., 0]
            if padded.any():
                raise ValueError(
                    f"tokens must be real: input {tuple(padded.nonzero()[0].tolist())} "
                    "has a padding token chosen"
                )
        return tokens

    def weight(self, name: str, weight: Tensor, axes: int) -> Tensor:
        """Return W or v, its last axes checked, in the dtype and on the device of the tokens.

        Raises
        ------
        ValueError
            If the last ``axes`` axes are not all d long, or the numbers are complex.
        """
        weight = torch.as_tensor(weight, device=self.X.device)
        shape = self.X.shape[-1:] * axes
        if weight.is_complex() or weight.shape[-axes:] != shape:
            wanted = ", ".join(map(str, shape))
            raise ValueError(
                f"{name} must be real, of shape (..., {wanted}); "
                f"got {weight.dtype} of shape {tuple(weight.shape)}"
            )
        return weight.to(self.X)

    def _hide_padding(self, per_token: Tensor) -> Tensor:
        return per_token if self.mask is None else per_token.where(self.mask, -torch.inf)


def _broadcast(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Expand all axes but the last, the one that gather and scatter index."""
    shape = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])  # type: ignore[no-untyped-call]
    return a.expand(*shape, -1), b.expand(*shape, -1)
