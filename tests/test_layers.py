"""The contracts of the import linter hold, and each of them is broken by what it forbids."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]


@pytest.fixture
def house(tmp_path):
    """A copy of the library's code with its contracts."""
    shutil.copytree(ROOT / "mdlib", tmp_path / "mdlib", ignore=shutil.ignore_patterns("*.json*"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(house):
    """The names of the contracts that the linter finds broken."""
    command = [sys.executable, "-c", LINT, "--no-cache", "--no-logo"]
    found = subprocess.run(command, cwd=house, capture_output=True, text=True)
    lines = [line for line in found.stdout.splitlines() if line.endswith((" KEPT", " BROKEN"))]
    assert len(lines) == len(CONTRACTS), found.stdout + found.stderr
    names = {line.removesuffix(" BROKEN") for line in lines if line.endswith(" BROKEN")}
    assert found.returncode == bool(names)
    return names


def test_all_contracts_hold(house):
    assert broken(house) == set()


STOREYS, NO_DISK, NETWORKS, STUDIES, FACE, CIRCLES = (contract["name"] for contract in CONTRACTS)
INSIDE = "def late():\n    from mdlib.{} import {}\n"
TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mdlib.{} import {}\n"


@pytest.mark.parametrize(
    ("file", "added", "contracts"),
    [
        ("geometry/norms.py", INSIDE.format("svm", "attention_svm"), {STOREYS, CIRCLES}),
        ("attention/losses.py", TYPES.format("svm", "Solution"), {STOREYS, CIRCLES}),
        ("descent/steps.py", "from mdlib.path import attention_path\n", {STOREYS}),
        ("train/loop.py", "import mdlib.data.text\n", {STOREYS}),
        ("newcomer.py", "", {STOREYS}),
        ("optim/proximal.py", "from mdlib.files import provenance\n", {NO_DISK}),
        ("nn/block.py", "from mdlib.geometry import LpPotential\n", {NETWORKS}),
        ("studies/images/run.py", "from mdlib.studies.text import SentimentRun\n", {STUDIES}),
        ("claims/rate.py", "from mdlib import attention_svm\n", {FACE}),
        ("svm/duality.py", "from mdlib.svm.solve import attention_svm\n", {CIRCLES}),
    ],
)
def test_what_a_contract_forbids_breaks_it(house, file, added, contracts):
    with (house / "mdlib" / file).open("a", encoding="utf-8") as code:
        code.write(f"\n{added}")
    assert broken(house) == contracts
