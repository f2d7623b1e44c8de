"""Write requirements.txt: the newest complete environment that pyproject.toml allows."""

import re
import subprocess
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "requirements.txt"


def main():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = ["setuptools", "wheel", *project["dependencies"]]
    wanted += [one for extra in project["optional-dependencies"].values() for one in extra]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        frozen = subprocess.run(
            [python, "-m", "pip", "freeze", "--all", "--exclude", "pip"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    # A build suffix such as +cpu belongs to this machine; so do the CUDA parts that torch pulls in.
    pins = [re.sub(r"\+\w+$", "", line) for line in frozen.splitlines()]
    pins = [pin for pin in pins if not pin.startswith(("nvidia-", "cuda-", "triton"))]
    header = [line for line in PINS.read_text().splitlines() if line.startswith("#")]
    PINS.write_text("\n".join([*header, *pins]) + "\n")
    print(f"{len(pins)} pins written to {PINS.name}")


if __name__ == "__main__":
    main()
