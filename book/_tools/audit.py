"""What every chapter promises, checked without running it and without a network.

Each check takes a notebook and yields one sentence for each broken promise; silence is a pass.

    python book/_tools/audit.py                       every notebook of _toc.yml
    python book/_tools/audit.py book/part/01-x.ipynb  only those named
"""

import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import nbformat
from pybtex.database import parse_file

import refresh

LARGEST = 1_500_000  # bytes; Colab and a diff both become slow above

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)>\s]+)>?[^)]*\)")
MACRO = re.compile(r"\\(?:re|provide)?newcommand|\\DeclareMathOperator|\\g?def(?![a-z])")
SPHINX_ONLY = re.compile(
    r"^:{3,}|^`{3,}\s*\{|^~{3,}\s*\{|(?:^|[\s(])\{[a-z:-]+\}`|^\([\w-]+\)=\s*$|^\+\+\+",
    re.MULTILINE,
)
NETWORK = re.compile(
    r"https?://|\b(?:urllib|urlopen|requests|httpx|aiohttp|socket|pooch|wget|curl|load_dataset)\b"
    r"|\bfetch_\w+\(|^\s*[%!]\s*(?:pip|conda)",
    re.MULTILINE,
)


# -- reading a notebook ---------------------------------------------------------------------------


def tags(cell):
    return cell.metadata.get("tags", [])


def prose(notebook):
    """Yield the text of each markdown cell, code fences taken out."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield FENCE.sub("", cell.source)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outline(notebook):
    """Return [(level, title, cells under this heading)] in order."""
    sections = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            pieces = re.split(r"(?m)^(?=#{1,6} )", FENCE.sub("", cell.source))
            for piece in pieces:
                heading = HEADING.match(piece)
                if heading:
                    sections.append((len(heading[1]), heading[2], []))
                text = nbformat.v4.new_markdown_cell(piece[heading.end() :] if heading else piece)
                if sections:
                    sections[-1][2].append(text)
        elif sections:
            sections[-1][2].append(cell)
    return sections


def bullets(cells):
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return len(re.findall(r"^[-*] ", text, re.MULTILINE))


@cache
def tracked():
    """Return the files that git tracks, relative to the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=refresh.ROOT, capture_output=True, text=True, check=True
    )
    return frozenset(listed.stdout.split("\0"))


@cache
def citation_keys():
    return frozenset(parse_file(str(refresh.ROOT / "book" / "references.bib")).entries)


