"""What the tests and the notebooks' kernels share: one thread each, and what counts as equal.

The workers of ``pytest -n`` share the cores fairly, and sums do not depend on the machine's cores.
"""

import os

from nbval.plugin import IPyNbCell

from tolerance import draws, forgive

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

exactly = IPyNbCell.compare_outputs


def closely(cell, test, ref, skip_compare=None):
    return exactly(cell, forgive(test, ref, draws(cell.cell.metadata)), ref, skip_compare)


IPyNbCell.compare_outputs = closely
