"""Seeds of the tests, fixed by default, fresh where MDLIB_FRESH_SEED is set (the weekly run).

And what several folders of tests start from.
"""

import os

import pytest
import torch
from hypothesis import settings

from mdlib import AttentionProblem

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


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Small reviews and phrases in MDLIB_DATA; the folder, whose cache/ is the user's."""
    from tests.support.texts import phrases, reviews, store, texts  # late: few tests read texts

    test = texts(30, 5, 40, seed=1)
    dev, sentences = texts(20, 4, 9, seed=3), texts(22, 4, 9, seed=4)
    contents = {
        "imdb/train.jsonl.gz": reviews([*texts(100, 5, 40, seed=0), test[0], test[1]]),
        "imdb/test.jsonl.gz": reviews(test),
        "sst2/train.tsv.gz": phrases([*texts(120, 1, 9, seed=2), dev[0], sentences[0]]),
        "sst2/dev.tsv.gz": phrases(dev),
        "sst2/test.tsv.gz": phrases(sentences),
    }
    store(contents, tmp_path / "data", monkeypatch)
    monkeypatch.setattr("mdlib.data.text.encoded.cache_folder", lambda: tmp_path / "cache")
    return tmp_path
