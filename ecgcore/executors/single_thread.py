"""Imported first where workers start: beside other workers, numpy's own threads only wait.

Arrow's own memory pool keeps what was freed; the system's gives it back.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
