"""The inverse of `mdlib.measure.pruning.pack`: what is counted as stored can be read again."""

import zlib

import numpy as np
import torch


def unpack(model, content):
    """Give a model what `pack` made of one of the same architecture."""
    end = 8 + int.from_bytes(content[:8], "little")
    bits, kept = (zlib.decompress(part) for part in (content[8:end], content[end:]))
    there = torch.from_numpy(np.unpackbits(np.frombuffer(bits, np.uint8)).astype(bool))
    for x in model.state_dict().values():
        mask, there = there[: x.numel()], there[x.numel() :]
        size = int(mask.sum()) * x.element_size()
        whole = torch.zeros(x.numel(), dtype=x.dtype)
        if size:  # torch reads no empty buffer
            whole[mask] = torch.frombuffer(bytearray(kept[:size]), dtype=x.dtype)
        x.copy_(whole.view_as(x))
        kept = kept[size:]
    assert len(there) < 8  # the bits that fill the last byte
    assert not there.any()
    assert not kept
