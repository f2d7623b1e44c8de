"""Sentences as attention problems: a bag of word vectors, with their mean as the query."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mdlib.attention.problem import AttentionProblem
from mdlib.data.text.checks import checked_texts
from mdlib.data.text.vectors import WordVectors


def sentence_problem(
    texts: Sequence[str],
    labels: Sequence[int] | Tensor,
    vectors: WordVectors,
    dtype: torch.dtype = torch.float64,
) -> AttentionProblem:
    r"""Turn sentences into the tokens that a one-layer attention model chooses from.

    Token t of sentence i is the vector of its t-th known word, :math:`X_{it}`, and the query is
    their mean, :math:`z_i = \frac{1}{T_i} \sum_t X_{it}`. The order of the words is lost: W = 0
    reads the mean word, and nothing the model can learn depends on more than the bag.

    Parameters
    ----------
    texts : sequence of str
        n of them; ``vectors.known(text)`` names the word of each token.
    labels : sequence of int (n,)
        -1 or +1.
    vectors : WordVectors
        Words without a vector are left out.

    Returns
    -------
    AttentionProblem
        n inputs, as many tokens as the longest has known words, and a mask.

    Raises
    ------
    TypeError, ValueError
        If these are no texts, named.
    ValueError
        If a text has no known word, if there are no texts, or for another label.

    Examples
    --------
    >>> vectors = WordVectors(("so", "good", "bad"), torch.eye(3))
    >>> problem = sentence_problem(["So good!", "bad"], [1, -1], vectors)
    >>> problem.mask
    tensor([[ True,  True],
            [ True, False]])
    >>> problem.z[0]
    tensor([0.5000, 0.5000, 0.0000], dtype=torch.float64)
    """
    texts = checked_texts(texts)
    if not texts:
        raise ValueError("there are no texts; give one at least")
    rows = [torch.tensor([vectors.rows[w] for w in vectors.known(text)]) for text in texts]
    for text, row in zip(texts, rows, strict=True):
        if not len(row):
            raise ValueError(f"no word of {text!r} has a vector: leave it out, or train on more")
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = pad_sequence(rows, batch_first=True)
    X = torch.where(mask[..., None], vectors.vectors.to(dtype)[padded], 0.0)
    return AttentionProblem(X, torch.as_tensor(labels), X.sum(1) / lengths[:, None], mask)


def by_length(problem: AttentionProblem, count: int) -> list[AttentionProblem]:
    """Cut a problem into parts of inputs of about the same length, so that little is padding.

    The risk of the whole is the mean of the parts' risks, weighted by their numbers of inputs.

    Parameters
    ----------
    problem : AttentionProblem
        A single one, not a batch, with a mask that ends each input with its padding.
    count : int
        Of parts; fewer if there are fewer inputs.

    Examples
    --------
    >>> vectors = WordVectors(("so", "good"), torch.eye(2))
    >>> problem = sentence_problem(["so good so", "so", "good"], [1, 1, -1], vectors)
    >>> by_length(problem, 2)
    [AttentionProblem(n=2, T=1, d=2), AttentionProblem(n=1, T=3, d=2)]
    """
    assert problem.mask is not None
    lengths = problem.mask.sum(-1)
    order = lengths.argsort(stable=True)
    parts = []
    for rows in order.tensor_split(min(count, len(order))):
        T = int(lengths[rows].max())
        fields = (problem.X[rows, :T], problem.y[rows], problem.z[rows], problem.mask[rows, :T])
        parts.append(AttentionProblem(*fields))
    return parts
