"""VisionTransformer: the paper's transformer for images, one logit a class.

Sizes follow the paper, the architecture the one in its published code: pre-norm blocks, a class
token that is read out behind a last layer norm, learned positions; class token and positions begin
standard normal, linear maps as torch draws them. What departs from that code:

- Queries, keys and values have a bias, as in the first vision transformer (Dosovitskiy et al.,
  2021); theirs have none.
- Attention weights are dropped in training, what the perceptron's first half returns is not; there
  it is the other way round. `mdlib.nn.Block` is the same for text.
- The last layer computes only what the class token asks, since nothing else is read out. The
  output is the same.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from mdlib.nn.block import Block, check_sizes, first_token, layer_weights
from mdlib.nn.modes import modes_kept
from mdlib.nn.patches import patchify


class VisionTransformer(nn.Module):
    """Patches plus learned positions, pre-norm blocks, a linear readout of the class token.

    Parameters
    ----------
    image_size, patch : int
        Side of the square images and of the patches, in pixels; patch divides image_size.
    channels, classes : int
    width, layers, heads, hidden : int
        Sizes of the blocks, see `Block`.
    dropout : float
        Rate of dropout on the embedded tokens and inside the blocks.

    Raises
    ------
    ValueError
        For sizes below 1, a dropout outside [0, 1), a width that is no multiple of heads, a patch
        that does not divide image_size.

    Examples
    --------
    >>> model = VisionTransformer(image_size=8, patch=4, channels=1, width=16, layers=2, hidden=32)
    >>> images = torch.rand(5, 1, 8, 8)
    >>> model(images).shape
    torch.Size([5, 10])
    >>> [tuple(weights.shape) for weights in model.attention(images)]
    [(5, 8, 5, 5), (5, 8, 5, 5)]
    """

    def __init__(
        self,
        image_size: int = 48,
        patch: int = 4,
        channels: int = 3,
        classes: int = 10,
        width: int = 512,
        layers: int = 6,
        heads: int = 8,
        hidden: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        sizes = {
            "image_size": image_size,
            "patch": patch,
            "channels": channels,
            "classes": classes,
            "width": width,
            "layers": layers,
            "hidden": hidden,
        }
        check_sizes(sizes, dropout)
        if image_size % patch:
            raise ValueError(
                f"image_size must be a multiple of patch, got image_size={image_size}, "
                f"patch={patch}"
            )
        self.shape, self.patch = (channels, image_size, image_size), patch
        self.embedding = nn.Linear(channels * patch**2, width)
        self.class_token = nn.Parameter(torch.randn(width))
        self.positions = nn.Parameter(torch.randn((image_size // patch) ** 2 + 1, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden, dropout, norm_first=True) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of each image.

        Parameters
        ----------
        images : Tensor (B, channels, image_size, image_size)
            Of the model's dtype; best with pixels about 0, such as from -1 to 1.

        Returns
        -------
        Tensor (B, classes)

        Raises
        ------
        ValueError
            For images of another shape, or of whole numbers.
        """
        found = first_token(self.blocks, self._embed(images))
        return cast(Tensor, self.readout(self.norm(found)))

    @torch.no_grad()
    def attention(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the attention weights of each layer, as in evaluation: nothing is dropped.

        Returns
        -------
        tuple of Tensor (B, heads, T + 1, T + 1)
            Row t is what token t attends to. Token 0 is the class token, token 1 + t the patch t
            of `patchify`. The model's output depends on row 0 of the last layer.
        """
        with modes_kept(self):
            self.eval()
            return layer_weights(self.blocks, self._embed(images))

    def _embed(self, images: Tensor) -> Tensor:
        """The class token and the embedded patches, each with its position."""
        if images.ndim != 4 or images.shape[1:] != self.shape or not images.is_floating_point():
            raise ValueError(
                f"images must have shape (B, {', '.join(map(str, self.shape))}) and be "
                f"floating-point, got {tuple(images.shape)} of {images.dtype}"
            )
        patches = self.embedding(patchify(images, self.patch))
        first = self.class_token.expand(len(images), 1, -1)
        return cast(Tensor, self.dropout(torch.cat([first, patches], 1) + self.positions))

    def extra_repr(self) -> str:
        """What the list of submodules does not say."""
        return f"shape={self.shape}, patch={self.patch}"
