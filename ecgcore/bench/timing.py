"""Best time of several rounds: other work on the machine can only slow a round down."""

import time
from collections.abc import Callable


def best_ms(work: Callable[[], object], round_s: float, at_least: int = 1) -> float:
    """Return the shortest time of a call in ms, over ``round_s`` seconds or ``at_least`` calls."""
    until, calls, best_s = time.perf_counter() + round_s, 0, float("inf")
    while time.perf_counter() < until or calls < at_least:
        started = time.perf_counter()
        work()
        best_s, calls = min(best_s, time.perf_counter() - started), calls + 1
    return 1000 * best_s
