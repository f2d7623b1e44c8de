"""What has to be installed: each import is of a declared package, and the mathematics needs few."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import refresh
from as_script import code_cells

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CALLED = {"PIL": "pillow", "sklearn": "scikit-learn"}  # what is not imported by its own name
MATHEMATICS = ("geometry", "attention", "optim", "svm", "descent", "path")


def names(requirements):
    return {re.match(r"[\w-]+", one)[0] for one in requirements}


def imported(*sources):
    """The packages besides the standard library that some code imports, wherever it does."""
    found = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module)
    tops = {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"mdlib"}
    return {CALLED.get(name, name) for name in tops}


def code(folder):
    """The text of the files in a folder of the library."""
    return [f.read_text(encoding="utf-8") for f in (ROOT / "mdlib" / folder).rglob("*.py")]


BASE = names(PROJECT["dependencies"])
EXTRA = {extra: names(wanted) for extra, wanted in PROJECT["optional-dependencies"].items()}


def test_the_mathematics_needs_what_a_bare_install_brings():
    """One solver asks for cvxpy and says how to get it; numba calls LAPACK through scipy."""
    face = (ROOT / "mdlib" / "__init__.py").read_text(encoding="utf-8")
    rooms = [source for name in MATHEMATICS for source in code(name)]
    assert imported(face, *rooms) - {"cvxpy"} == BASE - {"scipy"}


def test_every_import_is_of_a_declared_package():
    assert imported(*code("")) <= BASE | EXTRA["book"] | EXTRA["cluster"]
    assert EXTRA["book"] <= imported(*code(""))


def test_chapters_import_what_their_setup_cell_asks_for():
    (extra,) = re.findall(r"attention-in-the-mirror\[(\w+)\] @ git", refresh.setup_source())
    cells = [source for page in refresh.chapters() for _, source in code_cells(page)]
    assert imported(*cells) <= BASE | EXTRA[extra]


def test_the_face_loads_nothing_heavy():
    """Each worker process pays for what is imported at the top."""
    heavy = {"cvxpy", "numba", "scipy", "matplotlib", "PIL", "sklearn", "tokenizers", "pooch"}
    heavy |= {"requests", "joblib", "filelock"}
    code = f"import sys, torch; import mdlib; print(*{heavy} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert loaded.stdout.strip() == b""
