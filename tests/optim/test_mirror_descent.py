"""MirrorDescent: SGD at p = 2, its formula elsewhere, and torch.optim's contract throughout."""

import copy
import io
import math
import pickle
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR

from mdlib import Hypentropy, LpPotential, MirrorDescent, NegativeEntropy, Potential

PS = [1.05, 1.1, 1.5, 1.75, 2, 3, 10, 20]
POTENTIALS = [*(LpPotential(p) for p in PS), NegativeEntropy(), Hypentropy(0.1), Hypentropy(10.0)]
NORMED = [potential for potential in POTENTIALS if not isinstance(potential, Hypentropy)]
every_potential = pytest.mark.parametrize("potential", POTENTIALS, ids=repr)
every_normed = pytest.mark.parametrize("potential", NORMED, ids=repr)


def parameter(*shape, dtype=torch.float64):
    """Entries in [0.5, 1.5): inside every potential's domain."""
    return nn.Parameter((0.5 + torch.rand(shape, dtype=torch.float64)).to(dtype))


def give(param, grad):
    """Write a gradient, into the old one's memory as zero_grad(set_to_none=False) leaves it."""
    grad = torch.as_tensor(grad, dtype=param.dtype).expand_as(param)
    param.grad = grad.clone() if param.grad is None else param.grad.copy_(grad)


def saved(optimizer):
    """The optimizer's state after a journey through a file."""
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


# ---- the step itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_p_2_is_sgd_bit_for_bit(momentum, maximize, dtype):
    start = torch.randn(50, dtype=dtype)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    options = {"lr": 0.05, "momentum": momentum, "maximize": maximize}
    mirror, sgd = MirrorDescent([ours], **options), SGD([theirs], **options)
    for _ in range(200):
        grad = torch.randn(50, dtype=dtype)
        give(ours, grad), give(theirs, grad)
        mirror.step(), sgd.step()
        assert torch.equal(ours, theirs)


# (mirror, inverse, dual norm) from the formulas.
FORMULAS = {
    p: (
        lambda w, p=p: w.sign() * w.abs() ** (p - 1),
        lambda y, p=p: y.sign() * y.abs() ** (1 / (p - 1)),
        lambda g, p=p: (g.abs() ** (p / (p - 1))).sum() ** (1 - 1 / p),
    )
    for p in PS
}
FORMULAS["entropy"] = (torch.log, torch.exp, lambda g: g.abs().max())
FORMULAS["hypentropy"] = (lambda w: torch.asinh(w / 0.1), lambda y: 0.1 * torch.sinh(y), None)


