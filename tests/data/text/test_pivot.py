"""The pivot-word benchmark: balanced, in pairs, and with a label that hangs on one word.

What needs the training texts of SST-2 and IMDb is skipped where MDLIB_DATA does not lead to them.
"""

import csv
import gzip
import json
import math
import os
import re
from collections import Counter
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

import pivot_words
from mdlib.data.text.pivot import GROUPS, load_pivot_words

PLAIN = load_pivot_words()
NEGATED = load_pivot_words("negated")
SENTENCES = PLAIN + NEGATED
PARTS = ("adjective", "noun", "verb", "adverb")
PLACES = ("start", "middle", "end")
NEGATIONS = {"not", "no", "never", "none", "nobody", "nothing", "nor", "neither", "cannot"}


def words(text):
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())


def frame(sentence, pivot=""):
    """The sentence with another word, or none, in the pivot's place."""
    start, end = sentence.span
    return sentence.text[:start] + pivot + sentence.text[end:]


def pairs(sentences):
    return zip(sentences[::2], sentences[1::2], strict=True)


# The file


def test_the_committed_file_is_what_the_script_builds(tmp_path):
    target = tmp_path / "pivot.jsonl"
    pivot_words.main(target)
    assert target.read_bytes() == pivot_words.TARGET.read_bytes()
    assert list(tmp_path.iterdir()) == [target]


def test_the_script_marks_words_where_they_stand():
    first, second = pivot_words.pair("[Nobody] {liked|hated} it.", "verb", "negated", 7)
    assert (first.text, second.text) == ("Nobody liked it.", "Nobody hated it.")
    assert (first.span, second.span, first.negation) == ((7, 12), (7, 12), (0, 6))
    assert (first.label, second.label) == (-1, 1)
    first, _ = pivot_words.pair("{Fresh|Stale} bread.", "adjective", "written", 7)
    assert (first.text, first.pivot, first.negation, first.label) == (
        "Fresh bread.",
        "Fresh",
        None,
        1,
    )


@pytest.mark.parametrize(
    ("marked", "group"),
    [
        ("It is bread.", "written"),
        ("{Fresh|Stale} and {good|bad}.", "written"),
        ("It is [not] {fresh|stale}.", "written"),
        ("It is {fresh|stale}.", "negated"),
    ],
)
def test_the_script_refuses_a_sentence_without_the_marks_of_its_group(marked, group):
    with pytest.raises(ValueError, match=re.escape(marked)):
        pivot_words.pair(marked, "adjective", group, 0)


def test_the_script_refuses_a_sentence_listed_under_another_place(tmp_path, monkeypatch):
    source = pivot_words.SOURCE.read_text(encoding="utf-8")
    moved = tmp_path / "moved.toml"
    moved.write_text(source.replace("|avoid}.", "|avoid} to us at once."), encoding="utf-8")
    monkeypatch.setattr(pivot_words, "SOURCE", moved)
    with pytest.raises(ValueError, match=r"at the middle, not the end: 'Her stew .* \{"):
        pivot_words.sentences()


def test_a_group_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"\['plain'\].* template, written, negated"):
        load_pivot_words("plain")


def test_groups_are_parts_of_the_whole_in_one_order():
    assert load_pivot_words(*GROUPS) == SENTENCES
    assert load_pivot_words("template", "written") == PLAIN
    assert [s for group in GROUPS for s in load_pivot_words(group)] == SENTENCES
    assert not any(s.group == "negated" for s in PLAIN)


def test_spans_mark_whole_words():
    for s in SENTENCES:
        for start, end in filter(None, (s.span, s.negation)):
            assert re.fullmatch(r"\w+", s.text[start:end])
            assert not re.search(r"\w$", s.text[:start])
            assert not re.search(r"^\w", s.text[end:])
        assert s.text[slice(*s.span)] == s.pivot


# Balance


@pytest.mark.parametrize(("group", "each"), [("template", 12), ("written", 6)])
def test_part_of_speech_place_and_label_are_balanced(group, each):
    count = Counter((s.part, s.place, s.label) for s in load_pivot_words(group))
    assert count == dict.fromkeys(product(PARTS, PLACES, (-1, 1)), each)


