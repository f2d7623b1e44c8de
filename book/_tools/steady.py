"""Run the chapters as if on other processors and list the cells that differ from the stored ones.

    python book/_tools/steady.py                       every notebook of _toc.yml
    python book/_tools/steady.py book/part/01-x.ipynb  only those named

The comparison is that of the tests (`tolerance`), the processors are those of `processors`. The
exit code is 1 if a cell differs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from processors import PROCESSORS
from refresh import ROOT, chapters

PYTEST = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-q"]


def differing(notebooks, variables):
    """Return by notebook which of its code cells differ under these environment variables."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [*PYTEST, f"--junitxml={report}", *notebooks],
            cwd=ROOT,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode not in (0, 1):  # neither all well nor some cells differ
            raise SystemExit(f"pytest failed\n{done.stdout}")
        found = failed(report.read_text(encoding="utf-8"))
    if bool(done.returncode) != bool(found):
        raise SystemExit(f"pytest failed, and no cell differs\n{done.stdout}")
    return found


def failed(report):
    """Return by notebook the numbers of its cells that failed, from the XML that pytest writes."""
    found = {}
    for case in ET.fromstring(report).iter("testcase"):
        if any(child.tag in ("failure", "error") for child in case):
            stem = case.get("classname").removesuffix(".ipynb").rpartition(".")[2]
            found.setdefault(stem, []).append(case.get("name").removeprefix("Cell "))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of _toc.yml")
    notebooks = [path.resolve() for path in parser.parse_args().notebooks] or chapters()
    os.nice(10)
    found = {}
    for name, variables in PROCESSORS.items():
        start = time.perf_counter()
        found[name] = differing(notebooks, variables)
        total = sum(map(len, found[name].values()))
        print(f"{name:6} {total} cells differ  {time.perf_counter() - start:.0f} s", flush=True)
    width = max(len(path.stem) for path in notebooks)
    print("\n" + " " * width, *(f"{name:>8}" for name in found))
    for path in notebooks:
        cells = [len(by_notebook.get(path.stem, ())) for by_notebook in found.values()]
        print(f"{path.stem:{width}}", *(f"{count or '.':>8}" for count in cells))
    worst = [
        f"{name}: {stem}: code cells {', '.join(cells)}"
        for name, by_notebook in found.items()
        for stem, cells in by_notebook.items()
    ]
    if worst:
        sys.exit("\n" + "\n".join(worst))


if __name__ == "__main__":
    main()
