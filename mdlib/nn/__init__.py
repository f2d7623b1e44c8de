"""Networks for `mdlib.train.fit`: the paper's text classifier and the block it is made of."""

from mdlib.nn.block import Block, SelfAttention
from mdlib.nn.text import TextClassifier

__all__ = ["Block", "SelfAttention", "TextClassifier"]
