"""Seeds of the tests: fixed by default, fresh where MDLIB_FRESH_SEED is set (the weekly run)."""

import os

import pytest
from hypothesis import settings

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
