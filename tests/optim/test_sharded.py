"""Parameters that two processes share: a step equals that of one process, or is refused."""

import pytest
import torch

from tests.support import sharded
from tests.support.torchrun import two_processes


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes kept; see sharded.py."""
    folder = two_processes(sharded.__file__, tmp_path_factory.mktemp("sharded"))
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_a_sharded_model_ends_where_the_whole_one_does(ranks):
    """FSDP2 and tensor parallel, small, uneven (a process without a weight) and in pieces."""
    for cases in (kept["cases"] for kept in ranks):
        assert len(cases) == 5 * len(sharded.PS) * len(sharded.OPTIONS) + 2
        for name, (ours, whole) in cases.items():
            torch.testing.assert_close(
                ours, whole, rtol=1e-11, atol=1e-13, msg=lambda text, name=name: f"{name}: {text}"
            )


def test_the_cases_move_their_weights():
    for shape in sharded.SHAPES.values():
        start = [w.detach() for w in sharded.model(shape).parameters()]
        _, end = sharded.train(sharded.model(shape), sharded.mirror_descent(3, {}))
        assert all((a != b).any() for a, b in zip(start, end, strict=True))


def test_a_potential_that_is_not_separable_is_refused(ranks):
    for kept in ranks:
        assert kept["refused"].startswith("HalfSquaredNorm() needs a parameter as a whole")
        assert "separable potential" in kept["refused"]


def test_asking_for_the_state_leaves_the_weights(ranks):
    for before, after in (kept["asked"] for kept in ranks):
        assert all(map(torch.equal, before, after))


def test_a_state_goes_on_in_a_zero_redundancy_optimizer(ranks):
    for zero in (kept["zero"] for kept in ranks):
        assert all(map(torch.equal, zero[1.5], zero["whole"]))
        assert "saved with LpPotential(p=1.5), this optimizer uses LpPotential(p=3.0)" in zero[3]
