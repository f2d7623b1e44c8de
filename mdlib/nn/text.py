"""TextClassifier: the paper's transformer for sentiment, one logit a sequence.

Architecture and sizes follow the paper and its published code; so do the initial weights, torch's
defaults (standard normal embeddings, uniform linear maps). What departs from that code:

- The output is a logit, for ``binary_cross_entropy_with_logits``; theirs is its sigmoid.
- The last layer computes only what the first token asks, since nothing else is read out. The
  output is the same, the work of that layer about a fifth.
- A padded batch is as wide as its longest sequence, not always ``max_length``. Padding takes part
  in nothing that is read out, here and there; theirs also masks what padding itself attends to.
- The number of heads is the paper's 6 at any depth; the published configurations for 3, 4 and 6
  layers have 3, 4 and 6.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from mdlib.nn.block import Block, check_sizes, first_token, layer_weights
from mdlib.nn.modes import modes_kept


class TextClassifier(nn.Module):
    """Embedding plus learned positions, post-norm blocks, a linear readout of the first token.

    Parameters
    ----------
    vocabulary : int
        Number of token ids.
    width, layers, heads, hidden : int
        Sizes of the blocks, see `Block`.
    dropout : float
        Rate of dropout inside the blocks.
    bias : bool
        Whether linear maps and layer norms have one; in the paper's none has.
    max_length : int
        Largest number of tokens in a sequence.
    padding : int
        The id that fills up shorter sequences, at their end.

    Raises
    ------
    ValueError
        For sizes below 1, a dropout outside [0, 1), a width that is no multiple of heads.

    Examples
    --------
    >>> model = TextClassifier(vocabulary=100, width=8, layers=2, heads=2, hidden=16)
    >>> ids = torch.tensor([[2, 17, 4, 9], [2, 31, 0, 0]])  # the second sequence is shorter
    >>> model(ids).shape
    torch.Size([2])
    >>> [tuple(weights.shape) for weights in model.attention(ids)]
    [(2, 2, 4, 4), (2, 2, 4, 4)]
    """

    def __init__(
        self,
        vocabulary: int = 30_522,
        width: int = 384,
        layers: int = 3,
        heads: int = 6,
        hidden: int = 1_536,
        dropout: float = 0.2,
        bias: bool = False,
        max_length: int = 512,
        padding: int = 0,
    ) -> None:
        super().__init__()
        sizes = {
            "vocabulary": vocabulary,
            "width": width,
            "layers": layers,
            "hidden": hidden,
            "max_length": max_length,
        }
        check_sizes(sizes, dropout)
        self.padding = padding
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(max_length, width)
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden, dropout, bias) for _ in range(layers)
        )
        self.readout = nn.Linear(width, 1, bias=bias)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logit of each sequence.

        Parameters
        ----------
        ids : int tensor (B, T)
            Token ids, T at most ``max_length``.

        Returns
        -------
        Tensor (B,)

        Raises
        ------
        ValueError
            If ids are not a table of that width, or, on a CPU, one is beyond the vocabulary.
        """
        x, mask = self._embed(ids)
        return cast(Tensor, self.readout(first_token(self.blocks, x, mask)).flatten())

    @torch.no_grad()
    def attention(self, ids: Tensor) -> tuple[Tensor, ...]:
        """Return the attention weights of each layer, as in evaluation: nothing is dropped.

        Returns
        -------
        tuple of Tensor (B, heads, T, T)
            Row t is what token t attends to; it is 0 at padding. The model's output depends on
            row 0 of the last layer.
        """
        with modes_kept(self):
            self.eval()
            return layer_weights(self.blocks, *self._embed(ids))

    def _embed(self, ids: Tensor) -> tuple[Tensor, Tensor | None]:
        """The sum of token and position embeddings, and where tokens are; None if everywhere."""
        length, most = ids.shape[-1], self.positions.num_embeddings
        if ids.ndim != 2 or not 1 <= length <= most:
            raise ValueError(
                f"ids must have shape (B, T) with T from 1 to max_length={most}, got "
                f"{tuple(ids.shape)}; cut the sequences or build the model with a larger max_length"
            )
        if ids.device.type == "cpu":  # a GPU would have to be waited for
            self._check_vocabulary(ids)
        x = self.tokens(ids) + self.positions.weight[:length]
        mask = ids != self.padding
        mask[:, 0] = True  # the first token is always there: no row of the softmax is empty
        # Asking a GPU whether there is any padding would cost more than the mask does.
        return x, None if mask.device.type == "cpu" and mask.all() else mask

    def _check_vocabulary(self, ids: Tensor) -> None:
        size = self.tokens.num_embeddings
        outside = ids[(ids < 0) | (ids >= size)]
        if len(outside):
            raise ValueError(
                f"ids must lie within 0..{size - 1}, the model's vocabulary of {size}, got "
                f"{outside[0].item()}; were the texts read with another tokenizer?"
            )

    def extra_repr(self) -> str:
        """What the list of submodules does not say."""
        return f"padding={self.padding}"