def slow_twin(
    w, grads, mirror, inverse, dual_norm, lr, momentum, weight_decay, normalize, maximize
):
    m = 0
    for g in grads:
        g = (-1 if maximize else 1) * g / (dual_norm(g) if normalize else 1)
        m = momentum * m + g
        w = inverse((1 - lr * weight_decay) * mirror(w) - lr * m)
    return w


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.8},
        {"weight_decay": 0.3},
        {"normalize": True},
        {"maximize": True},
        {"momentum": 0.5, "weight_decay": 0.1, "normalize": True, "maximize": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", [*PS, "entropy", "hypentropy"])
def test_every_potential_follows_its_formula(name, options):
    """The twin goes back to the dual from w at each step; the optimizer carries the dual."""
    table = {"entropy": NegativeEntropy(), "hypentropy": Hypentropy(0.1)}
    w, grads = parameter(20), 0.2 * torch.randn(5, 20, dtype=torch.float64)
    if name == "hypentropy":  # it has no norm to normalize by
        options = options | {"normalize": False}
    full = {"lr": 0.01, "momentum": 0, "weight_decay": 0, "normalize": False, "maximize": False}
    expected = slow_twin(w.detach(), grads, *FORMULAS[name], **(full | options))
    optimizer = MirrorDescent([w], 0.01, table.get(name) or LpPotential(name), **options)
    for g in grads:
        give(w, g)
        optimizer.step()
    torch.testing.assert_close(w.detach(), expected, rtol=1e-10, atol=1e-10)


@every_potential
def test_weight_decay_is_the_mirror_step_on_the_potential(potential):
    """Decoupled: the same step as on loss + decay * psi(w), without any momentum on the decay."""
    w = parameter(6)
    v = nn.Parameter(w.detach().clone())
    decayed = MirrorDescent([w], 0.02, potential, weight_decay=0.4)
    penalised = MirrorDescent([v], 0.02, potential)
    for _ in range(3):
        grad = 0.1 * torch.randn(6, dtype=torch.float64)
        give(w, grad)
        penalty = 0.4 * potential.value(v)
        v.grad = grad + torch.autograd.grad(penalty, v)[0]
        decayed.step(), penalised.step()
    torch.testing.assert_close(w, v, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [1e-37, 1e-20, 1.0, 1e20, 1e38])
@every_normed
def test_a_normalized_step_has_unit_dual_length(potential, scale, dtype):
    """However small or large the gradient, although 1e-37 ** 21 and 1e38 ** 1.1 leave float32."""
    w = nn.Parameter(torch.ones(3, 4, dtype=dtype))
    optimizer = MirrorDescent([w], 0.125, potential, normalize=True)
    before = potential.mirror(w.detach().to(torch.promote_types(dtype, torch.float32)))
    w.grad = ((1 + torch.rand(3, 4, dtype=torch.float64)) * scale).to(dtype)
    optimizer.step()
    moved = before - optimizer.state[w]["dual"]
    assert w.isfinite().all()
    assert potential.dual_norm(moved).item() == pytest.approx(0.125, rel=1e-4)


@every_normed
def test_a_zero_gradient_stays_zero(potential):
    w = parameter(4)
    before = w.detach().clone()
    optimizer = MirrorDescent([w], 0.1, potential, normalize=True)
    give(w, 0.0)
    optimizer.step()
    torch.testing.assert_close(w.detach(), before, rtol=1e-12, atol=0)


def test_a_gradient_that_is_not_a_number_is_not_hidden():
    """Normalising must not turn NaN into a standstill: a diverged run has to show it."""
    w = parameter(2)
    give(w, [math.nan, 1.0])
    MirrorDescent([w], 0.1, LpPotential(2), normalize=True).step()
    assert w.isnan().any()


def test_each_parameter_is_normalized_alone():
    small, large = parameter(3), parameter(3)
    starts = [small.detach().clone(), large.detach().clone()]
    give(small, 1e-6), give(large, 1e6)
    MirrorDescent([small, large], 0.1, LpPotential(2), normalize=True).step()
    for w, start in zip((small, large), starts, strict=True):
        assert (w - start).norm().item() == pytest.approx(0.1)


def test_momentum_rolls_in_the_dual():
    """After the gradients stop, the dual goes on by mu, mu^2, ... of the first step."""
    w = parameter(3)
    psi = LpPotential(3)
    optimizer = MirrorDescent([w], 0.01, psi, momentum=0.5)
    duals = [psi.mirror(w.detach())]
    for g in (1.0, 0.0, 0.0):
        give(w, g)
        optimizer.step()
        duals.append(psi.mirror(w.detach()))
    steps = [(a - b).mean().item() for a, b in pairwise(duals)]
    assert steps == pytest.approx([0.01, 0.005, 0.0025])


# ---- the dual is the state ----------------------------------------------------------------------


def test_small_steps_add_up_where_the_weights_cannot_show_them():
    """bfloat16 near 1 has steps of 1/128; a thousand steps of 1/10,000 still go one tenth."""
    w = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    optimizer = MirrorDescent([w], 1e-4, LpPotential(2))
    for _ in range(1000):
        give(w, 1.0)
        optimizer.step()
    assert optimizer.state[w]["dual"].dtype == torch.float32
    torch.testing.assert_close(w.float(), torch.full((4,), 0.9), rtol=0, atol=1 / 128)


def test_a_weight_that_rounds_to_zero_recovers():
    """p = 1.1: dual 1e-5 is weight 1e-50, which float32 does not have. The dual remembers it."""
    psi = LpPotential(1.1)
    w = nn.Parameter(torch.ones(2))
    optimizer = MirrorDescent([w], 1.0, psi)
    give(w, 1 - 1e-5)
    optimizer.step()
    assert w.tolist() == [0, 0]
    for _ in range(10):  # each step alone would end at (1e-5)^10 = 1e-50, zero again
        give(w, -1e-5)
        optimizer.step()
    assert optimizer.state[w]["dual"][0].item() == pytest.approx(11e-5, rel=1e-2)
    give(w, -0.5)
    optimizer.step()
    assert w[0].item() == pytest.approx(0.50011**10, rel=1e-4)


def overwrite_no_grad(w, new):
    with torch.no_grad():
        w.copy_(new)


def overwrite_data(w, new):
    w.data = new.clone()


def overwrite_in_place(w, new):
    w.data.copy_(new)


def overwrite_by_state_dict(w, new):
    module = nn.Module()
    module.w = w
    module.load_state_dict({"w": new})


@pytest.mark.parametrize(
    "overwrite", [overwrite_no_grad, overwrite_data, overwrite_in_place, overwrite_by_state_dict]
)
@every_potential
def test_a_weight_changed_in_place_takes_its_dual_along(potential, overwrite):
    w = parameter(5)
    optimizer = MirrorDescent([w], 0.01, potential)
    for _ in range(3):
        give(w, 0.3)
        optimizer.step()
    new = parameter(5).detach()
    overwrite(w, new)
    fresh = nn.Parameter(new.clone())
    other = MirrorDescent([fresh], 0.01, potential)
    give(w, 0.3), give(fresh, 0.3)
    optimizer.step(), other.step()
    assert torch.equal(w, fresh)


def test_one_changed_entry_leaves_the_other_duals():
    w = nn.Parameter(torch.ones(3))
    optimizer = MirrorDescent([w], 1.0, LpPotential(1.1))
    give(w, 1 - 1e-5)
    optimizer.step()
    with torch.no_grad():
        w[1] = 1.0
    give(w, [0.0, 0.0, 0.0])
    optimizer.step()
    dual = optimizer.state[w]["dual"]
    assert dual[1] == 1
    assert dual[[0, 2]].tolist() == pytest.approx([1e-5, 1e-5], rel=1e-2)
    assert w.tolist() == [0, 1, 0]


class HalfSquaredNorm(Potential):
    """Not separable: half the squared l_1.5 norm, inverted by its dual, half the squared l_3."""

    def value(self, w, dim=None):
        return LpPotential(1.5).norm(w, dim).square() / 2

    def mirror(self, w):
        return LpPotential(1.5).mirror(w) * LpPotential(1.5).norm(w) ** 0.5

    def inverse(self, y):
        return LpPotential(3).mirror(y) / LpPotential(3).norm(y)


def test_a_potential_that_is_not_separable_gets_a_whole_new_dual():
    w = parameter(4)
    optimizer = MirrorDescent([w], 0.01, HalfSquaredNorm())
    for _ in range(3):
        give(w, 0.3)
        optimizer.step()
    carried = optimizer.state[w]["dual"].clone()
    torch.testing.assert_close(carried, HalfSquaredNorm().mirror(w.detach()))
    with torch.no_grad():
        w[0] = 5.0
    give(w, 0.0)
    optimizer.step()
    assert (optimizer.state[w]["dual"] != carried).all()
    torch.testing.assert_close(optimizer.state[w]["dual"], HalfSquaredNorm().mirror(w.detach()))


@pytest.mark.parametrize(("ulps", "noticed"), [(4, False), (-4, False), (64, True), (-64, True)])
def test_rounding_of_another_device_is_no_change(ulps, noticed):
    """A few ulp between the weight and the dual it was read from belong to the hardware."""
    w = parameter(4)
    optimizer = MirrorDescent([w], 0.01, LpPotential(1.1))
    give(w, 0.1)
    optimizer.step()
    dual = optimizer.state[w]["dual"].clone()
    with torch.no_grad():
        w.mul_(1 + ulps * torch.finfo(w.dtype).eps)
    give(w, 0.0)
    optimizer.step()
    assert torch.equal(optimizer.state[w]["dual"], dual) is not noticed


# ---- large parameters are stepped in pieces -----------------------------------------------------


LARGE = 2 * 65_536 + 5


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("p", [1.1, 2, 3])
def test_a_large_parameter_steps_as_a_whole(p, normalize):
    """One piece changed in between, a layout that cannot be cut: the same weights."""
    start = 0.5 + torch.rand(LARGE, 2, dtype=torch.float64)
    cut, whole = nn.Parameter(start.clone()), nn.Parameter(start.mT.contiguous().mT)
    assert not whole.is_contiguous()
    options = {"momentum": 0.9, "weight_decay": 0.1, "normalize": normalize}
    optimizers = [MirrorDescent([w], 0.1, LpPotential(p), **options) for w in (cut, whole)]
    for _ in range(3):
        grad = torch.randn(LARGE, 2, dtype=torch.float64)
        for w, optimizer in zip((cut, whole), optimizers, strict=True):
            give(w, grad)
            optimizer.step()
            with torch.no_grad():
                w[-1] = 1.0
    torch.testing.assert_close(cut.detach(), whole.detach(), rtol=1e-11, atol=1e-14)
    duals = [opt.state[w]["dual"] for w, opt in zip((cut, whole), optimizers, strict=True)]
    torch.testing.assert_close(*duals, rtol=1e-11, atol=1e-14)


def test_a_large_parameter_is_not_cut_where_its_entries_belong_together():
    w, psi = parameter(LARGE), HalfSquaredNorm()
    expected = psi.inverse(psi.mirror(w.detach()) - 0.1)
    give(w, 1.0)
    MirrorDescent([w], 0.1, psi).step()
    torch.testing.assert_close(w.detach(), expected)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3)], ids=str)
