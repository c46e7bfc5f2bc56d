"""Time columns: the rate they show, and where samples are missing between two rows."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord

SECONDS_PER_UNIT = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanoseconds"), 1e-9),
}
_CLOCK = re.compile(
    r"(?:(?P<day>\S.{0,18}?)[T ])?(?:(?P<h>\d{1,2}):)?(?P<m>\d{1,2}):(?P<s>\d{1,2}(?:[.,]\d+)?)"
    r"\s?(?:(?P<half>[AP])M|Z|UTC|[+-]\d\d:?\d\d)?",
    re.I,
)
_DAY_S = 86_400.0
_MOST_UNEVEN, _EVEN_FROM = 0.25, 5
"""Steps by which a gap may miss a whole number, and the gap from which that no longer matters."""
_MOST_LISTED = 3


class Clock(NamedTuple):
    """The rate of a time column in Hz (None for a count), and each row's place among all samples.

    ``places`` is (T,), from 0 on; a number that is left out is a missing sample.
    """

    fs_hz: float | None
    places: np.ndarray


def is_clock_time(cell: str) -> bool:
    """Return whether a cell is a time of day, such as ``10:00:00.002``, with or without a date."""
    return _CLOCK.fullmatch(cell.strip()) is not None


def parse_times(name: str, cells: Sequence[str]) -> np.ndarray:
    """Return clock times in seconds after midnight of the first day, (T,) float64.

    Raises
    ------
    UnreadableRecord
        A cell is no time, or they span more than two days.
    """
    matches = [_CLOCK.fullmatch(cell.strip()) for cell in cells]
    days = {match["day"] for match in matches if match}
    if None in matches or len(days) > 2:
        raise UnreadableRecord(
            f"Record {name}: its time column is not one of times of day (10:00:00.002) within two "
            "days; give seconds in a column time_s."
        )
    seconds = np.array([_seconds(match) for match in matches if match])
    midnights = np.cumsum(np.diff(seconds, prepend=seconds[:1]) < -_DAY_S / 2)
    return seconds + _DAY_S * midnights


def read_clock(name: str, times: np.ndarray, unit: str) -> Clock:
    """Return the rate of a time column and the place of each row; steps may only be whole ones.

    Parameters
    ----------
    name
        The record's name, for messages.
    times
        (T,), at least three.
    unit
        A key of SECONDS_PER_UNIT; any other is inferred from the size of a step.

    Raises
    ------
    UnreadableRecord
        The times do not go up in equal steps, leave out more than they hold, or may be a count.
    """
    step, places = _places(name, times, "time")
    seconds = SECONDS_PER_UNIT.get(unit) or _infer_seconds(step)
    if seconds is None:
        raise UnreadableRecord(
            f"Record {name}: its time column goes up by {step:g}, which may be s, ms or "
            "samples; name it time_s or time_ms."
        )
    return Clock(round(1 / (step * seconds), 3), places)


def read_count(name: str, numbers: np.ndarray) -> Clock:
    """Return the places of a column that counts samples (0, 1, 2, …); none is left out silently."""
    return Clock(None, _places(name, numbers, "index")[1])


def is_count(numbers: np.ndarray) -> bool:
    """Return whether numbers are 0, 1, 2, … or 1, 2, 3, …"""
    return len(numbers) > 1 and bool(
        numbers[0] in (0, 1) and np.array_equal(numbers, numbers[0] + np.arange(len(numbers)))
    )


def fill_gaps(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return (leads, T) with NaN for the samples that are missing, (leads, places[-1] + 1)."""
    if len(places) == 0 or places[-1] == len(places) - 1:
        return rows
    filled = np.full((len(rows), int(places[-1]) + 1), np.nan)
    filled[:, places] = rows
    return filled


def gap_notes(places: np.ndarray, fs_hz: float) -> tuple[str, ...]:
    """Return notes of gaps, such as ``2.0 s missing from 4.1 s on``; of many, their number."""
    before = np.flatnonzero(np.diff(places) > 1)
    notes = [
        f"{_duration((places[i + 1] - places[i] - 1) / fs_hz)} missing from "
        f"{_duration((places[i] + 1) / fs_hz)} on"
        for i in before[:_MOST_LISTED]
    ]
    if len(before) > _MOST_LISTED:
        n_missing = int(places[-1]) + 1 - len(places)
        notes.append(f"{_duration(n_missing / fs_hz)} missing in {len(before)} gaps in all")
    return tuple(notes)


def _places(name: str, times: np.ndarray, column: str) -> tuple[float, np.ndarray]:
    """Return the usual step, and each row's place in steps."""
    steps = np.diff(times)
    usual = float(np.median(steps))
    step = float(steps[steps < 1.5 * usual].mean()) if usual > 0 else np.nan
    if not step > 0 or (steps < 0.5 * step).any():  # NaN is not more than 0
        raise _uneven(name, column)
    n_steps = np.where(steps < 1.5 * step, 1, np.rint(steps / step))
    is_uneven = np.abs(steps / step - n_steps) > _MOST_UNEVEN
    if (is_uneven & (n_steps > 1) & (n_steps < _EVEN_FROM)).any():
        raise _uneven(name, column)
    if n_steps.sum() > 2 * len(times):
        raise UnreadableRecord(
            f"Record {name}: its {column} column leaves out more samples than it holds. Cut out "
            "the part that is meant."
        )
    return step, np.concatenate([[0], np.cumsum(n_steps)]).astype(np.int64)


def _uneven(name: str, column: str) -> UnreadableRecord:
    return UnreadableRecord(
        f"Record {name}: its {column} column does not go up in equal steps; a recording sampled "
        "evenly is needed."
    )


def _infer_seconds(step: float) -> float | None:
    """Return the seconds in a clock's unit by its step: 0.001–0.02 s, or 2–20 ms; 1 may count."""
    if step <= 0.05:
        return 1.0
    return 1e-3 if 1.5 < step <= 20 else None


def _seconds(match: re.Match) -> float:
    hours = int(match["h"] or 0)
    if match["half"]:
        hours = hours % 12 + (12 if match["half"].upper() == "P" else 0)
    return 3600.0 * hours + 60 * int(match["m"]) + float(match["s"].replace(",", "."))


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 or seconds == 0 else f"{seconds:.3f} s"
