"""Two gloo processes on this machine, as torchrun starts them."""

import subprocess
import sys
from pathlib import Path

import mdlib


def two_processes(script, folder):
    """Run ``script folder`` in two processes; what they keep, they keep in the folder."""
    launch = "-m torch.distributed.run --nnodes 1 --nproc-per-node 2 --rdzv-backend c10d"
    command = [*launch.split(), "--rdzv-endpoint", "localhost:0", script, folder]
    paths = [Path(__file__).parents[2], Path(mdlib.__file__).parents[1]]
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env={"PYTHONPATH": ":".join(map(str, paths)), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder
