"""The cover shows what the library computes today."""

import numpy as np
import pytest
from PIL import Image

import cover


@pytest.mark.parametrize("name", ["cover.png", "cover-narrow.png"])
def test_the_committed_cover_is_what_its_script_draws(name, fresh_covers):
    committed, fresh = (
        np.asarray(Image.open(folder / name).convert("RGB"), dtype=float)
        for folder in (cover.STATIC, fresh_covers)
    )
    assert committed.shape == fresh.shape
    # Another font renderer may shade edges otherwise; a moved patch or path is more than that.
    assert np.abs(committed - fresh).mean() < 1


@pytest.fixture(scope="module")
def fresh_covers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("covers")
    cover.main(folder)
    return folder
