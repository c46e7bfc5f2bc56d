"""Time to lay out and write a paper page in each format."""

from collections.abc import Callable
from functools import partial

import numpy as np

from ecgcore.bench.timing import best_ms
from ecgcore.measurement.measurements import measure
from ecgcore.paper.draw import FORMATS, page_bytes
from ecgcore.records.record import Record

LONG_S, LONG_HZ = 60, 1000


def page_ms(signal_mv: np.ndarray, fs_hz: int, round_s: float) -> dict[str, float]:
    """Return milliseconds a 10 s page: ``svg``, ``png``, ``pdf``; the best of several.

    ``measure`` is the time of its measurements, ``svg_60s_1000hz`` of a page with a minute of
    twelve leads at 1000 Hz.

    Parameters
    ----------
    signal_mv
        (12, 10 s) in mV.
    round_s
        Seconds to spend on each.
    """
    record = Record(signal_mv, fs_hz, "bench")
    measurements = measure(record).as_json()
    tasks: dict[str, Callable[[], object]] = {
        suffix.removeprefix("."): partial(page_bytes, record, suffix, measurements=measurements)
        for suffix in FORMATS
    }
    tasks["measure"] = partial(measure, record)
    tasks["svg_60s_1000hz"] = partial(
        page_bytes, long_record(signal_mv, fs_hz), ".svg", layout="12x1", duration_s=LONG_S
    )
    results = {}
    for name, task in tasks.items():
        task()  # imports happen once
        results[name] = round(best_ms(task, round_s), 1)
    return results


def long_record(signal_mv: np.ndarray, fs_hz: int) -> Record:
    """Return a minute at 1000 Hz made of repetitions of a signal (12, T)."""
    times_s = np.arange(LONG_S * LONG_HZ) / LONG_HZ
    at_s = np.arange(signal_mv.shape[1]) / fs_hz
    period_s = signal_mv.shape[1] / fs_hz
    leads = [np.interp(times_s % period_s, at_s, lead_mv) for lead_mv in signal_mv]
    return Record(np.array(leads, np.float32), LONG_HZ, "long")
