"""AttentionProblem: the model as the formula writes it, and its gradient where formulas cancel."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlib import AttentionProblem
from mdlib.attention import LOSSES
from tests.support.problems import draw

every_loss = pytest.mark.parametrize("loss", LOSSES)


# ---- the model ----------------------------------------------------------------------------------


def test_an_index_chooses_problems_of_a_batch():
    batch, W, v = draw(3, 2, masked=True)
    last = batch[-1]
    assert last.X.shape == batch.X.shape[1:]
    torch.testing.assert_close(last.attention(W[-1]), batch.attention(W)[-1])
    chosen = batch[torch.tensor([True, False, True])]
    torch.testing.assert_close(chosen.risk(W[::2], v[::2]), batch.risk(W, v)[::2])
    with pytest.raises(TypeError, match="is a single problem"):
        last[0][0]


def test_every_method_is_the_formula_of_one_input():
    problem, W, v = draw()
    for i, (X, y, z) in enumerate(zip(problem.X, problem.y, problem.z, strict=True)):
        scores, logits = y * (X @ v), X @ W @ z
        attention = logits.exp() / logits.exp().sum()
        torch.testing.assert_close(problem.scores(v)[i], scores)
        torch.testing.assert_close(problem.logits(W)[i], logits)
        torch.testing.assert_close(problem.attention(W)[i], attention)
        torch.testing.assert_close(problem.predict(W, v)[i], v @ X.mT @ attention)
        assert problem.optimal_tokens(v)[i] == scores.argmax()


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        ("logistic", lambda u: math.log1p(math.exp(-u))),
        ("exponential", lambda u: math.exp(-u)),
        ("linear", lambda u: -u),
    ],
)
def test_risk_is_the_mean_loss_and_lies_between_the_best_and_the_worst_token(loss, formula):
    problem, W, v = draw()
    margins = (problem.y * problem.predict(W, v)).tolist()
    assert problem.risk(W, v, loss).item() == pytest.approx(sum(map(formula, margins)) / 4)
    scores = problem.scores(v)
    best, worst = scores.amax(-1).tolist(), scores.amin(-1).tolist()
    low, high = sum(map(formula, best)) / 4, sum(map(formula, worst)) / 4
    for scale in (0, 1, 10, 1000):
        risk = problem.risk(scale * W, v, loss).item()
        assert low * (1 - 1e-15) <= risk + 1e-12
        assert risk <= high + 1e-12


@given(seed=st.integers(0, 2**32), scale=st.sampled_from([0.0, 1.0, 10.0, 300.0]))
def test_margins_are_log_ratios_of_attention(seed, scale):
    torch.manual_seed(seed)
    problem, W, v = draw(masked=True, W_scale=scale)
    tokens = problem.optimal_tokens(v)
    margins, log_s = problem.margins(W, tokens), problem.logits(W).log_softmax(-1)
    chosen = log_s.gather(-1, tokens[:, None])
    others = torch.ones_like(problem.mask).scatter(-1, tokens[:, None], False) & problem.mask
    expected = (chosen - log_s)[others]
    torch.testing.assert_close(margins[others], expected, rtol=1e-9, atol=1e-10)
    assert (margins[~others] == math.inf).all()  # no constraint: the token itself, and padding


def test_ties_choose_the_first_token():
    X = torch.ones(1, 3, 2).double()
    problem = AttentionProblem(X, [1], [[1.0, 1.0]])
    assert problem.optimal_tokens(torch.ones(2).double()).tolist() == [0]
    assert problem.margins(torch.eye(2).double(), [1]).tolist() == [[0, math.inf, 0]]


def test_optimal_tokens_are_those_of_the_label():
    X = torch.tensor([[[1.0], [-1.0]], [[1.0], [-1.0]]])
    problem = AttentionProblem(X, [1, -1], torch.ones(2, 1))
    assert problem.optimal_tokens(torch.tensor([2.0])).tolist() == [0, 1]


# ---- batches and masks --------------------------------------------------------------------------


def everything(problem, W, v, loss="logistic"):
    tokens = problem.optimal_tokens(v)
    direction, log_scale = problem.scaled_gradient(W, v, loss)
    return {
        "scores": problem.scores(v),
        "optimal_tokens": tokens,
        "logits": problem.logits(W),
        "attention": problem.attention(W),
        "predict": problem.predict(W, v),
        "margins": problem.margins(W, tokens),
        "risk": problem.risk(W, v, loss),
        "gradient": problem.gradient(W, v, loss),
        "direction": direction,
        "log_scale": log_scale,
    }


@every_loss
@pytest.mark.parametrize("masked", [False, True])
def test_a_batch_is_the_loop_over_its_problems(loss, masked):
    problem, W, v = draw(2, 3, masked=masked)
    batched = everything(problem, W, v, loss)
    shapes = {"scores": (4, 5), "optimal_tokens": (4,), "logits": (4, 5), "attention": (4, 5)}
    shapes |= {"predict": (4,), "margins": (4, 5), "risk": (), "gradient": (3, 3)}
    for index in [(i, j) for i in range(2) for j in range(3)]:
        mask = problem.mask[index] if masked else None
        one = AttentionProblem(problem.X[index], problem.y[index], problem.z[index], mask)
        for name, value in everything(one, W[index], v[index], loss).items():
            torch.testing.assert_close(batched[name][index], value, rtol=1e-12, atol=1e-14)
            assert value.shape == shapes.get(name, value.shape)


def test_one_row_holds_the_problems_of_all_axes():
    problem, W, v = draw(2, 1, masked=True)
    row = problem.in_one_row((2, 3))
    expected = problem.risk(W.expand(2, 3, 3, 3), v).flatten()
    assert torch.equal(
        row.risk(W.expand(2, 3, 3, 3).reshape(6, 3, 3), v.expand(2, 3, 3).reshape(6, 3)), expected
    )
    assert torch.equal(row.mask, problem.mask.expand(2, 3, 4, 5).reshape(6, 4, 5))


@pytest.mark.parametrize("masked", [False, True])
def test_float64_on_request(masked):
    problem, _, _ = draw(2, masked=masked)
    coarse = AttentionProblem(problem.X.float(), problem.y, problem.z, problem.mask)
    fine = coarse.double()
    assert torch.equal(fine.X, coarse.X.double())
    assert {fine.X.dtype, fine.y.dtype, fine.z.dtype} == {torch.float64}
    assert fine.mask is coarse.mask or torch.equal(fine.mask, coarse.mask)


@every_loss
def test_the_risk_of_given_attention(loss):
    """Of full attention to one token: the mean loss of its scores."""
    problem, W, v = draw()
    tokens = torch.randint(0, 5, (4,))
    full = torch.nn.functional.one_hot(tokens, 5).double()
    scores = problem.scores(v).gather(-1, tokens[:, None])[:, 0]
    expected = LOSSES[loss].value(scores).mean()
    torch.testing.assert_close(problem.risk_of(full, v, loss), expected)
    assert torch.equal(problem.risk_of(problem.attention(W), v, loss), problem.risk(W, v, loss))


def test_weights_broadcast_against_problems():
    problem, _, v = draw(4)
    W = torch.randn(7, 1, 3, 3).double()
    assert problem.attention(W).shape == (7, 4, 4, 5)
    assert problem.gradient(W, v).shape == (7, 4, 3, 3)
    assert problem.gradient(W, v[0]).shape == (7, 4, 3, 3)
    assert problem.margins(W, problem.optimal_tokens(v)).shape == (7, 4, 4, 5)
    torch.testing.assert_close(problem.gradient(W, v)[3, 2], problem.gradient(W[3, 0], v)[2])
    single, _, v = draw()
    assert single.risk(torch.zeros(7, 3, 3).double(), v).shape == (7,)
    assert single.gradient(torch.zeros(3, 3).double(), v.expand(6, 3)).shape == (6, 3, 3)


@every_loss
@pytest.mark.parametrize("padding", [math.nan, math.inf, 1e300, 0.0])
def test_a_mask_is_dropping_the_padded_tokens(loss, padding):
    problem, W, v = draw(masked=True)
    mask = problem.mask
    X = torch.where(mask[..., None], problem.X, padding)
    masked = AttentionProblem(X, problem.y, problem.z, mask)
    found = everything(masked, W, v, loss)
    gradients, risks = [], []
    for i, keep in enumerate(mask):
        short = AttentionProblem(X[i : i + 1, keep], problem.y[i : i + 1], problem.z[i : i + 1])
        expected = everything(short, W, v, loss)
        for name in ("scores", "logits", "attention", "margins"):
            torch.testing.assert_close(found[name][i, keep], expected[name][0])
        for name, hidden in {"scores": -math.inf, "logits": -math.inf, "attention": 0}.items():
            assert (found[name][i, ~keep] == hidden).all()
        torch.testing.assert_close(found["predict"][i], expected["predict"][0])
        real = keep.nonzero()[:, 0]
        assert found["optimal_tokens"][i] == real[expected["optimal_tokens"][0]]
        gradients.append(expected["gradient"]), risks.append(expected["risk"])
    torch.testing.assert_close(found["gradient"], torch.stack(gradients).mean(0))
    torch.testing.assert_close(found["risk"], torch.stack(risks).mean())


# ---- the gradient -------------------------------------------------------------------------------


def test_float32_stays_float32():
    problem, v = AttentionProblem.random(3, 4, 2, seed=0)
    problem = AttentionProblem(problem.X.float(), problem.y, problem.z)
    for W, decoder in ((torch.randn(2, 2), v.float()), (torch.randn(2, 2).double(), v)):
        for value in everything(problem, W, decoder).values():
            assert value.dtype in (torch.float32, torch.int64)


# ---- construction -------------------------------------------------------------------------------


def paper_generator(n, T, d, seed):
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(d, generator=generator)
    y = torch.randn(n, generator=generator).sign()
    X = torch.randn(n, T, d, generator=generator)
    z = torch.randn(n, d, generator=generator)
    unit = (x / x.square().sum(-1, keepdim=True).sqrt() for x in (X, z, v))
    return y.double(), *(x.double() for x in unit)


@pytest.mark.parametrize("seed", [1, 2, 100])
def test_random_is_the_paper_s_generator_draw_by_draw(seed):
    problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=seed)
    y, X, z, decoder = paper_generator(6, 8, 10, seed)
    assert torch.equal(problem.y, y)
    for drawn, expected in ((problem.X, X), (problem.z, z), (v, decoder)):
        torch.testing.assert_close(drawn, expected, rtol=3e-7, atol=0)  # an ulp of float32
        assert drawn.dtype == torch.float64


def test_a_sequence_of_seeds_is_a_batch():
    batch, vs = AttentionProblem.random(n=3, T=4, d=2, seed=[5, 7])
    stacked = (batch.X, batch.y, batch.z, vs)
    for i, seed in enumerate((5, 7)):
        problem, v = AttentionProblem.random(n=3, T=4, d=2, seed=seed)
        for many, one in zip(stacked, (problem.X, problem.y, problem.z, v), strict=True):
            assert torch.equal(many[i], one)
    assert repr(batch) == "AttentionProblem(batch=(2,), n=3, T=4, d=2)"
    assert repr(problem) == "AttentionProblem(n=3, T=4, d=2)"


def test_lists_and_arrays_are_welcome():
    listed = AttentionProblem([[[1.0, 2.0]]], [1], [[3, 4]], [[True]])
    assert listed.X.dtype == listed.y.dtype == listed.z.dtype == torch.float64
    array = AttentionProblem(torch.tensor([[[1.0, 2.0]]]).numpy(), [1], [[3, 4]])
    assert array.X.dtype == array.z.dtype == torch.float32


X, Y, Z = torch.ones(2, 3, 4), torch.ones(2), torch.ones(2, 4)
MASK = torch.ones(2, 3, dtype=torch.bool)


def with_entry(tensor, index, value):
    tensor = tensor.clone()
    tensor[index] = value
    return tensor


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X.long(), Y, Z), TypeError, r"X must be real floating point, got torch\.int64"),
        ((X.cfloat(), Y, Z), TypeError, r"got torch\.complex64"),
        ((X[0], Y, Z), ValueError, r"X must have shape \(\.\.\., n, T, d\), none 0; got \(3, 4\)"),
        ((X, Y[:1], Z), ValueError, r"\(2, 3, 4\) needs y of shape \(2,\), got \(1,\)"),
        ((X, Y[:, None], Z), ValueError, r"needs y of shape \(2,\), got \(2, 1\)"),
        ((X, Y, Z[:, :3]), ValueError, r"needs z of shape \(2, 4\), got \(2, 3\)"),
        ((X, Y, Z[0]), ValueError, r"needs z of shape \(2, 4\), got \(4,\)"),
        ((X, Y, Z, MASK[:, :2]), ValueError, r"needs mask of shape \(2, 3\), got \(2, 2\)"),
        ((X, Y, Z, MASK.long()), TypeError, r"mask must be boolean, got torch\.int64"),
        ((X, torch.tensor([1, 0]), Z), ValueError, r"input 1 has a label other .* \(0\)"),
        ((X, torch.tensor([0.5, 1]), Z), ValueError, r"input 0 has a label .* \(0\.5\)"),
        ((X, Y * math.nan, Z), ValueError, r"input 0 has a label .* \(nan\)"),
        ((with_entry(X, (1, 2, 3), math.nan), Y, Z), ValueError, "input 1 has a token that is not"),
        ((with_entry(X, (0, 2, 3), math.inf), Y, Z), ValueError, "input 0 has a token that is not"),
        ((X, Y, with_entry(Z, (1, 0), math.nan)), ValueError, "input 1 has a query that is not"),
        ((X, Y, Z, with_entry(MASK, 1, False)), ValueError, "input 1 has no real token"),
        (
            (with_entry(X, (1, 2, 3), math.nan)[None], Y[None], Z[None]),
            ValueError,
            r"input \(0, 1\) has a token",
        ),
    ],
)
def test_bad_problems_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        AttentionProblem(*arguments)


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        ([0, 3], ValueError, r"tokens must lie in 0\.\.2, got \[0, 3\]"),
        ([-1, 0], ValueError, r"tokens must lie in 0\.\.2, got \[-1, 0\]"),
        ([0.0, 1.0], TypeError, r"tokens must be integer indices, got torch\.float32"),
        ([True, False], TypeError, r"got torch\.bool"),
    ],
)
def test_bad_tokens_are_refused(tokens, error, message):
    with pytest.raises(error, match=message):
        AttentionProblem(X, Y, Z).margins(torch.eye(4), torch.tensor(tokens))


@pytest.mark.parametrize("tokens", [[0], [0, 1, 2], 0])
def test_one_token_is_chosen_for_each_input(tokens):
    with pytest.raises(ValueError, match=r"tokens must have shape \(\.\.\., 2\), got \("):
        AttentionProblem(X, Y, Z).margins(torch.eye(4), torch.tensor(tokens))


@pytest.mark.parametrize(("batch", "where"), [((), r"\(1,\)"), ((3,), r"\(0, 1\)")])
def test_padding_cannot_be_chosen(batch, where):
    problem = AttentionProblem(X, Y, Z, with_entry(MASK, (1, 2), False))
    tokens = torch.tensor([2, 2]).expand(*batch, 2)
    with pytest.raises(ValueError, match=rf"input {where} has a padding token chosen"):
        problem.margins(torch.eye(4), tokens)
    assert problem.margins(torch.eye(4), torch.tensor([2, 1])).shape == (2, 3)


def test_many_choices_of_tokens_are_one_batch():
    problem, W, _ = draw()
    choices = torch.randint(0, 5, (7, 4))
    rows = torch.stack([problem.margins(W, tokens) for tokens in choices])
    assert torch.equal(problem.margins(W, choices), rows)


@pytest.mark.parametrize("method", ["risk", "gradient", "scaled_gradient"])
def test_an_unknown_loss_is_refused(method):
    problem = AttentionProblem(X, Y, Z)
    with pytest.raises(ValueError, match="one of logistic, exponential, linear; got 'hinge'"):
        getattr(problem, method)(torch.eye(4), torch.ones(4), "hinge")


@pytest.mark.parametrize(
    ("W", "v", "message"),
    [
        (torch.zeros(3, 3), torch.zeros(2), r"W must be real, of shape \(\.\.\., 2, 2\)"),
        (torch.zeros(2, 2), torch.zeros(3), r"v must be real, of shape \(\.\.\., 2\); .* \(3,\)"),
        (torch.zeros(2, 2).cfloat(), torch.zeros(2), r"W must be real.* torch\.complex64"),
    ],
)
def test_weights_of_another_kind_are_refused(W, v, message):
    problem, _ = AttentionProblem.random(3, 4, 2, seed=np.int64(0))
    with pytest.raises(ValueError, match=message):
        problem.risk(W, v)


@pytest.mark.parametrize("shape", [(0, 4, 2), (3, 0, 2), (3, 4, 0)])
def test_a_problem_of_nothing_is_refused(shape):
    n, _, d = shape
    with pytest.raises(ValueError, match="none 0"):
        AttentionProblem(torch.zeros(shape), torch.ones(n), torch.zeros(n, d))
