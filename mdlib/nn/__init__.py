"""Networks for `mdlib.train.fit`: the paper's classifiers and the block they are made of."""

from mdlib.nn.block import Block, SelfAttention
from mdlib.nn.text import TextClassifier
from mdlib.nn.vision import VisionTransformer, patchify

__all__ = ["Block", "SelfAttention", "TextClassifier", "VisionTransformer", "patchify"]
