"""Run the code cells of a notebook as one plain script: no kernel, no IPython, no display.

python as_script.py notebook.ipynb

Needs the standard library alone, so that a bare environment can run it. Lines that start with %
or ! are for notebooks; reaching one here means that mdlib was not importable.
"""

import json
import sys
from pathlib import Path


def code_cells(path):
    """Yield the (number, source) of each code cell, its magics made to raise."""
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            yield number, "\n".join(map(_plain, lines))


def _plain(line):
    code = line.lstrip()
    if not code.startswith(("%", "!")):
        return line
    indent = line[: len(line) - len(code)]
    return f"{indent}raise RuntimeError({'reached ' + code!r})"


def run(path):
    """Execute the code cells of a notebook in one namespace."""
    namespace = {"__name__": "__main__"}
    for number, source in code_cells(path):
        exec(compile(source, f"{Path(path).name}, cell {number}", "exec"), namespace)


if __name__ == "__main__":
    run(sys.argv[1])
