"""The map of the house in CONTRIBUTING.md: every package is on it, every answer where it says."""

import ast
import re

import refresh

TEXT = (refresh.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
HOUSE, ANSWERS = TEXT.split("## Where is ...?")
LIBRARY = refresh.ROOT / "mdlib"


def test_every_package_is_on_the_map():
    rooms = set(re.findall(r"`(\w+)/`", HOUSE.split("## The house")[1]))
    packages = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    inner = {path.parent.name for path in LIBRARY.glob("*/*/__init__.py")}
    assert packages <= rooms
    assert rooms - packages - inner == {"tests"}


def test_every_answer_is_where_the_map_says():
    answers = re.findall(r"^\| .+ \| `([\w/]+\.py)`: `(\w+)` \|$", ANSWERS, re.MULTILINE)
    assert len(answers) == 15
    for file, name in answers:
        tree = ast.parse((LIBRARY / file).read_text(encoding="utf-8"))
        assert name in {getattr(node, "name", None) for node in tree.body}, (file, name)
