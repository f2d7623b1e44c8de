"""Seeds of the tests, fixed by default, fresh where MDLIB_FRESH_SEED is set (the weekly run).

And what several folders of tests start from.
"""

import os

import pytest
import torch
from hypothesis import settings

from mdlib import AttentionProblem
from tests.support.stored import cache, stored

__all__ = ["cache", "stored"]  # fixtures of many tests

FRESH_SEED = os.environ.get("MDLIB_FRESH_SEED")

# Without a fresh seed hypothesis tries the same examples every time, so a red test stays red.
settings.register_profile("book", deadline=None, derandomize=FRESH_SEED is None, database=None)
settings.load_profile("book")


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of a test's random numbers; a property must hold for every one."""
    return int(FRESH_SEED or 0)


@pytest.fixture(autouse=True)
def _draws(seed):
    """Every test draws from the beginning."""
    torch.manual_seed(seed)


@pytest.fixture
def toy(seed):
    """A small problem with a decoder: four inputs of five tokens in three dimensions."""
    return AttentionProblem.random(n=4, T=5, d=3, seed=seed + 1)
