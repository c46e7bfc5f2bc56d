"""What is loaded for good need not be looked through for garbage again and again.

Streamlit collects garbage after each run of a page, and no other page runs meanwhile. With torch,
pandas and plotly loaded these are half a million objects and 0.3 s a run, longer than most pages
take. What a server has loaded once is set aside; what runs leave is collected as before.
"""

import atexit
import gc
import sys

MANY = 100  # modules that were loaded since: a library, not a page
_loaded = 0
atexit.register(gc.unfreeze)  # libraries in C look at the end whether all is gone


def set_aside() -> None:
    """Leave what is there now out of all later collections, each time that more was loaded."""
    global _loaded
    if len(sys.modules) < _loaded + MANY:
        return
    _loaded = len(sys.modules)
    gc.collect()
    gc.freeze()
