"""The one-layer model on sentences: claims of chapter 12."""

from dataclasses import replace

from mdlib.claims import sentences as theme
from mdlib.studies import sentences
from mdlib.studies.sentences.inspection import Gain
from tests.support.claims import asked_of

RECORDED = sentences.recorded()


def sentences_as_claimed():
    margins = {
        p: replace(
            RECORDED.margins["2"],
            race=(1e-3,) * 2,
            full=(1e-2,) * 2,
            relaxed=(1e-2,) * 2,
            cosine={q: (0.9 + 0.1 * (p == q),) * 2 for q in ("1.5", "2")},
        )
        for p in ("1.5", "2")
    }
    better = Gain(points=2.0, half=1.0)
    return replace(RECORDED, over_baseline={"2": better}, over_p2={"1.1": better}, margins=margins)


def sentences_unsure():
    unsure = Gain(points=2.0, half=3.0)
    return replace(sentences_as_claimed(), over_baseline={"2": unsure}, over_p2={"1.1": unsure})


def at_full_svm():
    margins = sentences_as_claimed().margins
    swapped = {p: replace(m, full=m.race, race=m.full) for p, m in margins.items()}
    return replace(sentences_as_claimed(), margins=swapped)


def of_another_exponent():
    margins = sentences_as_claimed().margins
    swapped = {"1.5": margins["2"], "2": margins["1.5"]}
    return replace(sentences_as_claimed(), margins=swapped)


SENTENCES = ({"read": sentences_as_claimed}, {"draws disagree": {"read": sentences_unsure}})


BROKEN = {
    "sentences-attention": SENTENCES,
    "sentences-generalization": SENTENCES,
    "sentences-direction": (
        {"read": sentences_as_claimed},
        {"at the full SVM": {"read": at_full_svm}, "of another p": {"read": of_another_exponent}},
    ),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)