@every_normed
def test_a_number_or_nothing_is_a_parameter_too(potential, shape):
    w = parameter(*shape)
    give(w, 2.0)
    MirrorDescent([w], 0.1, potential, normalize=True, momentum=0.5).step()
    assert w.shape == shape
    assert w.isfinite().all()


# ---- torch.optim's contract ---------------------------------------------------------------------


def test_groups_have_their_own_potential_and_options():
    ps, lrs = [1.5, 2.0, 3.0], [0.01, 0.02, 0.03]
    params = [parameter(3) for _ in ps]
    alone = [nn.Parameter(w.detach().clone()) for w in params]
    groups = [
        {"params": [w], "potential": LpPotential(p), "lr": lr}
        for w, p, lr in zip(params[1:], ps[1:], lrs[1:], strict=True)
    ]
    together = MirrorDescent([{"params": params[:1]}, *groups], 0.01, LpPotential(1.5))
    singles = [
        MirrorDescent([w], lr, LpPotential(p)) for w, p, lr in zip(alone, ps, lrs, strict=True)
    ]
    for _ in range(3):
        for w in [*params, *alone]:
            give(w, 0.5)
        for optimizer in (together, *singles):
            optimizer.step()
    for w, single in zip(params, alone, strict=True):
        assert torch.equal(w, single)


