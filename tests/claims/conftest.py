"""A claim of the tests' own, for what is the same for every claim."""

import pytest

from mdlib.claims import CLAIMS, Measured, claim


@pytest.fixture
def toy():
    """A claim of its own, taken out of the ledger again."""

    @claim(key="toy", chapter=0, place="here", statement="1 < 2", quick={"x": 1.0}, paper={"x": 3})
    def toy(x, fails=None):
        yield Measured("x", x, "<=", 2, range(1, 4))
        if fails:
            raise fails
        yield Measured("2x", 2 * x, ">=", 2, range(1, 4), resolution=1e-3)

    yield toy
    del CLAIMS["toy"]
