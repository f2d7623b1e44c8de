"""The experiment on sentences: its parts one by one, and all of it on the sentences that ship."""

import json
import math
from dataclasses import replace
from statistics import fmean

import pytest
import torch

import mdlib.studies.sentences as package
from mdlib import AttentionProblem
from mdlib.__main__ import main
from mdlib.data.text.bags import by_length, sentence_problem
from mdlib.data.text.labelled import TextData
from mdlib.data.text.pivot import load_pivot_words
from mdlib.data.text.vectors import WordVectors, word_vectors
from mdlib.files.fetch import UnavailableError
from mdlib.runs.schema import read
from mdlib.studies.sentences import QUICK, Findings, Plan, recorded, studies
from mdlib.studies.sentences.inspection import BASELINE, as_problem
from mdlib.studies.sentences.margins import small_problems, standing
from mdlib.studies.sentences.run import correct, mean_word, train
from mdlib.studies.sentences.studies import draw, tune
from mdlib.studies.sentences.words import hide, one_word, other_tokens


@pytest.fixture(scope="module")
def sentences():
    return [s for s in load_pivot_words() if s.pair < 30]


@pytest.fixture(scope="module")
def vectors():
    return word_vectors([s.text for s in load_pivot_words()], dim=16, window=2, min_count=1)


@pytest.fixture(scope="module")
def problem(sentences, vectors):
    return sentence_problem([s.text for s in sentences], [s.label for s in sentences], vectors)


# -- training ---------------------------------------------------------------------------------


def test_cutting_by_length_does_not_change_what_is_learnt(problem):
    whole = train([problem], p=2, lr=0.5, steps=20)
    parts = train(by_length(problem, 5), p=2, lr=0.5, steps=20)
    torch.testing.assert_close(parts, whole)
    assert whole.W.abs().max() > 0.1


@pytest.mark.parametrize(("p", "lr"), [(1.1, 0.1), (1.5, 0.3), (2, 0.5), (3, 1.0)])
def test_training_lowers_the_loss_in_either_precision(problem, p, lr):
    single = AttentionProblem(problem.X.float(), problem.y, problem.z, problem.mask)
    for data in (problem, single):
        model = train([data], p, lr, steps=60)
        assert model.W.dtype == data.X.dtype
        assert data.risk(*model) < 0.999 * math.log(2)


@pytest.mark.parametrize(("lr", "steps"), [(0.0, 5), (-1.0, 5), (0.1, 0)])
def test_what_does_not_train_is_refused(problem, lr, steps):
    with pytest.raises(ValueError, match="lr must be positive and steps at least 1, got"):
        train([problem], 2, lr, steps)


# -- the baseline -----------------------------------------------------------------------------


def test_the_baseline_is_the_model_at_w_0_where_its_loss_has_no_slope(problem):
    model = mean_word(problem, C=1e6)
    assert not model.W.any()
    torch.testing.assert_close(problem.predict(*model), problem.z @ model.v)
    slopes = torch.sigmoid(-problem.y * (problem.z @ model.v)) * problem.y
    assert (slopes @ problem.z / len(slopes)).abs().max() < 1e-3


# -- tuning -----------------------------------------------------------------------------------


def test_tuning_tries_all_and_sorts_by_the_validation_loss(sentences, vectors):
    data = text_data(sentences)
    plan = replace(
        QUICK,
        phrases=len(data),
        rates=((2.0, (1e-4, 0.3)),),
        steps=(5, 30),
        penalties=(0.1, 1000.0, 10.0),
    )
    validation = as_problem(data, vectors)
    tuning = tune(plan, data, vectors, validation)
    assert {(one.lr, one.steps) for one in tuning.by_p["2"]} == {
        (lr, steps) for lr in (1e-4, 0.3) for steps in (5, 30)
    }
    for tried in (tuning.by_p["2"], tuning.baseline):
        assert list(tried) == sorted(tried, key=lambda one: one.loss)
    drawn = as_problem(draw(data, vectors, len(data), plan.tuning_seed), vectors)
    best = tuning.by_p["2"][0]
    again = validation.risk(*train([drawn], 2, best.lr, best.steps))
    assert best.loss == pytest.approx(again.item(), rel=1e-5)
    assert [one.C for one in tuning.baseline] == [1000, 10, 0.1]  # these are its own
    model = mean_word(drawn, C=1000.0)
    margins = validation.z @ model.v * validation.y
    logistic = torch.nn.functional.softplus(-margins).mean().item()
    assert tuning.baseline[0].loss == pytest.approx(logistic, rel=1e-5)


# -- words ------------------------------------------------------------------------------------


def test_hiding_gives_the_rest_the_attention(problem, seed):
    W = torch.randn(16, 16, generator=torch.Generator().manual_seed(seed)).double()
    before = problem.attention(W)
    top = before.argmax(-1)
    after = hide(problem, top).attention(W)
    left = before.scatter(-1, top[:, None], 0.0)
    torch.testing.assert_close(after, left / left.sum(-1, keepdim=True))


def test_the_only_word_cannot_be_hidden():
    one = AttentionProblem(torch.eye(2)[:, None], [1, -1], torch.eye(2))
    with pytest.raises(ValueError, match="no real token"):
        hide(one, torch.tensor([0, 0]))


def test_another_word_is_real_and_another(problem):
    top = problem.attention(torch.eye(16)).argmax(-1)
    drawn = torch.stack([other_tokens(problem, top, seed) for seed in range(60)])
    assert not (drawn == top).any()
    assert problem.mask.expand(60, -1, -1).gather(-1, drawn[..., None]).all()
    reached = torch.zeros_like(problem.mask).scatter(-1, drawn.T, True)
    short = problem.mask.sum(-1) <= 8  # in sixty draws each of its other words comes up
    assert short.any()
    assert (reached.sum(-1) == problem.mask.sum(-1) - 1)[short].all()


