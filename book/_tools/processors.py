"""Processors that others have, emulated by environment variables: one table for all who test.

    python book/_tools/processors.py COMMIT   the name of one and its variables, a line each

A library of numerics looks at the processor and takes the instructions that it finds, and so the
last bits of a sum are another's elsewhere. These variables make the libraries believe in an older
one: ``ATEN_CPU_CAPABILITY`` torch, ``MKL_CBWR`` and ``ONEDNN_MAX_CPU_ISA`` what torch multiplies
with, ``OPENBLAS_CORETYPE`` numpy and scipy, ``NUMBA_CPU_*`` the compiled kernel. (Numba keeps what
it compiles apart by them.) Where the processor is no x86 they do nothing. The last entry is no
processor: it disturbs each initial weight of a network in its last bit.

The choice by commit goes from one to the next as the hash falls; without a commit it is the real
processor. This file needs no package, so it runs before there is an environment.
"""

import sys
from pathlib import Path

NUDGE = Path(__file__).resolve().with_name("nudge.py")

PROCESSORS = {
    "old": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "NUMBA_CPU_NAME": "generic",
        "OPENBLAS_CORETYPE": "Prescott",
    },
    "sse41": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NUMBA_CPU_NAME": "nehalem",
        "NUMBA_CPU_FEATURES": "",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
    "avx": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "AVX",
        "ONEDNN_MAX_CPU_ISA": "AVX",
        "NUMBA_CPU_NAME": "sandybridge",
        "NUMBA_CPU_FEATURES": "",
        "OPENBLAS_CORETYPE": "Sandybridge",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    # A notebook's kernel runs this file before the first cell.
    "nudge": {"PYTHONSTARTUP": str(NUDGE)},
}


def chosen(commit):
    """Return the name of the processor of a commit, and its variables."""
    if not commit:
        return "as it is, for want of a commit", {}
    name = list(PROCESSORS)[int(commit[:8], 16) % len(PROCESSORS)]
    return name, PROCESSORS[name]


if __name__ == "__main__":
    name, variables = chosen("".join(sys.argv[1:]))
    print(name, *(f"{key}={value}" for key, value in variables.items()), sep="\n")
