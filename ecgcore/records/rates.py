"""Sampling rates: what states one in a file, and the decision between several statements.

Every statement counts, none silently before another: two that differ are refused with both named,
and a rate that only a source's habit suggests is noted.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord

RATE_NAMES = frozenset(
    "fs f_s sr srate sfreq freq sample_rate sampling_rate samplerate samplingrate "
    "sample_frequency sampling_frequency samplefrequency samplingfrequency sample_freq "
    "sampling_freq curr_sample_rate".split()
)
"""Columns, variables and attributes that hold a rate, as ``is_rate_name`` compares them."""
_TOLERANCE, _NOTED_FROM = 0.01, 0.0005
"""Relative differences of two statements: rounding at most, and what is worth a note."""
_NUMBER = r"(?P<n>\d{1,3}(?:[,' ]\d{3})+(?!\d)|\d+(?:[.,]\d+)?(?:e\+?\d+)?)"
_HZ = r"(?P<k>k)?(?:hz|sps|s/s|samples?\s*(?:/|per)\s*s(?:ec(?:ond)?)?)(?![a-z])"
_BARE_HZ = _HZ.replace("<k>", "<k2>")
_RATE_WORD = (
    r"f_?s|sr|srate|sfreq|sampl(?:ing|e)[ _-]*(?:rate|freq(?:uency)?)|sampling|"
    r"samples?[ _-]*per[ _-]*s(?:ec(?:ond)?)?|abtast(?:rate|frequenz)"
)
_STATEMENTS = (
    re.compile(
        rf"(?<![a-z])(?:{_RATE_WORD})[ _]*(?:[\[(]?{_HZ}[\])]?)?[\"']?\s*(?:[=:,;]|is)?\s*{_NUMBER}"
        rf"(?:\s*{_BARE_HZ}|(?!\s*(?:bpm|/\s*min|-?bit|leads|[\d.]|[mµu]?s\b)))",
        re.I,
    ),
    re.compile(rf"^\W*rate[ _]*[\[(]?{_HZ}[\])]?\s*[=:,;]?\s*{_NUMBER}", re.I),
    re.compile(rf"^\W*rate\s*[=:,;]?\s*{_NUMBER}\s*{_HZ}", re.I),
    re.compile(rf"sampled(?:\s+from\s+[\d.]+\s*k?hz)?\s+(?:to|at|with)\s+{_NUMBER}\s*{_HZ}", re.I),
)
_INTERVAL = re.compile(
    r"(?<![a-z])(?:sampl(?:ing|e)[ _-]*(?:interval|period)|dt)\s*[=:,;]?\s*"
    r"(?P<n>\d*[.,]?\d+)\s*(?P<unit>[mµuμ]?s)\b",
    re.I,
)
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6}
_FORMER = re.compile(r"(?:original(?:ly)?|native|old|former|previous|before)\W*$", re.I)
_FILTER = (
    r"(?:notch|lp|hp|bp|bs|lo?w?[_-]?pass|high?[_-]?pass|band[_-]?(?:pass|stop|width)?|filt\w*|"
    r"cut[_-]?off|fc|mains|power[_-]?line|hum|butter\w*|cheby\w*)"
)
_FILTERS_IN_NAME = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"(?<![\d.])(?:\d+\.\d+|[1-9]\d?|0)\s?(?:hz)?\s?(?:-|–|to)\s?\d+(?:\.\d+)?\s?hz",
        r"(?<![\d.])\d+\.\d+\s?(?:hz)?_\s?\d+(?:\.\d+)?\s?hz",
        rf"(?<![a-z]){_FILTER}[_\-. ]*\d+(?:\.\d+)?\s?hz",
        rf"\d+(?:\.\d+)?\s?hz[_\-. ]*{_FILTER}(?![a-z])",
    )
)
"""A band (``0.05-150Hz``), and a filter's word before or after a frequency."""
_RATE_IN_NAME = re.compile(r"(?:^|(?<=[_\-. ]))(\d+(?:\.\d+)?) ?(k?)hz(?=$|[_\-. ])", re.I)
_NO_RATES_HZ = frozenset({50.0, 60.0, 150.0})
"""The mains' frequencies and the bandwidth of a diagnostic ECG (Kligfield et al. 2007)."""
_LOWEST_IN_NAME_HZ = 50


class Rate(NamedTuple):
    """A sampling rate in Hz, what it was taken from, and notes for the record."""

    fs_hz: float
    origin: str
    notes: tuple[str, ...] = ()


Statement = tuple[str, float | None]
"""What states a rate, in words such as ``its time column``, and the rate in Hz (None if none)."""


