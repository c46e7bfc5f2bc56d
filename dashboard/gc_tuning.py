"""What is loaded for good, or held by open sessions, need not be looked through again and again.

Streamlit collects garbage after each run of a page, and no other page runs meanwhile. With torch,
pandas and plotly loaded these are half a million objects and 0.3 s a run, longer than most pages
take, and each open session adds to them. What is there is set aside; what runs leave is collected
as before, and twice a minute all is looked through.
"""

import atexit
import gc
import sys
import time

MANY = 100  # modules that were loaded since: a library, not a page
EVERY_S = 30.0
_loaded, _at_s = 0, 0.0
atexit.register(gc.unfreeze)  # libraries in C look at the end whether all is gone


def set_aside() -> None:
    """Leave what is there now out of the next collections: when more was loaded, and in time."""
    global _loaded, _at_s
    now_s = time.monotonic()
    if len(sys.modules) < _loaded + MANY and now_s < _at_s + EVERY_S:
        return
    _loaded, _at_s = len(sys.modules), now_s
    gc.unfreeze()
    gc.collect()
    gc.freeze()
