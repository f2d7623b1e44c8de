"""Run every chapter with the wheel alone: no checkout, no notebook software, no book beside it.

    python book/_tools/isolated.py            dependencies at the versions of requirements.txt
    python book/_tools/isolated.py --newest   the newest that the wheel allows

Builds the wheel and installs it into a fresh environment, first alone: the example of the README
has to run. Then with the packages that [book] asks for: each notebook of _toc.yml runs as a plain
script, from an empty folder. A chapter that imports something the wheel does not bring, or reads a
file beside itself, fails here; in Colab it would fail too.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from refresh import ROOT, chapters

AS_SCRIPT = Path(__file__).with_name("as_script.py")


def readme_example():
    """Return the code of the README's example, and what it says that this prints."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    ((code, printed),) = re.findall(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", text, re.M | re.S
    )
    return code, printed


def main():
    wheels = ROOT / "_build" / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, ROOT],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (wheel,) = wheels.glob("*.whl")
    print(f"built {wheel.name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        environment, empty = Path(folder) / "venv", Path(folder) / "empty"
        empty.mkdir()
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        pins = [] if "--newest" in sys.argv else ["--constraint", ROOT / "requirements.txt"]
        install = [python, "-m", "pip", "install", "--quiet", *pins]
        subprocess.run([*install, wheel], check=True)
        code, printed = readme_example()
        example = [python, "-c", code]
        if (
            subprocess.run(example, cwd=empty, check=True, stdout=subprocess.PIPE, text=True).stdout
            != printed
        ):
            raise SystemExit("the wheel alone does not print what the README says")
        print("ran   the example of the README, with the wheel alone", flush=True)
        subprocess.run([*install, f"{wheel}[book]"], check=True)
        for chapter in chapters():
            start = time.perf_counter()
            subprocess.run(
                # -P: the folder of the script, inside the checkout, is no place to import from.
                [python, "-P", AS_SCRIPT, chapter],
                cwd=empty,
                check=True,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"},
            )
            print(f"ran   {chapter.name}  {time.perf_counter() - start:.1f} s", flush=True)
            left = list(empty.iterdir())
            if left:
                raise SystemExit(f"{chapter.name} left files behind: {left}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failure:
        sys.exit(f"failed: {' '.join(map(str, failure.cmd))}")