def test_one_word_speaks_for_itself(problem, seed):
    v = torch.randn(16, generator=torch.Generator().manual_seed(seed)).double()
    model = mean_word(problem, 1.0)._replace(v=v)
    best, worst = problem.scores(v).argmax(-1), problem.scores(v).nan_to_num(neginf=9e9).argmin(-1)
    assert one_word(problem, model, best).double().mean() > 0.9
    assert one_word(problem, model, worst).double().mean() < 0.1


# -- margins ----------------------------------------------------------------------------------


def text_data(sentences):
    labels = torch.tensor([(s.label + 1) // 2 for s in sentences])
    return TextData("pivot", tuple(s.text for s in sentences), labels, run=5)


def test_small_problems_have_no_word_twice(vectors):
    problems = small_problems(text_data(load_pivot_words()), vectors, n=7, seeds=(1, 2, 3))
    assert problems.X.shape[:2] == (3, 7)
    alike = torch.einsum("bntd,bnsd->bnts", problems.X, problems.X) > 1 - 1e-9
    assert torch.equal(alike.sum((-1, -2)), problems.mask.sum(-1))
    assert not torch.equal(problems.X[0], problems.X[1])


def test_too_few_suitable_sentences_are_counted(vectors, sentences):
    with pytest.raises(ValueError, match=r"only \d+ sentences are suitable, fewer than n = 999"):
        small_problems(text_data(sentences), vectors, n=999, seeds=(1,))


def test_w_stands_nearest_to_the_race_svm_of_its_own_norm():
    problems, _ = AttentionProblem.random(n=6, T=8, d=10, seed=range(1, 6))
    found = standing(problems, 2.0, 3000, others=(1.5, 2.0, 3.0))
    values = vars(found) | {f"cosine {p}": cosines for p, cosines in found.cosine.items()}
    middle = {name: sorted(each)[2] for name, each in values.items() if name != "cosine"}
    assert middle["wrong"] == 0
    assert middle["attention"] > 0.99
    assert 3 * middle["race"] < min(middle["full"], middle["relaxed"])
    assert middle["v"] < 1e-3
    assert middle["cosine 2"] > max(middle["cosine 1.5"], middle["cosine 3"])
    assert middle["cosine 2"] > 0.99


# -- all of it --------------------------------------------------------------------------------


@pytest.fixture
def shipped(monkeypatch):
    """The data sets replaced by the sentences that ship with the project."""
    parts = text_data(load_pivot_words()).split(0.3)
    test, dev = parts[1][range(0, 60)], parts[1][range(60, len(parts[1]))]
    monkeypatch.setattr(studies, "load_imdb", lambda: (text_data(load_pivot_words()), None))
    monkeypatch.setattr(studies, "load_sst2", lambda exclude_shared: (parts[0], dev, test))
    return replace(QUICK, min_count=1, phrases=100, small_steps=500)


def test_the_command_records_everything(shipped, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(package, "QUICK", shipped)
    path = tmp_path / "sentences.json"
    assert main(["study", "sentences", "--quick", "--record", str(path)]) == 0
    result = read(Findings, json.loads(path.read_text(encoding="utf-8")))
    assert capsys.readouterr().out == ""
    assert result.provenance.command.endswith(f"--quick --record {path}")
    assert result.plan == shipped
    for name, values in result.accuracy.items():
        assert len(values) == len(shipped.seeds), name
    assert result.counts.test == 60
    assert set(result.seconds) == set(recorded().seconds)


def test_without_the_data_it_says_so(monkeypatch, capsys):
    def nowhere():
        raise UnavailableError("imdb/train.jsonl.gz: nowhere")

    monkeypatch.setattr(studies, "load_imdb", nowhere)
    assert main(["study", "sentences", "--quick"]) == 2
    assert "imdb/train.jsonl.gz: nowhere" in capsys.readouterr().err


def test_draws_differ_by_seed_and_leave_out_what_is_unknown():
    vectors = WordVectors(("so", "good"), torch.eye(2))
    data = TextData("ten", ("so", "good", "x", "so good", "y"), torch.tensor([0, 1, 0, 1, 0]), 5)
    assert sorted(draw(data, vectors, 3, seed=0).texts) == ["good", "so", "so good"]
    assert len({draw(data, vectors, 3, seed=s).texts for s in range(20)}) > 1
    with pytest.raises(ValueError, match="only 3 texts have a known word, fewer than 4"):
        draw(data, vectors, 4, seed=0)


# -- what is recorded -------------------------------------------------------------------------


def test_the_record_is_of_the_plan_and_agrees_with_itself():
    result = recorded()
    assert result.plan == Plan()
    assert not result.provenance.commit.endswith("dirty")
    accuracy = {name: 100 * fmean(values) for name, values in result.accuracy.items()}
    for p, difference in result.over_baseline.items():
        assert difference.points == pytest.approx(accuracy[p] - accuracy[BASELINE], abs=2e-3)
    for tried in (*result.tuning.by_p.values(), result.tuning.baseline):
        assert list(tried) == sorted(tried, key=lambda one: one.loss)
    for sentence in result.examples:
        for p, weights in sentence.attention.items():
            assert sum(weights) == pytest.approx(1, abs=1e-3), p


def test_a_model_and_its_data_agree_on_what_is_correct(problem):
    model = train([problem], 2, 0.5, 30)
    share = correct(problem, model).double().mean()
    assert share == (problem.predict(*model).sign() == problem.y).double().mean()
    assert 0.5 <= share <= 1