def test_a_closure_runs_with_gradients_and_its_loss_comes_back():
    w = parameter(3)
    optimizer = MirrorDescent([w], 0.1, LpPotential(1.5))

    def closure():
        optimizer.zero_grad()
        loss = w.square().sum()
        loss.backward()
        return loss

    with torch.no_grad():
        losses = [optimizer.step(closure).item() for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    assert optimizer.step() is None


def test_no_gradient_no_step():
    still, moving = parameter(2), parameter(2)
    before = still.detach().clone()
    optimizer = MirrorDescent([still, moving], 0.1, weight_decay=0.5)
    give(moving, 1.0)
    optimizer.step()
    assert torch.equal(still, before)
    assert still not in optimizer.state
    optimizer.zero_grad()
    assert moving.grad is None


@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer: StepLR(optimizer, step_size=3, gamma=0.1),
        lambda optimizer: CosineAnnealingLR(optimizer, T_max=10),
        lambda optimizer: OneCycleLR(optimizer, max_lr=0.1, total_steps=12),
    ],
    ids=["step", "cosine", "one cycle"],
)
def test_schedulers_drive_it_as_they_drive_sgd(schedule):
    ours = parameter(4)
    theirs = nn.Parameter(ours.detach().clone())
    pair = [
        (w, make([w], lr=0.1, momentum=0.9)) for w, make in ((ours, MirrorDescent), (theirs, SGD))
    ]
    schedulers = [schedule(optimizer) for _, optimizer in pair]
    for _ in range(10):
        for (w, optimizer), scheduler in zip(pair, schedulers, strict=True):
            give(w, 0.3)
            optimizer.step()
            scheduler.step()
    assert torch.equal(ours, theirs)
    assert pair[0][1].param_groups[0]["lr"] == pair[1][1].param_groups[0]["lr"]


