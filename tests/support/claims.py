"""What is asked of every claim of a theme: it holds, and each broken tool turns it red."""

import pytest

from mdlib.claims import CLAIMS

# Rows known not to hold, with any preset.
_LOW = "95 % interval, low end"
KNOWN: set[tuple[str, str]] = {
    ("sentences-generalization", "points: mean"),
    ("sentences-generalization", f"points: {_LOW}"),
    ("text-generalization", f"momentum, over p = 2, points: {_LOW}"),
    ("text-sparsity", f"momentum, query, points: {_LOW}"),
    *(
        ("text-selection", f"momentum, {group} sentences, {measure}: {_LOW}")
        for group in ("template", "written")
        for measure in ("score", "ranks")
    ),
    *(
        ("images-parity", f"{case}, points behind: {end}")
        for case in ("MNIST, plain", "CIFAR-10 (JPEG), plain", "CIFAR-10 (JPEG), momentum")
        for end in ("mean", "95 % interval, high end")
    ),
    ("images-sparsity", f"CIFAR-10 (JPEG), momentum, query, points: {_LOW}"),
    ("images-pruning", f"MNIST, each matrix, plain, points: {_LOW}"),
    ("text-learned", "p = 2, learned at least"),
    ("text-learned", "p = 3, learned at least"),
    *(
        ("text-selection-in-reviews", f"{case}: {end}")
        for case in ("plain, log of shares", "momentum, order", "momentum, log of shares")
        for end in ("mean", _LOW)
    ),
}


def holds_as_known(row):
    return row.holds == ((row.claim.key, row.measured.case) not in KNOWN)


def asked_of(theme, broken):
    """Return the three tests of a theme's claims.

    ``broken`` has for the key of each claim a small setting in which it holds, and by name the
    keywords that replace a tool by a broken one.
    """
    keys = [key for key, claim in CLAIMS.items() if claim.measure.__module__ == theme.__name__]
    assert sorted(broken) == sorted(keys), "every claim is broken once"
    cases = [(key, name) for key, (_, variants) in broken.items() for name in variants]

    @pytest.mark.parametrize("key", keys)
    def holds(key):
        rows = CLAIMS[key]("quick")
        assert len(rows) > 0
        assert [row for row in rows if not holds_as_known(row)] == []

    @pytest.mark.parametrize(("key", "name"), cases)
    def turns_red(key, name):
        small, variants = broken[key]
        assert CLAIMS[key](**{**small, **variants[name]}).failing

    @pytest.mark.parametrize("key", broken)
    def was_the_tool(key):
        """In the same small setting the sound tools give no red row."""
        assert not CLAIMS[key](**broken[key][0]).failing

    return holds, turns_red, was_the_tool