class _Images(HTMLParser):
    """The attributes of the <img> elements in a piece of HTML."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append(dict(attrs))


# -- the checks -----------------------------------------------------------------------------------


def skeleton(notebook):
    """The same headings in the same order in every chapter."""
    sections = outline(notebook)
    if not sections or sections[0][0] != 1:
        yield "the first heading is not '# Title'"
    if sum(level == 1 for level, _, _ in sections) != 1:
        yield "there must be one '# Title'"
    titles = [title for level, title, _ in sections if level == 2]
    opening = ["What you will be able to do", "Before you start"]
    closing = ["Exercises", "What you learned", "Next"]
    if titles[:2] != opening:
        yield f"the chapter opens with {titles[:2]}, not {opening}"
    if titles[-3:] != closing:
        yield f"the chapter closes with {titles[-3:]}, not {closing}"
    story = titles[2:-3]
    if story and "What the ledger says" in story[:-1]:
        yield "'What the ledger says' must stand right before the exercises"
    if not [title for title in story if title != "What the ledger says"]:
        yield "there is no story between 'Before you start' and the end"
    under = {title: cells for level, title, cells in sections if level == 2}
    promised = bullets(under.get(opening[0], []))
    repaid = bullets(under.get(closing[1], []))
    if not promised:
        yield "'What you will be able to do' has no bullets"
    if promised != repaid:
        yield f"{promised} bullets are promised and {repaid} repaid in 'What you learned'"


def setup_cell(notebook):
    """One setup cell, word for word the template, right after 'Before you start'."""
    setups = [cell for cell in notebook.cells if "setup" in tags(cell)]
    if len(setups) != 1:
        yield f"{len(setups)} cells are tagged 'setup'"
        return
    if setups[0].source != refresh.setup_source():
        yield "the setup cell is not the template: run make notebooks"
    if code(notebook)[0] is not setups[0]:
        yield "code runs before the setup cell"
    before = [title for _, title, cells in outline(notebook) if setups[0] in cells]
    if before != ["Before you start"]:
        yield "the setup cell is not under 'Before you start'"


def exercises(notebook):
    """Two to four exercises, numbered, each with a folded solution that runs."""
    sections = outline(notebook)
    titles = [title for _, title, _ in sections]
    if "Exercises" not in titles:
        yield "there is no section 'Exercises'"
        return
    found = []
    for level, title, cells in sections[titles.index("Exercises") + 1 :]:
        if level <= 2:
            break
        found.append((title, cells))
    if not 2 <= len(found) <= 4:
        yield f"there are {len(found)} exercises, not 2 to 4"
    for number, (title, cells) in enumerate(found, start=1):
        if not re.match(rf"Exercise {number}: \S", title):
            yield f"the heading of exercise {number} is '{title}'"
        solutions = [cell for cell in cells if "solution" in tags(cell)]
        if len(solutions) != 1 or solutions[0].cell_type != "code":
            yield f"exercise {number} has {len(solutions)} solution cells"
            continue
        (solution,) = solutions
        if "hide-cell" not in tags(solution):
            yield f"solution {number} is not folded on the page (tag hide-cell)"
        if solution.metadata.get("cellView") != "form":
            yield f"solution {number} is not folded in Colab (cellView: form)"
        if solution.source.partition("\n")[0] != f"# @title Solution {number}":
            yield f"solution {number} does not start with '# @title Solution {number}'"


def plain_markdown(notebook):
    """Nothing that Colab, Jupyter or GitHub would show as raw text."""
    for text in prose(notebook):
        for found in MACRO.findall(text):
            yield f"LaTeX macro definition: {found}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for found in SPHINX_ONLY.findall(cell.source):
                yield f"syntax that only Sphinx understands: {found.strip()}"


def links(notebook, folder):
    """Relative links name tracked files, and citations name entries of references.bib."""
    for text in prose(notebook):
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            if not name:
                yield f"a link within the page is lost in Colab: {target}"
                continue
            path = (folder / name).resolve()
            if not path.is_relative_to(refresh.ROOT):
                yield f"a link leaves the repository: {target}"
            elif str(path.relative_to(refresh.ROOT).as_posix()) not in tracked():
                yield f"a link to nothing that git tracks: {target}"
            elif path.name == "bibliography.md" and anchor and anchor not in citation_keys():
                yield f"a citation of nothing in references.bib: {anchor}"


def outputs(notebook):
    """Executed once, top to bottom; every image described; nothing on stderr."""
    counts = [cell.execution_count for cell in code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}: run make notebooks"
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield f"cell {number} shows an error: {output.ename}"
            if output.output_type == "stream" and output.name == "stderr":
                yield f"cell {number} wrote to stderr"
            for kind, content in output.get("data", {}).items():
                if kind.startswith("image/"):
                    yield f"cell {number} shows a bare {kind}, which has no alt text: use show()"
                if kind == "text/html":
                    for image in _Images("".join(content)).found:
                        if not (image.get("alt") or "").strip():
                            yield f"cell {number} shows an image without alt text"


def offline(notebook):
    """After the setup cell no code asks the network for anything by itself."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and "setup" not in tags(cell):
            for found in NETWORK.findall(cell.source):
                yield f"cell {number} reaches the network: {found.strip()}"


def normalised(text):
    """The file is as `make notebooks` writes it."""
    if len(text.encode()) > LARGEST:
        yield f"the file has {len(text.encode()) / 1e6:.1f} MB, more than {LARGEST / 1e6}"
    if refresh.dumps(refresh.normalise(nbformat.reads(text, as_version=4))) != text:
        yield "the file is not normalised: run make notebooks"


def audit(path):
    """Return every broken promise of one notebook file."""
    text = Path(path).read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    found = [*normalised(text), *links(notebook, Path(path).resolve().parent)]
    chapter = Path(path).resolve().parent.name != "reference"
    shape = (skeleton, exercises) if chapter else ()
    for check in (*shape, setup_cell, plain_markdown, outputs, offline):
        found += check(notebook)
    return found


if __name__ == "__main__":
    bad = [f"{p}: {e}" for p in sys.argv[1:] or refresh.chapters() for e in audit(p)]
    sys.exit("\n".join(bad) or 0)
