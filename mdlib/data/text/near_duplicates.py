"""Near-duplicate texts, and splits that do not put one on either side.

Two texts are *near* if they share a run of ``run`` consecutive words, or are equal word for word.
Words are runs of letters and digits, in lower case; punctuation and IMDb's ``<br />`` do not count.
A group is what nearness connects, directly or through other texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mdlib.data.text.checks import checked_texts

_WORD = re.compile(r"\w+")
_BLANK = ""  # no word
_ODD = np.uint64(0x9E3779B97F4A7C15)  # any odd number of 64 mixed bits would do


def near_groups(texts: Sequence[str], run: int) -> NDArray[np.int64]:
    """Number the groups of near texts.

    Runs are compared by a 64-bit hash: about n log n time for n words, seconds for IMDb's six
    million. A collision, which one would meet in a million such data sets, could only join two
    groups.

    Parameters
    ----------
    texts : sequence of str
    run : int
        How many consecutive words two texts must share to be near. A text shorter than that is
        near only to its equals.

    Returns
    -------
    int64 array (len(texts),), equal for texts of the same group

    Raises
    ------
    TypeError, ValueError
        If these are no texts, named.
    ValueError
        If run is below 1.

    Examples
    --------
    >>> near_groups(["Not a good film.", "not a GOOD film at all", "a bad film"], run=4).tolist()
    [0, 0, 1]
    """
    if run < 1:
        raise ValueError(f"run must be at least 1 word, got {run}")
    vocabulary = {_BLANK: 0}
    words: list[int] = []
    lengths = []
    for text in checked_texts(texts):
        found = _WORD.findall(text.replace("<br />", " ").lower())
        found += [_BLANK] * (run - len(found))  # so that a short text is a run by itself
        words += [vocabulary.setdefault(word, len(vocabulary)) for word in found]
        lengths.append(len(found))
    hashes, owners = _runs(np.array(words, dtype=np.int64), np.array(lengths, dtype=np.int64), run)
    order = np.argsort(hashes, kind="stable")
    equal = np.flatnonzero(np.diff(hashes[order]) == 0)
    first, second = owners[order[equal]], owners[order[equal + 1]]
    links = coo_array((np.ones(len(equal)), (first, second)), shape=(len(texts), len(texts)))
    groups: NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return groups


def held_out_groups(groups: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Draw whole groups at random until they hold the fraction of all members.

    A group that is larger than what is still wanted is passed over, so the number drawn is
    ``round(fraction * n)`` wherever the groups allow it, and never more.

    Parameters
    ----------
    groups : int64 array (n,)
        The group of each member, numbered from 0 without gaps.
    fraction : float
        Strictly between 0 and 1.
    seed : int

    Returns
    -------
    bool array (n,), True where a member is drawn

    Raises
    ------
    ValueError
        If fraction is not between 0 and 1, or no group is small enough to be drawn.

    Examples
    --------
    >>> held_out_groups(np.array([0, 0, 0, 1, 2]), fraction=0.4, seed=0).tolist()
    [False, False, False, True, True]
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie strictly between 0 and 1, got {fraction}")
    sizes = np.bincount(groups)
    wanted = round(fraction * len(groups))
    drawn = np.zeros(len(sizes), dtype=bool)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[group] <= wanted:
            drawn[group] = True
            wanted -= sizes[group]
    if not drawn.any():
        raise ValueError(
            f"fraction={fraction} of {len(groups)} texts is less than the smallest group holds; "
            "take a larger fraction or more texts"
        )
    return drawn[groups]


def _runs(
    words: NDArray[np.int64], lengths: NDArray[np.int64], run: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hash every run of words that lies within one text; and name that text."""
    codes = np.random.default_rng(0).integers(2**64, size=words.max(initial=0) + 1, dtype=np.uint64)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    count = max(len(words) - run + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for j in range(run):
        hashes = hashes * _ODD + codes[words[j : j + count]]
    first, last = owners[:count], owners[run - 1 :]
    return hashes[first == last], first[first == last]
