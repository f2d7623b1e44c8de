"""Max-margin problems of the words that W and v select on few sentences, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.data.text.bags import sentence_problem
from mdlib.data.text.labelled import TextData
from mdlib.data.text.vectors import WordVectors
from mdlib.descent.descent import joint_descent
from mdlib.geometry.potentials import directional_divergence
from mdlib.runs.schema import others as keys
from mdlib.svm import attention_svm, classifier_svm, race_svm

# As long as selection takes to be sharp. Below p = 2 the weights are a power above 1 of the dual,
# above it one below 1: with the same steps they would be astronomic, or small. p = 1.1 is missing:
# of the steps tried, long ones ended in selections without an SVM, short ones did not end.
RATES: dict[float, float | Callable[[int], float]] = {
    1.5: 0.02,
    2.0: 0.1,
    3.0: lambda k: 0.001 * k,
}


@dataclass(frozen=True)
class Standing:
    """Where W and v stand on some problems, a number for each.

    Attributes
    ----------
    attention : tuple of float
        The least share on a selected word.
    wrong : tuple of int
        Training labels not met.
    spare : tuple of float
        The share of inputs that are no support vectors of v.
    v : tuple of float
        Directional divergence of v to its l_p-SVM.
    full, relaxed, race : tuple of float
        That of W to its three SVMs; `mdlib.race_svm` says what the race needs.
    cosine : mapping
        By exponent, as in "1.5": the cosine of W with the race SVM of the same words in that norm.
    """

    attention: tuple[float, ...]
    wrong: tuple[int, ...]
    spare: tuple[float, ...]
    v: tuple[float, ...]
    full: tuple[float, ...]
    relaxed: tuple[float, ...]
    race: tuple[float, ...]
    cosine: Mapping[str, tuple[float, ...]] = field(metadata=keys("cosine "))


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
) -> Standing:
    """Train on each problem until it selects, and measure where W and v stand.

    Parameters
    ----------
    problems : AttentionProblem
        A batch, as from `small_problems`.
    p : float
        One of `RATES`.
    steps : int
    others : sequence of float
        Exponents of SVMs to compare with; the control.

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
    races = {
        f"{other:g}": svms["race"] if other == p else race_svm(problems, tokens, W, v, other)
        for other in others
    }
    return Standing(
        attention=_plain(run.attention[-1].amax(-1).amin(-1)),
        wrong=_plain((problems.predict(W, v) * problems.y <= 0).sum(-1)),
        spare=_plain((~decoder.support).double().mean(-1)),
        v=_plain(directional_divergence(v, decoder.v, p, dim=-1)),
        **{name: _plain(directional_divergence(W, svm.W, p)) for name, svm in svms.items()},
        cosine={other: _plain(cosine(W, svm.W)) for other, svm in races.items()},
    )


def cosine(A: Tensor, B: Tensor) -> Tensor:
    """Return the cosine between matrices, over the last two axes.

    Examples
    --------
    >>> cosine(torch.eye(2), torch.ones(2, 2))
    tensor(0.7071)
    """
    return torch.cosine_similarity(A.flatten(-2), B.flatten(-2), dim=-1)


def _plain(values: Tensor) -> tuple[Any, ...]:
    return tuple(values.tolist())


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
