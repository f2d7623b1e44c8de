"""Where W and v go on few sentences: against the max-margin problems of the words they select."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.data.text.bags import sentence_problem
from mdlib.data.text.sets import TextData
from mdlib.data.text.vectors import WordVectors
from mdlib.descent.descent import joint_descent
from mdlib.geometry.potentials import directional_divergence
from mdlib.svm import attention_svm, classifier_svm, race_svm

# As long as selection takes to be sharp. Below p = 2 the weights are a power above 1 of the dual,
# above it one below 1: with the same steps they would be astronomic, or small. p = 1.1 is missing:
# of the steps tried, long ones ended in selections without an SVM, short ones did not end.
RATES: dict[float, float | Callable[[int], float]] = {
    1.5: 0.02,
    2.0: 0.1,
    3.0: lambda k: 0.001 * k,
}


def small_problems(
    data: TextData, vectors: WordVectors, n: int, seeds: Sequence[int]
) -> AttentionProblem:
    """Draw n sentences of 6 to 15 known words, no word twice, for each seed; one batch.

    A word that stands twice is two equal tokens, which no W sets apart.

    Raises
    ------
    ValueError
        If there are fewer than n such sentences.
    """
    suitable = []
    for row, text in enumerate(data.texts):
        words = vectors.known(text)
        if 6 <= len(words) <= 15 and len(set(words)) == len(words):
            suitable.append(row)
    if len(suitable) < n:
        raise ValueError(f"only {len(suitable)} sentences are suitable, fewer than n = {n}")
    draws = [
        torch.tensor(suitable)[torch.randperm(len(suitable), generator=_generator(seed))[:n]]
        for seed in seeds
    ]
    rows = torch.cat(draws)
    texts = [data.texts[row] for row in rows.tolist()]
    flat = sentence_problem(texts, 2 * data.labels[rows] - 1, vectors)
    assert flat.mask is not None
    fields = (flat.X, flat.y, flat.z, flat.mask)
    return AttentionProblem(*(field.unflatten(0, (len(draws), n)) for field in fields))


def standing(
    problems: AttentionProblem, p: float, steps: int, others: Sequence[float] = ()
) -> dict[str, list[float]]:
    r"""Train on each problem until it selects, and measure where W and v stand.

    Parameters
    ----------
    problems : AttentionProblem
        A batch, as from `small_problems`.
    p : float
        One of `RATES`.
    steps : int
    others : sequence of float
        Exponents of SVMs to compare with; the control.

    Returns
    -------
    dict from str to list of float
        A value for each problem. ``attention``: the least share on a selected word; ``wrong``:
        training labels not met; ``spare``: the share of inputs that are no support vectors of v;
        directional divergences ``v`` to the l_p-SVM, and ``full``, ``relaxed`` and ``race`` of W to
        its three SVMs (`mdlib.race_svm` says what the race needs); for each
        exponent of others, as in ``cosine 1.5``, the correlation of W with the race SVM of the same
        words in that norm.

    Raises
    ------
    InfeasibleError
        If a problem ended in a selection that has no SVM.
    """
    run = joint_descent(problems, p, steps, RATES[p], record=[steps], progress=False)
    W, v, tokens = run.W[-1], run.v[-1], run.selected
    words = problems.X.take_along_dim(tokens[..., None, None], -2)[..., 0, :]
    decoder = classifier_svm(words, problems.y, p)
    svms = {
        "full": attention_svm(problems, tokens, p),
        "relaxed": attention_svm(problems, tokens, p, required=decoder.support),
        "race": race_svm(problems, tokens, W, v, p),
    }
    measured = {
        "attention": run.attention[-1].amax(-1).amin(-1),
        "wrong": (problems.predict(W, v) * problems.y <= 0).sum(-1),
        "spare": (~decoder.support).double().mean(-1),
        "v": directional_divergence(v, decoder.v, p, dim=-1),
        **{name: directional_divergence(W, svm.W, p) for name, svm in svms.items()},
    }
    for other in others:
        its = svms["race"] if other == p else race_svm(problems, tokens, W, v, other)
        measured[f"cosine {other:g}"] = cosine(W, its.W)
    return {name: value.tolist() for name, value in measured.items()}


def cosine(A: Tensor, B: Tensor) -> Tensor:
    """Return the cosine between matrices, over the last two axes.

    Examples
    --------
    >>> cosine(torch.eye(2), torch.ones(2, 2))
    tensor(0.7071)
    """
    return torch.cosine_similarity(A.flatten(-2), B.flatten(-2), dim=-1)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