def test_lr_may_be_a_tensor():
    w, v = parameter(3), parameter(3)
    overwrite_data(v, w.detach())
    give(w, 1.0), give(v, 1.0)
    MirrorDescent([w], torch.tensor(0.5), LpPotential(3)).step()
    MirrorDescent([v], 0.5, LpPotential(3)).step()
    assert torch.equal(w, v)


def through_a_file(optimizer, w):
    twin = nn.Parameter(w.detach().clone())
    copied = MirrorDescent([twin], 0.5, optimizer.param_groups[0]["potential"])
    copied.load_state_dict(saved(optimizer))
    return copied, twin


def through_deepcopy(optimizer, w):
    copied = copy.deepcopy(optimizer)
    return copied, copied.param_groups[0]["params"][0]


def through_pickle(optimizer, w):
    copied = pickle.loads(pickle.dumps(optimizer))
    return copied, copied.param_groups[0]["params"][0]


@pytest.mark.parametrize("through", [through_a_file, through_deepcopy, through_pickle])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@every_potential
def test_a_copy_continues_bit_for_bit(potential, dtype, through):
    w = parameter(16, dtype=dtype)
    optimizer = MirrorDescent([w], 0.01, potential, momentum=0.9, weight_decay=0.01)
    grads = 0.3 * torch.randn(20, 16, dtype=torch.float64)
    for g in grads[:10]:
        give(w, g)
        optimizer.step()
    copied, twin = through(optimizer, w)
    assert twin is not w
    for g in grads[10:]:
        give(w, g), give(twin, g)
        optimizer.step(), copied.step()
    assert torch.equal(w, twin)
    for name in ("dual", "momentum"):
        ours, theirs = optimizer.state[w][name], copied.state[twin][name]
        assert ours.dtype == theirs.dtype == torch.promote_types(dtype, torch.float32)
        assert torch.equal(ours, theirs)
    assert copied.param_groups[0]["potential"] == potential
    assert copied.param_groups[0]["lr"] == 0.01


def test_a_loaded_state_shares_nothing_with_its_source():
    w = parameter(4)
    optimizer = MirrorDescent([w], 0.1, LpPotential(3))
    give(w, 1.0)
    optimizer.step()
    state = optimizer.state_dict()
    twin = nn.Parameter(w.detach().clone())
    other = MirrorDescent([twin], 0.1, LpPotential(3))
    other.load_state_dict(state)
    kept = optimizer.state[w]["dual"].clone()
    give(twin, 1.0)
    other.step()
    assert torch.equal(optimizer.state[w]["dual"], kept)
    assert optimizer.param_groups[0]["potential"] == LpPotential(3)  # state_dict copied its groups


def test_a_state_of_another_potential_is_refused():
    params = [parameter(3), parameter(3)]
    groups = [{"params": [params[0]]}, {"params": [params[1]], "potential": LpPotential(1.1)}]
    optimizer = MirrorDescent(groups, 0.1, LpPotential(2))
    other = MirrorDescent([{"params": [w]} for w in params], 0.7, LpPotential(2))
    with pytest.raises(
        ValueError, match=r"saved with LpPotential\(p=1\.1\).* uses LpPotential\(p=2\.0\)"
    ):
        other.load_state_dict(optimizer.state_dict())
    assert [group["lr"] for group in other.param_groups] == [0.7, 0.7]
    with pytest.raises(ValueError, match="build it with the same potential"):
        other.load_state_dict(SGD([{"params": [w]} for w in params], lr=0.1).state_dict())


def test_a_state_with_other_groups_is_refused():
    ours = MirrorDescent([parameter(3)])
    for other in (
        MirrorDescent([parameter(3), parameter(3)]),
        MirrorDescent([{"params": [parameter(3)]}, {"params": [parameter(3)]}]),
    ):
        with pytest.raises(ValueError, match="parameter group"):
            ours.load_state_dict(other.state_dict())
    assert ours.param_groups[0]["potential"] == LpPotential(2)


