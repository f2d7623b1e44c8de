"""Every chapter keeps its promises, and every check of them can fail."""

import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import audit
import refresh


@pytest.mark.parametrize("path", refresh.chapters(), ids=lambda path: path.stem)
def test_chapter(path):
    assert audit.audit(path) == []


def test_as_a_command_it_fails_if_a_notebook_does(tmp_path):
    whole = refresh.chapters()[0]
    broken = tmp_path / whole.name
    broken.write_text(whole.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    for path, status in ((whole, 0), (broken, 1)):
        done = subprocess.run([sys.executable, audit.__file__, path], stderr=subprocess.PIPE)
        assert done.returncode == status, done.stderr


def sound():
    """Return the shortest notebook that passes every check."""
    cells = [
        new_markdown_cell(
            "# Title\n\nSomething happens.\n\n## What you will be able to do\n\n- See"
        ),
        new_markdown_cell("## Before you start\n\nRead [this](notation.md)."),
        new_code_cell(refresh.setup_source(), metadata={"tags": ["setup"]}),
        new_markdown_cell("## The story\n\n$x^2$, as [they](bibliography.md#maas2011) say."),
        new_code_cell("1 + 1"),
        new_markdown_cell("## Exercises"),
    ]
    for number in (1, 2):
        cells += [
            new_markdown_cell(f"### Exercise {number}: Guess"),
            new_code_cell(
                f"# @title Solution {number}",
                metadata={"tags": ["hide-cell", "solution"], "cellView": "form"},
            ),
        ]
    cells.append(new_markdown_cell("## What you learned\n\n- Seen.\n\n## Next\n\nMore."))
    notebook = new_notebook(cells=cells)
    for count, cell in enumerate(audit.code(notebook), start=1):
        cell.execution_count = count
    return refresh.normalise(notebook)


FOLDER = refresh.ROOT / "book" / "reference"


def complaints(notebook):
    found = [*audit.normalised(refresh.dumps(notebook)), *audit.links(notebook, FOLDER)]
    for check in (
        audit.skeleton,
        audit.setup_cell,
        audit.exercises,
        audit.plain_markdown,
        audit.outputs,
        audit.offline,
    ):
        found += check(notebook)
    return found


def test_a_sound_notebook_passes():
    assert complaints(sound()) == []


def shows(**data):
    return new_output("display_data", data={key.replace("_", "/"): v for key, v in data.items()})


def edit(index, old, new):
    def damage(notebook):
        assert old in notebook.cells[index].source
        notebook.cells[index].source = notebook.cells[index].source.replace(old, new)

    return damage


def output(kind, **fields):
    return lambda notebook: notebook.cells[4].outputs.append(new_output(kind, **fields))


def metadata(index, **fields):
    return lambda notebook: notebook.cells[index].metadata.update(fields)


BROKEN = {
    "no title": (edit(0, "# Title", "Title"), "first heading"),
    "no bullets": (edit(0, "- See", "See"), "no bullets"),
    "heading renamed": (edit(1, "Before you start", "Preparation"), "opens with"),
    "heading moved": (edit(9 + 1, "## Next", "## Then"), "closes with"),
    "a bullet too few": (edit(10, "- Seen.", "- Seen.\n- Done."), "repaid"),
    "no story": (edit(3, "## The story", "Text."), "no story"),
    "ledger too early": (
        edit(3, "## The story", "## What the ledger says\n\n## The story"),
        "right before the exercises",
    ),
    "another version": (edit(2, "@v", "@w"), "not the template"),
    "setup untagged": (metadata(2, tags=[]), "0 cells are tagged"),
    "one exercise": (edit(8, "### Exercise 2: Guess", "Guess"), "1 exercises"),
    "misnumbered": (edit(8, "Exercise 2", "Exercise 3"), "heading of exercise 2"),
    "solution open on the page": (metadata(7, tags=["solution"]), "not folded on the page"),
    "solution open in Colab": (metadata(7, cellView="code"), "not folded in Colab"),
    "solution untitled": (edit(7, "# @title Solution 1", "x = 1"), "does not start with"),
    "macro": (edit(3, "$x^2$", r"$\newcommand{\x}{y}$"), "macro"),
    "directive": (edit(3, "$x^2$", "\n```{note}\nx\n```\n"), "only Sphinx"),
    "fence": (edit(3, "$x^2$", "\n:::{note}\nx\n:::\n"), "only Sphinx"),
    "role": (edit(3, "$x^2$", "see {ref}`there`"), "only Sphinx"),
    "label": (edit(3, "$x^2$", "\n(there)=\n"), "only Sphinx"),
    "dead link": (edit(1, "notation.md", "missing.md"), "nothing that git tracks"),
    "link out": (edit(1, "notation.md", "../../../../x.md"), "leaves the repository"),
    "link within": (edit(1, "notation.md", "#title"), "lost in Colab"),
    "dead citation": (edit(3, "#maas2011", "#nobody1900"), "references.bib"),
    "network": (edit(4, "1 + 1", "import urllib.request"), "reaches the network"),
    "download": (edit(4, "1 + 1", "fetch_openml('mnist')"), "reaches the network"),
    "install": (edit(4, "1 + 1", "%pip install numpy"), "reaches the network"),
    "run out of order": (lambda nb: nb.cells[4].update(execution_count=9), "execution counts"),
    "bare image": (output("display_data", data={"image/png": "AA=="}), "bare image/png"),
    "no alt": (output("display_data", data={"text/html": "<img src='x'>"}), "without alt"),
    "empty alt": (output("display_data", data={"text/html": "<img alt=' '>"}), "without alt"),
    "stderr": (output("stream", name="stderr", text="careful"), "stderr"),
    "error": (output("error", ename="ValueError", evalue="", traceback=[]), "ValueError"),
    "timestamps": (metadata(4, execution={"iopub.status.busy": "now"}), "not normalised"),
    "notebook metadata": (lambda nb: nb.metadata.update(colab={}), "not normalised"),
    "too large": (edit(10, "More.", "More. " * 300_000), "MB"),
}


@pytest.mark.parametrize(("damage", "complaint"), BROKEN.values(), ids=BROKEN.keys())
def test_the_check_can_fail(damage, complaint):
    notebook = sound()
    damage(notebook)
    found = complaints(notebook)
    assert any(complaint in sentence for sentence in found), found


def test_setup_asks_for_neither_torch_nor_numpy():
    assert not any(name in refresh.setup_source() for name in ("torch", "numpy"))


def test_normalising_twice_changes_nothing():
    once = refresh.dumps(sound())
    again = refresh.normalise(nbformat.reads(once, as_version=4))
    assert refresh.dumps(again) == once


def test_streams_are_joined_where_they_were_cut():
    notebook = sound()
    pieces = [new_output("stream", name="stdout", text=text) for text in ("a", "b\n")]
    notebook.cells[4].outputs = pieces
    refresh.normalise(notebook)
    assert [output.text for output in notebook.cells[4].outputs] == ["ab\n"]


def write(path, source):
    notebook = sound()
    notebook.cells[2].source = "old"
    notebook.cells[4].source = source
    path.write_text(refresh.dumps(notebook), encoding="utf-8")
    return path


def test_refresh_executes_and_is_idempotent(tmp_path):
    path = write(tmp_path / "chapter.ipynb", "print('ran')")
    assert refresh.refresh(path)
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[2].source == refresh.setup_source()
    assert notebook.cells[4].outputs[0].text == "ran\n"
    assert not refresh.refresh(path)


@pytest.mark.parametrize("source", ["1 / 0", "import sys; print('careful', file=sys.stderr)"])
def test_refresh_fails_loudly_and_keeps_the_file(tmp_path, source):
    path = write(tmp_path / "chapter.ipynb", source)
    before = path.read_bytes()
    with pytest.raises(Exception, match=r"ZeroDivisionError|careful"):
        refresh.refresh(path)
    assert path.read_bytes() == before
