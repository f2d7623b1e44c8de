"""One thread a process, here and in the notebooks' kernels.

The sums of a parallel reduction depend on the number of threads, and the stored outputs of the
chapters are compared digit by digit. The workers of ``pytest -n`` also share the cores fairly.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
