"""Thread and memory settings of worker processes; imported before numpy is loaded.

Workers run side by side, so numpy's own threads would only wait for one another. Arrow's own
memory pool keeps freed memory; the system's returns it.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
