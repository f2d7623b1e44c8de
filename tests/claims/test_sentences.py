"""The one-layer model on sentences: claims of chapter 12."""

from mdlib.claims import sentences as theme
from tests.support.claims import asked_of


def sentences_as_claimed():
    margins = {
        p: {"race": [1e-3] * 2, "full": [1e-2] * 2, "relaxed": [1e-2] * 2}
        | {f"cosine {q}": [0.9 + 0.1 * (p == q)] * 2 for q in ("1.5", "2")}
        for p in ("1.5", "2")
    }
    better = {"points": 2.0, "half": 1.0}
    return {
        "plan": {"seeds": [1, 2], "small_seeds": [1, 2]},
        "over baseline": {"2": better},
        "over p = 2": {"1.1": better},
        "margins": margins,
    }


def sentences_unsure():
    result = sentences_as_claimed()
    for difference in (result["over baseline"]["2"], result["over p = 2"]["1.1"]):
        difference["half"] = 3.0
    return result


def at_full_svm():
    result = sentences_as_claimed()
    for found in result["margins"].values():
        found["full"], found["race"] = found["race"], found["full"]
    return result


def of_another_exponent():
    result = sentences_as_claimed()
    margins = result["margins"]
    margins["1.5"], margins["2"] = margins["2"], margins["1.5"]
    return result


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
