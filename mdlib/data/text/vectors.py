r"""Word vectors from counts alone: positive pointwise mutual information and a truncated SVD.

Two words are alike if they keep the same company. With :math:`\#(w, c)` the number of times that
c stands within a window of w, the shifted PPMI of Levy, Goldberg and Dagan (2015) is

.. math::
    M_{wc} = \max\Bigl(0,\; \log \frac{\#(w, c)\, \sum_{c'} \#(c')^\alpha}{\#(w)\, \#(c)^\alpha}
             - \log k\Bigr),

with contexts smoothed by alpha = 0.75, so that rare ones weigh less. If :math:`U_d \Sigma_d V_d^T`
is the best approximation of M of rank d, the vectors are the rows of :math:`U_d \Sigma_d^{1/2}`,
each divided by its length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from mdlib.data.text.checks import checked_texts
from mdlib.data.text.tokenizer import split_words


@dataclass(frozen=True, repr=False, eq=False)
class WordVectors:
    """Words and a vector for each.

    Attributes
    ----------
    words : tuple of str
        From the most frequent to the rarest.
    vectors : float64 tensor (number of words, d)
        Of length 1.

    Examples
    --------
    >>> texts = ["red wine or white wine", "red tea or white tea", "we drink tea", "we drink wine"]
    >>> learned = word_vectors(texts, dim=3, window=2, min_count=2)
    >>> learned
    WordVectors(7 words, d=3)
    >>> learned["wine"].shape, "soup" in learned
    (torch.Size([3]), False)
    >>> learned.neighbours("wine", 1)
    ['tea']
    """

    words: tuple[str, ...]
    vectors: Tensor
    rows: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", {word: row for row, word in enumerate(self.words)})
        if len(self.rows) != len(self.vectors):
            raise ValueError(
                f"need one vector for each word and each word once, got {len(self.vectors)} "
                f"vectors and {len(self.rows)} different words"
            )

    def __repr__(self) -> str:
        return f"WordVectors({len(self.words)} words, d={self.vectors.shape[1]})"

    def __contains__(self, word: object) -> bool:
        return word in self.rows

    def __getitem__(self, word: str) -> Tensor:
        """Return the vector of a word; KeyError if it has none."""
        if word not in self.rows:
            raise KeyError(f"{word!r} has no vector; ask with `in` first")
        return self.vectors[self.rows[word]]

    def known(self, text: str) -> list[str]:
        """Return the words of a text that have a vector, in order.

        Examples
        --------
        >>> WordVectors(("so", "good"), torch.eye(2)).known("So good, so far!")
        ['so', 'good', 'so']
        """
        return [word for word in split_words(text) if word in self.rows]

    def neighbours(self, word: str, count: int = 5) -> list[str]:
        """Return the words whose vectors have the smallest angle with the word's, nearest first."""
        closeness = self.vectors @ self[word]
        nearest = closeness.argsort(descending=True, stable=True).tolist()
        return [self.words[row] for row in nearest if self.words[row] != word][:count]


