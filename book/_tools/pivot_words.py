"""Build the pivot-word benchmark, data/text/pivot.jsonl, from the sentences in pivot_words.toml.

Each marked sentence gives a pair of lines, one for each pivot. A template first gives FILLS marked
sentences: each of its slots takes the next entry of that slot's list, round and round, so no entry
is preferred and no random number is drawn.

    python book/_tools/pivot_words.py
"""

import json
import re
import tomllib
from dataclasses import asdict
from itertools import cycle
from pathlib import Path

from mdlib.data.text.pivot import PivotSentence
from mdlib.files.atomic import write_whole

SOURCE = Path(__file__).with_suffix(".toml")
TARGET = Path(__file__).parents[2] / "mdlib" / "data" / "text" / "pivot.jsonl"
FILLS = 4

SLOT = re.compile(r"<(\w+)>")
PIVOT = re.compile(r"\{(\w+)\|(\w+)\}")
NEGATION = re.compile(r"\[(\w+)\]")


def pair(marked, part, group, number):
    """Return the two sentences of a marked one: the positive pivot's, then the negative one's."""
    if len(PIVOT.findall(marked)) != 1 or len(NEGATION.findall(marked)) != (group == "negated"):
        raise ValueError(f"needs one pivot, and one negation if negated: {marked!r}")
    found = []
    for which, sentiment in ((1, 1), (2, -1)):
        text, spans = unmarked(PIVOT.sub(rf"{{\{which}}}", marked))
        found.append(
            PivotSentence(
                text=text,
                label=-sentiment if group == "negated" else sentiment,
                pivot=text[slice(*spans["{"])],
                span=spans["{"],
                part=part,
                group=group,
                pair=number,
                negation=spans.get("["),
            )
        )
    return found


def unmarked(text):
    """Return the text without its marks, capitalised, and where each marked word now stands."""
    text = re.sub(r"\w", lambda first: first[0].upper(), text, count=1)
    spans = {}
    # From left to right: what comes off later moves no word that was found.
    while mark := re.search(r"([{[])(\w+)[}\]]", text):
        spans[mark[1]] = (mark.start(), mark.end() - 2)
        text = text[: mark.start()] + mark[2] + text[mark.end() :]
    return text, spans


def filled(templates, lists):
    """Yield (part, place, marked sentence) of FILLS fillings of each template."""
    entries = {name: cycle(words) for name, words in lists.items()}
    for _ in range(FILLS):
        for part, place, template in by_place(templates):
            yield part, place, SLOT.sub(lambda slot: next(entries[slot[1]]), template)


def by_place(table):
    """Yield (part, place, text) from a table of parts of speech and places."""
    for part, places in table.items():
        for place, texts in places.items():
            for text in texts:
                yield part, place, text


def sentences():
    """Return all sentences of the benchmark, from the source file."""
    source = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    lists = source["pivots"] | source["words"]
    marked = [("template", *entry) for entry in filled(source["templates"], lists)]
    marked += [("written", *entry) for entry in by_place(source["written"])]
    marked += [
        ("negated", part, None, text) for part, texts in source["negated"].items() for text in texts
    ]
    found = []
    for number, (group, part, place, text) in enumerate(marked):
        both = pair(text, part, group, number)
        if place is not None and both[0].place != place:
            raise ValueError(f"the pivot stands at the {both[0].place}, not the {place}: {text!r}")
        found += both
    return found


def main(target=TARGET):
    lines = [json.dumps(asdict(sentence)) + "\n" for sentence in sentences()]
    write_whole(target, "".join(lines).encode())


if __name__ == "__main__":
    main()
