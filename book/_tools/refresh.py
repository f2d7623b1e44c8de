"""Execute the chapters and save them, so that a second run changes no byte.

    python book/_tools/refresh.py                       every notebook of _toc.yml, in order
    python book/_tools/refresh.py book/part/01-x.ipynb  only those named

Stops at the first notebook that raises an error or writes to stderr, and leaves it as it was.
"""

import argparse
import ast
import os
import sys
import time
from pathlib import Path

import nbformat
import yaml
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets import default

ROOT = Path(__file__).resolve().parents[2]
CELL_SECONDS = 60

# The one setup cell of every chapter. It asks for neither torch nor numpy: Colab has its own.
SETUP = """\
try:
    import mdlib
except ImportError:
    %pip install --quiet "attention-in-the-mirror[book] @ git+{url}@v{version}"
    import mdlib"""

CELL_METADATA = {"tags", "cellView"}
# What the site writes on the fold of a solution; a notebook program ignores it.
SOLUTION_METADATA = {
    "mystnb": {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"}
}
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "python3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def config():
    """Return _config.yml as a dictionary."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def version():
    """Return ``mdlib.__version__`` without importing mdlib."""
    tree = ast.parse((ROOT / "mdlib" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__":
            return ast.literal_eval(node.value)
    raise ValueError("mdlib/__init__.py has no line __version__ = '...'")


def pages():
    """Return the source files of the book in reading order, from _toc.yml."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    sources = []
    for name in names:
        notebook = ROOT / f"{name}.ipynb"
        sources.append(ROOT / f"{name}.md" if not notebook.exists() else notebook)
    return sources


def chapters():
    """Return the notebooks of the book in reading order."""
    return [page for page in pages() if page.suffix == ".ipynb"]


def setup_source():
    """Return the text of the setup cell."""
    return SETUP.format(url=config()["repository"]["url"], version=version())


def normalise(notebook):
    """Remove from a notebook, in place, what changes from run to run without meaning."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for index, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{index}")
        kept = {key: value for key, value in cell.metadata.items() if key in CELL_METADATA}
        if "solution" in kept.get("tags", []):
            kept |= SOLUTION_METADATA
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = _joined_streams(cell.outputs)
    return notebook


def _joined_streams(outputs):
    """Join neighbouring pieces of one stream: where a stream is cut depends on timing."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if (
            last is not None
            and output.output_type == last.output_type == "stream"
            and output.name == last.name
        ):
            last.text += output.text
        else:
            joined.append(output)
    return joined


def dumps(notebook):
    """Return the text that a notebook is stored as: sorted keys, one space, final newline."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


class RunningPython(AsyncKernelManager):
    """A kernel of the Python that runs this file, whichever kernels are installed beside it."""

    @default("kernel_spec_manager")
    def _native_kernel_only(self):
        return KernelSpecManager(kernel_dirs=[])


def execute(notebook, folder):
    """Run a notebook in place, in ``folder``; raise on an error and on stderr output."""
    NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_manager_class=RunningPython,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # else each start warns of open TCP ports
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise RuntimeError(f"cell {number} wrote to stderr:\n{output.text}")


def refresh(path):
    """Execute and save one notebook; return whether its file changed."""
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    setups = [c for c in notebook.cells if "setup" in c.metadata.get("tags", [])]
    if len(setups) != 1:
        raise ValueError(f"{path} has {len(setups)} cells tagged 'setup'; it needs one")
    setups[0].source = setup_source()
    execute(notebook, path.parent)
    after = dumps(normalise(notebook))
    if after == before:
        return False
    beside = path.with_suffix(".ipynb.new")
    beside.write_text(after, encoding="utf-8")
    beside.replace(path)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of _toc.yml")
    os.environ["OMP_NUM_THREADS"] = "1"  # as in the tests: the stored digits depend on it
    changed = []
    for path in [p.resolve() for p in parser.parse_args().notebooks] or chapters():
        start = time.perf_counter()
        try:
            if refresh(path):
                changed.append(path.name)
        except (CellExecutionError, RuntimeError, ValueError) as error:
            sys.exit(f"failed  {path.name}, which stays as it was\n{error}")
        state = "changed" if path.name in changed else "same"
        print(f"{state:8}{path.name}  {time.perf_counter() - start:.1f} s", flush=True)
    print(f"{len(changed)} changed" + (": " + ", ".join(changed) if changed else ""))


if __name__ == "__main__":
    main()