def word_vectors(
    texts: Iterable[str],
    dim: int = 64,
    window: int = 5,
    min_count: int = 20,
    shift: float = 1.0,
    smoothing: float = 0.75,
    seed: int = 0,
) -> WordVectors:
    r"""Train a vector for each word that is frequent enough.

    Parameters
    ----------
    texts : iterable of str
        Words as in `mdlib.data.text.tokenizer`; no window reaches from one text into another.
    dim : int
        Entries d of a vector.
    window : int
        Words to the left and to the right that count as company, all alike.
    min_count : int
        How often a word must occur. Rarer ones get no vector and keep no company, but hold their
        places. Nor does a word that the d dimensions do not reach.
    shift : float
        The k of the formula above, at least 1: the larger, the more pairs count as unrelated.
    smoothing : float
        The alpha of the formula, in (0, 1]; 1 is the plain PPMI.
    seed : int
        Of the randomised SVD, which the texts alone nearly determine.

    Returns
    -------
    WordVectors

    Raises
    ------
    TypeError, ValueError
        If these are no texts, named.
    ValueError
        For options out of range, or if fewer than dim words keep company with another.

    Examples
    --------
    >>> texts = ["a good film", "a good book", "a bad film", "a bad book"]
    >>> word_vectors(texts, dim=2, window=2, min_count=2).words
    ('a', 'bad', 'book', 'film', 'good')
    """
    for name, value, right in (
        ("dim", dim, dim >= 1),
        ("window", window, window >= 1),
        ("min_count", min_count, min_count >= 1),
        ("shift, at least 1,", shift, shift >= 1),
        ("smoothing, in (0, 1],", smoothing, 0 < smoothing <= 1),
    ):
        if not right:
            raise ValueError(f"{name} is out of range: {value}")
    words, ids, text_of = _frequent_words(checked_texts(texts), min_count)
    information = _ppmi(_company(ids, text_of, len(words), window), shift, smoothing)
    company = np.flatnonzero(np.diff(information.indptr))
    if len(company) < dim:
        raise ValueError(
            f"dim={dim} needs as many words with company, got {len(company)}: take fewer "
            f"dimensions, more texts or a smaller min_count (here {min_count})"
        )
    vectors, reached = _truncated_svd(information[company], dim, seed)
    return WordVectors(tuple(words[row] for row in company[reached]), torch.from_numpy(vectors))


def _frequent_words(
    texts: Iterable[str], min_count: int
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The words kept; the texts' words, end to end, as rows of them, -1 where rare; whose text."""
    number: dict[str, int] = defaultdict(lambda: len(number))
    numbers = [[number[word] for word in split_words(text)] for text in texts]
    flat = np.fromiter((i for text in numbers for i in text), np.int64)
    text_of = np.repeat(np.arange(len(numbers)), [len(text) for text in numbers])
    counts, spelled = np.bincount(flat, minlength=len(number)), list(number)
    kept = [i for i in range(len(spelled)) if counts[i] >= min_count]
    kept.sort(key=lambda i: (-counts[i], spelled[i]))
    row = np.full(len(number), -1)
    row[kept] = np.arange(len(kept))
    return [spelled[i] for i in kept], row[flat], text_of


def _company(ids: np.ndarray, text_of: np.ndarray, size: int, window: int) -> sparse.csr_array:
    """#(w, c) for all pairs: how often c stands within the window of w, on either side."""
    count = sparse.csr_array((size, size), dtype=np.float64)
    for distance in range(1, window + 1):
        left, right = ids[:-distance], ids[distance:]
        pair = (left >= 0) & (right >= 0) & (text_of[:-distance] == text_of[distance:])
        ones = np.ones(np.count_nonzero(pair))
        count += sparse.coo_array((ones, (left[pair], right[pair])), shape=(size, size)).tocsr()
    return (count + count.T).tocsr()


def _ppmi(count: sparse.csr_array, shift: float, smoothing: float) -> sparse.csr_array:
    """The matrix M of the formula: zero wherever two words meet no more often than by chance."""
    total = np.asarray(count.sum(0)).ravel()
    log_total = np.log(np.maximum(total, 1))
    log_contexts = np.log(max((total**smoothing).sum(), 1))
    pairs = count.tocoo()
    w, c = pairs.coords
    information = (
        np.log(pairs.data) + log_contexts - log_total[w] - smoothing * log_total[c] - np.log(shift)
    )
    positive = information > 0
    kept = (information[positive], (w[positive], c[positive]))
    return sparse.coo_array(kept, shape=count.shape).tocsr()


def _truncated_svd(matrix: sparse.csr_array, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of U_d Sigma_d^(1/2) that are not 0 but for rounding, at length 1; and which."""
    U, sizes, _ = randomized_svd(matrix, dim, random_state=seed)
    vectors = U * np.sqrt(sizes)
    lengths = np.linalg.norm(vectors, axis=1)
    reached = np.flatnonzero(lengths > 1e-8 * lengths.max())
    return vectors[reached] / lengths[reached, None], reached
