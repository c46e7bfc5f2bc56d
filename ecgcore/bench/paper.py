"""How long the page for people takes, and how large it is: laid out and written in each form."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from ecgcore.measure.measurements import measure
from ecgcore.paper.draw import FORMATS, page_bytes
from ecgcore.records.record import Record

LONG_S, LONG_HZ = 60, 1000


def page_ms(signal_mv: np.ndarray, fs_hz: int, round_s: float) -> dict[str, float]:
    """Return the milliseconds of a page of 10 s: ``svg``, ``png``, ``pdf``; the best of several.

    ``measure`` is what its measurements take, ``svg_60s_1000hz`` a page with a minute of twelve
    leads at 1000 Hz.

    Parameters
    ----------
    signal_mv
        (12, 10 s) in mV.
    round_s
        Seconds to spend on each.
    """
    record = Record(signal_mv, fs_hz, "bench")
    measured = measure(record).as_json()
    ways: dict[str, Callable[[], object]] = {
        form.removeprefix("."): partial(page_bytes, record, form, measured=measured)
        for form in FORMATS
    }
    ways["measure"] = partial(measure, record)
    ways["svg_60s_1000hz"] = partial(
        page_bytes, long_record(signal_mv, fs_hz), ".svg", layout="12x1", seconds=LONG_S
    )
    return {name: _best_ms(way, round_s) for name, way in ways.items()}


def long_record(signal_mv: np.ndarray, fs_hz: int) -> Record:
    """Return a minute at 1000 Hz of a signal (12, T), repeated."""
    times_s = np.arange(LONG_S * LONG_HZ) / LONG_HZ
    at_s = np.arange(signal_mv.shape[1]) / fs_hz
    lasts_s = signal_mv.shape[1] / fs_hz
    leads = [np.interp(times_s % lasts_s, at_s, lead_mv) for lead_mv in signal_mv]
    return Record(np.array(leads, np.float32), LONG_HZ, "long")


def _best_ms(way: Callable[[], object], round_s: float) -> float:
    way()  # what is imported once is no page's
    until, best_s = time.perf_counter() + round_s, float("inf")
    while time.perf_counter() < until or best_s == float("inf"):
        started = time.perf_counter()
        way()
        best_s = min(best_s, time.perf_counter() - started)
    return round(1000 * best_s, 1)
