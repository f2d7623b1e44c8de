"""The starts of the paper's runs."""

import torch

from mdlib.claims.runs import starts


def test_starts_do_not_depend_on_how_many_are_asked_for():
    assert torch.equal(starts(range(1, 101))[4:9], starts(range(5, 10)))