def test_negated_sentences_are_balanced_in_part_of_speech_and_label():
    assert Counter((s.part, s.label) for s in NEGATED) == dict.fromkeys(product(PARTS, (-1, 1)), 6)


def test_templates_are_as_often_short_as_medium_and_long_in_each_place():
    def size(s):
        count = len(s.text.split())
        return "short" if count < 10 else "medium" if count < 19 else "long"

    count = Counter((s.part, s.place, size(s)) for s in load_pivot_words("template"))
    assert count == dict.fromkeys(product(PARTS, PLACES, ("short", "medium", "long")), 8)


def test_sentences_have_5_to_25_words():
    lengths = [len(s.text.split()) for s in SENTENCES]
    assert (min(lengths), max(lengths)) == (5, 25)


def test_written_sentences_have_the_same_mean_length_in_each_place():
    written = load_pivot_words("written")
    means = [np.mean([len(s.text.split()) for s in written if s.place == p]) for p in PLACES]
    assert max(means) - min(means) < 1.5


def test_places_are_thirds_of_the_sentence():
    # The slow way: the middle of the pivot's word among the words, as a fraction.
    for s in SENTENCES:
        index = len((s.text[: s.span[0]] + "*").split()) - 1
        middle = (index + 0.5) / len(s.text.split())
        assert s.place == ("start" if middle < 1 / 3 else "middle" if middle < 2 / 3 else "end")


# One pivot, in pairs


