"""Networks for `mdlib.train.fit`: the paper's classifiers and the block they are made of."""

from mdlib.nn.block import Block, SelfAttention
from mdlib.nn.patches import patch_corners, patch_tokens, patchify
from mdlib.nn.rollout import attention_rollout
from mdlib.nn.text import TextClassifier
from mdlib.nn.vision import VisionTransformer

__all__ = [
    "Block",
    "SelfAttention",
    "TextClassifier",
    "VisionTransformer",
    "attention_rollout",
    "patch_corners",
    "patch_tokens",
    "patchify",
]