def decide_rate(
    name: str,
    statements: Iterable[Statement],
    *,
    given_hz: float | None = None,
    usual: Statement | None = None,
    advice: str = "give it (--source-fs-hz)",
) -> Rate:
    """Return the one rate on which all statements agree.

    Parameters
    ----------
    name
        The record's name, for messages.
    statements
        What the file and its name state, the most exact first.
    given_hz
        The caller's rate, for a file that does not state one.
    usual
        What recordings of this form usually have, and their rate: taken, with a note, where nothing
        else is known.
    advice
        What to do about a file without a rate.

    Raises
    ------
    UnreadableRecord
        Nothing states a rate, or two statements differ by more than 1 %.
    """
    known = [(origin, float(fs_hz)) for origin, fs_hz in statements if fs_hz]
    known_hz = [fs_hz for _, fs_hz in known] + ([given_hz] if given_hz else [])
    if not known_hz:
        return _usual_rate(name, usual, advice)
    if max(known_hz) > (1 + _TOLERANCE) * min(known_hz):
        given = [f"was given {given_hz:g} Hz"] if given_hz else []
        listed = ", ".join([*given, *(f"{o} says {fs_hz:g} Hz" for o, fs_hz in known)])
        raise UnreadableRecord(f"Record {name}: its sampling rate is not clear: {listed}.")
    origin, fs_hz = ("the rate given", float(given_hz)) if given_hz else known[0]
    others = [*known, usual] if usual else known
    return Rate(fs_hz, origin, _difference_notes(origin, fs_hz, others))


def is_rate_name(name: str) -> bool:
    """Return whether a column, variable or attribute of that name holds a sampling rate."""
    plain = re.sub(r"[\s-]+", "_", name.strip().lower())
    return re.sub(r"_?[\[(]?hz[\])]?$", "", plain) in RATE_NAMES


def rates_in_text(lines: Iterable[str]) -> list[float]:
    """Return the different rates that lines of text state, in Hz; a former rate is none.

    Examples
    --------
    >>> rates_in_text(["Rate: 75 bpm", "fs: 0.5 kHz (original fs: 1000)"])
    [500.0]
    """
    rates_hz: dict[float, None] = {}
    for line in lines:
        for pattern in _STATEMENTS:
            for match in pattern.finditer(line):
                if not _FORMER.search(line[: match.start()]):
                    rates_hz[_rate_hz(match)] = None
        for match in _INTERVAL.finditer(line):
            if interval := float(match["n"].replace(",", ".")):
                rates_hz[round(1 / (interval * _SECONDS[match["unit"].lower()]), 3)] = None
    return list(rates_hz)


def rate_in_name(stem: str) -> float | None:
    """Return the rate in a file's name in Hz, where it is one and alone and never a filter's.

    Examples
    --------
    >>> [rate_in_name(stem) for stem in ("x_500hz", "x_0.5-40Hz_1kHz", "x_bandpass_0.05-150Hz")]
    [500.0, 1000.0, None]
    """
    for pattern in _FILTERS_IN_NAME:
        stem = pattern.sub("", stem)
    rates_hz = {
        float(number) * (1000 if kilo else 1) for number, kilo in _RATE_IN_NAME.findall(stem)
    }
    rates_hz = {hz for hz in rates_hz - _NO_RATES_HZ if hz >= _LOWEST_IN_NAME_HZ}
    return rates_hz.pop() if len(rates_hz) == 1 else None


def _usual_rate(name: str, usual: Statement | None, advice: str) -> Rate:
    origin, fs_hz = usual or ("", None)
    if not fs_hz:
        raise UnreadableRecord(f"Record {name} does not say its sampling rate; {advice}.")
    return Rate(fs_hz, origin, (f"rate assumed: {fs_hz:g} Hz, {origin}",))


def _difference_notes(origin: str, fs_hz: float, others: Iterable[Statement]) -> tuple[str, ...]:
    """Return a note of each statement that differs a little, or of a usual rate that does."""
    return tuple(
        f"rate: {fs_hz:g} Hz ({origin}), not {other_hz:g} Hz ({other})"
        for other, other_hz in others
        if other_hz and abs(other_hz - fs_hz) > _NOTED_FROM * fs_hz
    )


def _rate_hz(match: re.Match) -> float:
    """Return the rate of a statement, whose number may have a decimal comma or thousands."""
    number = match["n"]
    is_grouped = re.fullmatch(r"\d{1,3}(?:[,' ]\d{3})+", number)
    value = float(re.sub(r"[,' ]", "", number) if is_grouped else number.replace(",", "."))
    groups = match.groupdict()
    return value * (1000 if groups.get("k") or groups.get("k2") else 1)
