"""The inverse of `mdlib.measure.pruning.pack`: proof that what is counted can be read again."""

import math
import zlib

import numpy as np
import torch
from torch import nn


def unpack(model: nn.Module, content: bytes) -> None:
    """Give a model what `pack` made of one of the same architecture.

    Raises
    ------
    ValueError
        If the content is of another architecture, or damaged.
    """
    state = model.state_dict()
    counts = [x.numel() for x in state.values()]
    end = 8 + int.from_bytes(content[:8], "little")
    try:
        bits, kept = zlib.decompress(content[8:end]), zlib.decompress(content[end:])
    except zlib.error as error:
        raise ValueError(f"these are no packed weights: {error}") from None
    there = torch.from_numpy(np.unpackbits(np.frombuffer(bits, np.uint8)).astype(bool))
    sizes = [x.element_size() for x in state.values()]
    fits = len(bits) == math.ceil(sum(counts) / 8)
    masks = there[: sum(counts)].split_with_sizes(counts) if fits else ()
    ends = np.cumsum([0, *(int(m.sum()) * size for m, size in zip(masks, sizes, strict=False))])
    if not fits or len(kept) != ends[-1]:
        raise ValueError(f"these are the packed weights of another model than {model}")
    for x, mask, start, end in zip(state.values(), masks, ends[:-1], ends[1:], strict=True):
        whole = torch.zeros(x.numel(), dtype=x.dtype)
        if end > start:  # torch reads no empty buffer
            whole[mask] = torch.frombuffer(bytearray(kept[start:end]), dtype=x.dtype)
        x.copy_(whole.view_as(x))
