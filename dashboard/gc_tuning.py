"""Garbage collection of a server with large libraries and many open sessions.

Streamlit collects garbage after each run of a page, and no other page runs meanwhile. With torch,
pandas and plotly loaded, half a million objects are scanned in 0.3 s per run, longer than most
pages take, and each open session adds more. Objects that already exist are therefore frozen; what
later runs leave behind is collected as usual, and every 30 seconds all objects are scanned.
"""

import atexit
import gc
import sys
import time

NEW_MODULES = 100  # loaded since the last freeze: a library was imported, not just a page
INTERVAL_S = 30.0
_n_modules, _frozen_at_s = 0, 0.0
atexit.register(gc.unfreeze)  # C libraries check at exit that their objects were released


def freeze_objects() -> None:
    """Exclude existing objects from later collections, after large imports and at intervals."""
    global _n_modules, _frozen_at_s
    now_s = time.monotonic()
    if len(sys.modules) < _n_modules + NEW_MODULES and now_s < _frozen_at_s + INTERVAL_S:
        return
    _n_modules, _frozen_at_s = len(sys.modules), now_s
    gc.unfreeze()
    gc.collect()
    gc.freeze()