def test_a_frozen_parameter_joins_and_a_bad_group_leaves_no_trace():
    w = parameter(3)
    optimizer = MirrorDescent([w], 0.1)
    optimizer.add_param_group({"params": [parameter(2)], "potential": LpPotential(3)})
    groups = [dict(group) for group in optimizer.param_groups]
    for bad, error in (
        ({"lr": -1.0}, ValueError),
        ({"potential": "l2"}, TypeError),
        ({"potential": Hypentropy(1.0), "normalize": True}, ValueError),
        ({"params": [torch.zeros(2, dtype=torch.complex64, requires_grad=True)]}, TypeError),
        ({"params": [w]}, ValueError),  # torch itself: already in another group
    ):
        with pytest.raises(error):
            optimizer.add_param_group({"params": [parameter(1)], **bad})
        assert len(optimizer.param_groups) == len(groups)
        for group, before in zip(optimizer.param_groups, groups, strict=True):
            assert group.keys() == before.keys()
            assert all(group[key] is before[key] for key in group)
    give(w, 1.0)
    optimizer.step()


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lr": -0.1}, ValueError, r"lr must be finite and >= 0, got -0\.1"),
        ({"lr": math.inf}, ValueError, "lr .* got inf"),
        ({"lr": math.nan}, ValueError, "lr .* got nan"),
        ({"momentum": 1.0}, ValueError, r"momentum must lie in \[0, 1\), got 1\.0"),
        ({"momentum": -0.1}, ValueError, r"momentum .* got -0\.1"),
        ({"momentum": math.nan}, ValueError, "momentum .* got nan"),
        ({"weight_decay": -1.0}, ValueError, r"weight_decay must be .* got -1\.0"),
        ({"weight_decay": math.inf}, ValueError, "weight_decay .* got inf"),
        ({"potential": 2.0}, TypeError, r"a Potential such as LpPotential\(1\.5\), got 2\.0"),
        ({"potential": LpPotential}, TypeError, "got <class"),
        (
            {"potential": Hypentropy(0.5), "normalize": True},
            ValueError,
            r"needs a dual norm: Hypentropy\(beta=0\.5\) .* use normalize=False",
        ),
    ],
)
def test_options_out_of_range(options, error, message):
    with pytest.raises(error, match=message):
        MirrorDescent([parameter(2)], **options)
    with pytest.raises(error, match=message):
        MirrorDescent([{"params": [parameter(2)], **options}])


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64], ids=str)
def test_only_real_parameters(dtype):
    bad = torch.zeros(2, dtype=dtype, requires_grad=dtype.is_complex)
    with pytest.raises(TypeError, match=rf"got {dtype}; .*view_as_real"):
        MirrorDescent([bad])


def test_no_sparse_gradients():
    embedding = nn.Embedding(5, 3, sparse=True)
    optimizer = MirrorDescent(embedding.parameters(), 0.1)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match=r"sparse gradients, got layout torch\.sparse_coo; use"):
        optimizer.step()


def test_a_weight_outside_the_domain_is_refused_at_the_first_step():
    w = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = MirrorDescent([w], 0.1, NegativeEntropy())
    give(w, 1.0)
    with pytest.raises(ValueError, match="nonnegative orthant, got an entry -2"):
        optimizer.step()
    assert w.tolist() == [1, -2]
    with torch.no_grad():
        w.abs_()
    optimizer.step()
    assert w.tolist() == pytest.approx([math.exp(-0.1), 2 * math.exp(-0.1)])


