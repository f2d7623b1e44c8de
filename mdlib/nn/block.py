r"""The transformer block: self-attention, then a two-layer perceptron, each with a residual.

.. math:: \mathrm{softmax}\bigl(Q K^\top / \sqrt{d}\bigr) V, \qquad Q = x W_Q^\top, \;
   K = x W_K^\top, \; V = x W_V^\top \quad \text{for each head.}
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Multi-head self-attention by torch's fused kernel.

    Parameters
    ----------
    width : int
        Entries of a token, a multiple of ``heads``.
    heads : int
    dropout : float
        Rate at which attention weights are dropped in training.
    bias : bool
        Whether the two linear maps have one.

    Raises
    ------
    ValueError
        If width is no multiple of heads.

    Examples
    --------
    >>> attention = SelfAttention(width=8, heads=2)
    >>> x = torch.randn(3, 5, 8)
    >>> attention(x).shape, attention.weights(x).shape
    (torch.Size([3, 5, 8]), torch.Size([3, 2, 5, 5]))
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0, bias: bool = True) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"width must be a multiple of heads, got width={width}, heads={heads}")
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width, bias=bias)  # W_Q, W_K, W_V on top of each other
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor, mask: Tensor | None = None, queries: int | None = None) -> Tensor:
        """Attend from the first ``queries`` tokens, or all, to every token.

        Parameters
        ----------
        x : Tensor (B, T, width)
        mask : bool tensor (B, T), optional
            True where a token may be attended to; every row needs one.
        queries : int, optional
            What only the first tokens ask need not be computed for the others.

        Returns
        -------
        Tensor (B, queries or T, width)
        """
        query, key, value = self._project(x, queries)
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if mask is None else mask[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        return cast(Tensor, self.out(mixed.transpose(1, 2).flatten(2)))

    def weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the softmax that `forward` multiplies the values with, (B, heads, T, T).

        Row t holds what token t attends to. Nothing is dropped.
        """
        query, key, _ = self._project(x)
        scores = query @ key.mT / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -torch.inf)
        return cast(Tensor, scores.softmax(-1))

    def _project(self, x: Tensor, queries: int | None = None) -> list[Tensor]:
        """Queries, keys and values by head, (B, heads, T, width / heads) each."""
        if queries is None:
            parts = self.qkv(x).chunk(3, dim=-1)
        else:
            to_query, *others = self.qkv.weight.chunk(3)
            bias = (None,) * 3 if self.qkv.bias is None else self.qkv.bias.chunk(3)
            parts = [F.linear(x[:, :queries], to_query, bias[0])]
            parts += [F.linear(x, W, b) for W, b in zip(others, bias[1:], strict=True)]
        return [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts]

    def extra_repr(self) -> str:
        """What the list of submodules does not say."""
        return f"heads={self.heads}, dropout={self.dropout}"


class Block(nn.Module):
    r"""One layer of a transformer.

    Post-norm, the paper's for text, is ``x = norm(x + attention(x)); x = norm(x + mlp(x))``;
    pre-norm, ``norm_first=True``, is ``x = x + attention(norm(x)); x = x + mlp(norm(x))``.

    Parameters
    ----------
    width, heads : int
        As in `SelfAttention`.
    hidden : int
        Width of the perceptron's GELU layer.
    dropout : float
        Rate of dropout on the attention weights and on what each half adds to the residual.
    bias : bool
        Whether linear maps and layer norms have one.
    norm_first : bool

    Raises
    ------
    ValueError
        If width is no multiple of heads.

    Examples
    --------
    >>> block = Block(width=8, heads=2, hidden=32)
    >>> x = torch.randn(3, 5, 8)
    >>> block(x).shape, block(x, queries=1).shape
    (torch.Size([3, 5, 8]), torch.Size([3, 1, 8]))
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float = 0.0,
        bias: bool = True,
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = SelfAttention(width, heads, dropout, bias)
        self.attention_norm = nn.LayerNorm(width, bias=bias)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden, bias=bias), nn.GELU(), nn.Linear(hidden, width, bias=bias)
        )
        self.mlp_norm = nn.LayerNorm(width, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, queries: int | None = None) -> Tensor:
        """Transform tokens, (B, T, width) to (B, queries or T, width); see `SelfAttention`."""
        kept = x if queries is None else x[:, :queries]
        if self.norm_first:
            kept = kept + self.dropout(self.attention(self.attention_norm(x), mask, queries))
            return cast(Tensor, kept + self.dropout(self.mlp(self.mlp_norm(kept))))
        kept = self.attention_norm(kept + self.dropout(self.attention(x, mask, queries)))
        return cast(Tensor, self.mlp_norm(kept + self.dropout(self.mlp(kept))))

    def weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the attention weights of this layer on its input x, (B, heads, T, T)."""
        return self.attention.weights(self.attention_norm(x) if self.norm_first else x, mask)

    def extra_repr(self) -> str:
        """What the list of submodules does not say."""
        return f"norm_first={self.norm_first}"


def check_sizes(sizes: dict[str, int], dropout: float) -> None:
    """Refuse sizes and a rate of dropout that make no network.

    Raises
    ------
    ValueError
        For a size below 1, named, or a dropout outside [0, 1).
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1), got {dropout}")


def first_token(blocks: Iterable[nn.Module], x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Send tokens through the blocks and return the first one, (B, width).

    The last block computes no other: nothing else is read out.
    """
    *inner, last = blocks
    for block in inner:
        x = block(x, mask)
    return cast(Tensor, last(x, mask, queries=1))[:, 0]


def layer_weights(
    blocks: Iterable[nn.Module], x: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Return the attention weights of each block on its input, (B, heads, T, T) each."""
    layers = []
    for block in blocks:
        layers.append(cast(Block, block).weights(x, mask))
        x = block(x, mask)
    return tuple(layers)
