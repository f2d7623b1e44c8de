"""Pivot words: short sentences whose sentiment hangs on one marked word.

The ground truth for token selection: a model that reads sentiment has to look at the pivot, for
nothing else in the sentence tells the label. The sentences come in pairs that differ in the pivot
alone, so every model that does not see it gets exactly half of the labels right.

The project wrote them all, and they are under its MIT license. ``book/_tools/pivot_words.py``
builds the file from templates, word lists and sentences written one by one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

GROUPS = ("template", "written", "negated")


@dataclass(frozen=True)
class PivotSentence:
    """One sentence, its label and the word that decides it.

    Attributes
    ----------
    text : str
        The sentence, 5 to 25 words.
    label : int
        +1 where it is positive, -1 where it is negative.
    pivot : str
        The one word that bears sentiment, as it stands in the text.
    span : (int, int)
        Where it stands: ``text[start:end] == pivot``.
    part : str
        Its part of speech: "adjective", "noun", "verb" or "adverb".
    group : str
        "template", "written" (one by one) or "negated".
    pair : int
        Two sentences have this number in common: the same text with another pivot, and the other
        label.
    negation : (int, int) or None
        Where the word stands that turns the pivot around; None outside the group "negated".
    """

    text: str
    label: int
    pivot: str
    span: tuple[int, int]
    part: str
    group: str
    pair: int
    negation: tuple[int, int] | None = None

    @property
    def place(self) -> str:
        """The third of the sentence, counted in words, that the pivot stands in.

        Examples
        --------
        >>> PivotSentence("It was a joy.", 1, "joy", (9, 12), "noun", "written", 0).place
        'end'
        """
        before, words = len(self.text[: self.span[0]].split()), len(self.text.split())
        return ("start", "middle", "end")[3 * (2 * before + 1) // (2 * words)]


def load_pivot_words(*groups: str) -> list[PivotSentence]:
    """Return the sentences of the groups named; unless one is named, those without negation.

    Parts of speech, places and labels are balanced in "template" and in "written": each of the 24
    combinations is there equally often. In the small group "negated" one word, as in "never
    disappoints", makes the label the opposite of the pivot's own sentiment.

    Parameters
    ----------
    *groups : {"template", "written", "negated"}

    Returns
    -------
    list of PivotSentence
        In a fixed order, the two sentences of a pair one after the other.

    Raises
    ------
    ValueError
        If there is no group of a name given.

    Examples
    --------
    >>> positive, negative = load_pivot_words("written")[:2]
    >>> print(positive.text, positive.pivot, positive.label, sep=" | ")
    A gorgeous walk along the canal took up most of our Sunday. | gorgeous | 1
    >>> print(negative.text, negative.pivot, negative.label, sep=" | ")
    A tedious walk along the canal took up most of our Sunday. | tedious | -1
    >>> len(load_pivot_words()), len(load_pivot_words("negated"))
    (432, 48)
    """
    if unknown := set(groups) - set(GROUPS):
        raise ValueError(f"no group {sorted(unknown)}; the groups are {', '.join(GROUPS)}")
    lines = (
        files("mdlib.data.text").joinpath("pivot.jsonl").read_text(encoding="utf-8").splitlines()
    )
    return [
        sentence
        for sentence in map(_sentence, lines)
        if sentence.group in (groups or ("template", "written"))
    ]


def _sentence(line: str) -> PivotSentence:
    row = json.loads(line)
    row["span"] = tuple(row["span"])
    row["negation"] = tuple(row["negation"]) if row["negation"] else None
    return PivotSentence(**row)