# ---- in a training loop -------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1.1, 1.5, 2.0, 3.0])
def test_it_trains_a_network(p):
    x = torch.randn(64, 5)
    y = (x[:, 0] * x[:, 1] > 0).float()
    model = nn.Sequential(nn.Linear(5, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = MirrorDescent(model.named_parameters(), 0.05, LpPotential(p), momentum=0.9)
    scheduler = CosineAnnealingLR(optimizer, T_max=150)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(map(math.isfinite, losses))


def test_a_refused_step_leaves_every_weight_where_it_was():
    w = torch.nn.Parameter(torch.ones(300_000))  # several pieces
    optimizer = MirrorDescent([w], lr=0.1, potential=NegativeEntropy())
    w.grad = torch.ones_like(w)
    optimizer.step()
    w.data[-1] = -1.0
    before = w.detach().clone()
    with pytest.raises(ValueError, match="got an entry -1"):
        optimizer.step()
    assert torch.equal(w, before)


# ---- what a second pair of eyes found -----------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("p", [1.1, 1.5, 2.0, 3.0])
def test_a_change_of_one_last_digit_is_followed(p, dtype):
    w = torch.nn.Parameter(torch.tensor([1.04, 0.5], dtype=dtype))
    optimizer = MirrorDescent([w], lr=0.0, potential=LpPotential(p))
    w.grad = torch.ones_like(w)
    optimizer.step()
    with torch.no_grad():
        # For float32 eight last digits count as another machine's rounding.
        w[0] *= 1 + (32 if dtype == torch.float32 else 1) * torch.finfo(dtype).eps
    changed = w.detach().clone()
    optimizer.step()
    rounding = 4 * torch.finfo(torch.float32).eps  # the way to the dual and back
    torch.testing.assert_close(w.detach(), changed, rtol=rounding, atol=0)


def test_a_potential_of_the_reader_is_known_again_after_loading():
    w = torch.nn.Parameter(torch.ones(3))
    first, second = (MirrorDescent([w], lr=0.1, potential=HalfSquaredNorm()) for _ in range(2))
    second.load_state_dict(first.state_dict())
    assert repr(second.param_groups[0]["potential"]) == "HalfSquaredNorm()"


def test_a_hook_that_edits_the_state_is_heard():
    w = torch.nn.Parameter(torch.ones(3))
    optimizer = MirrorDescent([w], lr=0.1, momentum=0.9)
    w.grad = torch.ones_like(w)
    optimizer.step()
    state = optimizer.state_dict()

    def forget_momentum(_, state):
        kept = {key: value | {"momentum": torch.zeros(3)} for key, value in state["state"].items()}
        return state | {"state": kept}

    optimizer.register_load_state_dict_pre_hook(forget_momentum)
    optimizer.load_state_dict(state)
    assert torch.equal(optimizer.state[w]["momentum"], torch.zeros(3))


def test_a_refused_parameter_keeps_the_others_where_they_were():
    good = torch.nn.Parameter(torch.ones(2))
    bad = torch.nn.Parameter(torch.tensor([-1.0]))
    optimizer = MirrorDescent([good, bad], lr=0.1, potential=NegativeEntropy())
    good.grad, bad.grad = torch.ones(2), torch.ones(1)
    with pytest.raises(ValueError, match="got an entry -1"):
        optimizer.step()
    assert torch.equal(good, torch.ones(2))


def test_decay_that_would_turn_the_dual_around_is_refused():
    w = torch.nn.Parameter(torch.tensor([0.0, 1.0]))
    optimizer = MirrorDescent([w], lr=0.5, weight_decay=2.0, potential=NegativeEntropy())
    w.grad = torch.zeros(2)
    with pytest.raises(ValueError, match=r"lr \* weight_decay must stay below 1, got 1\.0"):
        optimizer.step()


def test_the_dual_follows_a_model_made_double():
    model = torch.nn.Linear(1, 1, bias=False)
    optimizer = MirrorDescent(model.parameters(), lr=1.0)
    for dtype in (torch.float32, torch.float64):
        model.to(dtype)
        model.weight.grad = torch.full((1, 1), 1e-9, dtype=dtype)
        before = model.weight.item()
        for _ in range(1000):
            optimizer.step()
    assert model.weight.item() == pytest.approx(before - 1e-6, rel=1e-9)


def test_a_dual_norm_for_matrices_only_is_enough():
    class Spectral(HalfSquaredNorm):
        def dual_norm(self, g, dim=None, keepdim=False):
            return torch.linalg.svdvals(g).sum()

    w = torch.nn.Parameter(torch.ones(2, 3))
    MirrorDescent([w], lr=0.1, potential=Spectral(), normalize=True)


def test_a_learning_rate_of_two_numbers_is_refused():
    with pytest.raises(ValueError, match=r"one number, got a tensor of shape \(2,\)"):
        MirrorDescent([torch.nn.Parameter(torch.ones(1))], lr=torch.tensor([0.1, 0.2]))