def test_two_sentences_of_a_pair_differ_in_the_pivot_and_the_label_alone():
    for one, other in pairs(SENTENCES):
        assert (one.part, one.group, one.pair) == (other.part, other.group, other.pair)
        assert one.pivot != other.pivot
        assert frame(one, other.pivot) == other.text
        assert one.label == -other.label
    assert [s.pair for s in SENTENCES[::2]] == list(range(len(SENTENCES) // 2))


def test_no_sentence_and_no_frame_is_there_twice():
    assert len({s.text for s in SENTENCES}) == len(SENTENCES)
    assert len({frame(s) for s in SENTENCES[::2]}) == len(SENTENCES) // 2


def test_a_pivot_has_one_sentiment_and_occurs_nowhere_else():
    sentiment = {s.pivot.lower(): s.label for s in PLAIN}
    assert all(sentiment[s.pivot.lower()] == s.label for s in PLAIN)
    assert all(sentiment.get(s.pivot.lower(), -s.label) == -s.label for s in NEGATED)
    pivots = sentiment.keys() | {s.pivot.lower() for s in NEGATED}
    assert not [s for s in SENTENCES if pivots.intersection(words(frame(s)))]


def test_only_negated_sentences_have_a_negation_and_these_have_one():
    for s in SENTENCES:
        found = [w for w in words(s.text) if w in NEGATIONS or w.endswith("n't")]
        marked = [] if s.negation is None else [s.text[slice(*s.negation)].lower()]
        assert found == marked
        assert (s.group == "negated") == (s.negation is not None)


def test_articles_fit_both_pivots():
    for s in SENTENCES:
        before = words(s.text[: s.span[0]])[-1:]
        vowel = s.pivot[0].lower() in "aeiou"
        assert before != (["a"] if vowel else ["an"]), s.text


def test_every_slot_of_a_template_takes_other_entries_in_other_sentences():
    source = pivot_words.tomllib.loads(pivot_words.SOURCE.read_text(encoding="utf-8"))
    lists = source["pivots"] | source["words"]
    filled = list(pivot_words.filled(source["templates"], lists))
    templates = list(pivot_words.by_place(source["templates"]))
    assert len(filled) == pivot_words.FILLS * len(templates)
    for index, (_, _, template) in enumerate(templates):
        slots = re.compile(pivot_words.SLOT.sub("(.+)", re.escape(template)))
        fills = [slots.fullmatch(text).groups() for _, _, text in filled[index :: len(templates)]]
        assert all(len(set(entries)) > 1 for entries in zip(*fills, strict=True)), template
    used = " ".join(text for _, _, text in filled)
    assert not [entry for entries in lists.values() for entry in entries if entry not in used]


# Against real training texts


@dataclass
class Corpus:
    texts: list[str]
    labels: np.ndarray

    def __post_init__(self):
        self.count = {+1: Counter(), -1: Counter()}
        for text, label in zip(self.texts, self.labels, strict=True):
            self.count[label].update(set(words(text)))
        self.odds = float((self.labels == 1).sum() / (self.labels == -1).sum())

    def frequency(self, word):
        """How many texts have the word."""
        return self.count[1][word] + self.count[-1][word]

    def log_odds(self, word, smooth=5.0):
        """How much a word raises the log-odds of +1, shrunk as if seen in ten more texts."""
        positive = self.count[1][word] + 2 * smooth * self.odds / (1 + self.odds)
        negative = self.count[-1][word] + 2 * smooth / (1 + self.odds)
        return math.log(positive / negative / self.odds)

    def surely(self, word, smooth=5.0):
        """The size of the log-odds, less two standard errors: a rare word leans by chance."""
        error = math.sqrt(sum(1 / (self.count[y][word] + smooth) for y in (1, -1)))
        return max(abs(self.log_odds(word, smooth)) - 2 * error, 0.0)


def data(name):
    path = Path(os.environ.get("MDLIB_DATA", "")) / name
    if "MDLIB_DATA" not in os.environ or not path.exists():
        pytest.skip(f"needs {name} in the folder MDLIB_DATA")
    return gzip.open(path, "rt", encoding="utf-8", newline="")


@pytest.fixture(scope="module")
def sst2():
    with data("sst2/train.tsv.gz") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    # The treebank cuts "it's" into "it 's".
    texts = [re.sub(r" (?='|n't)", "", row["sentence"]) for row in rows]
    return Corpus(texts, np.array([2 * int(row["label"]) - 1 for row in rows]))


@pytest.fixture(scope="module")
def imdb():
    with data("imdb/train.jsonl.gz") as file:
        rows = [json.loads(line) for line in file]
    return Corpus([row["text"] for row in rows], np.array([2 * row["label"] - 1 for row in rows]))


@pytest.fixture(params=["sst2", "imdb"])
def corpus(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def classifier(sst2):
    """Bag of words and logistic regression: the logit of +1."""
    vectorizer = CountVectorizer(tokenizer=words, token_pattern=None, binary=True)
    model = LogisticRegression(C=1.0, max_iter=300).fit(
        vectorizer.fit_transform(sst2.texts), sst2.labels
    )
    return lambda texts: model.decision_function(vectorizer.transform(texts))


def test_no_sentence_is_a_training_text(corpus):
    known = {" ".join(words(text)) for text in corpus.texts}
    assert not [s.text for s in SENTENCES if " ".join(words(s.text)) in known]


def test_pivots_are_known_to_lean_their_way(corpus):
    for s in PLAIN:
        pivot = s.pivot.lower()
        assert corpus.frequency(pivot) >= 5, pivot
        assert s.label * corpus.log_odds(pivot) > 0.2, pivot


@pytest.mark.parametrize(("name", "bound"), [("imdb", 0.5), ("sst2", 0.8)])
def test_no_other_word_leans_far(name, bound, request):
    corpus = request.getfixturevalue(name)
    others = {w for s in PLAIN for w in words(frame(s))}
    assert not {w: corpus.surely(w) for w in others if corpus.surely(w) > bound}


def test_a_classifier_of_words_reads_the_labels(classifier):
    logits = classifier([s.text for s in PLAIN])
    labels = np.array([s.label for s in PLAIN])
    assert (np.sign(logits) == labels).mean() > 0.9
    # Within a pair the rest of the sentence is the same, so the two can be ranked without a miss.
    assert (logits * labels).reshape(-1, 2).sum(1).min() > 0


def test_without_the_pivot_it_is_left_with_chance_and_leans_to_no_side(classifier):
    logits = classifier([frame(s) for s in PLAIN])
    labels = np.array([s.label for s in PLAIN])
    assert (np.sign(logits) == labels).mean() == 0.5
    assert 0.4 < (logits > 0).mean() < 0.6
    assert abs(logits.mean()) < 0.2
    pivots = classifier([s.text for s in PLAIN]) - logits
    assert np.abs(logits).mean() < np.abs(pivots).mean() / 2


def test_a_negation_turns_what_a_classifier_of_words_says(classifier):
    logits = classifier([s.text for s in NEGATED])
    labels = np.array([s.label for s in NEGATED])
    assert (logits * labels).reshape(-1, 2).sum(1).max() < 0
