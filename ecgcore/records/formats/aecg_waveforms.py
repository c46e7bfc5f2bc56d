"""The waveforms of an HL7 annotated ECG: sequence sets of its rhythm series, with their times.

ANSI/HL7 V3 ECG R1-2004: a value is ``origin + scale * digit``; a GLIST states start and increment.
"""

import re
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.lead_groups import LeadGroup
from ecgcore.records.vendor_record import (
    lead_label,
    mv_per_unit,
    parse_number,
    refuse_length,
    refuse_median_beat,
)

_MEDIAN = "REPRESENTATIVE_BEAT"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_LEAD_CODE = re.compile(r"\w*_ECG_LEAD_(\w+)", re.I)
_INVERTED_AVR = "AVRNEG"


def rhythm_groups(path: Path, root: Element) -> list[LeadGroup]:
    """Return the sequence sets of the rhythm series, in the file's order.

    Raises
    ------
    UnreadableRecord
        No waveform, a representative beat alone, no rate, or leads of one set differ in length.
    """
    if next(root.iter("digits"), None) is None:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is an aECG without a waveform (no sequence holds "
            "digits). Export the ECG with its rhythm series."
        )
    rhythms = [s for s in root.findall("component/series") if _code(s).upper() != _MEDIAN]
    sets = [s for series in rhythms for s in series.findall("component/sequenceSet")]
    groups = [_group(path, s) for s in sets if next(s.iter("digits"), None) is not None]
    if not groups:
        refuse_median_beat(path)
    kinds = {_time(s)[0] for s in sets}
    if len(kinds) > 1:  # absolute and relative times cannot be compared
        groups = [LeadGroup(g.columns, g.signal_mv, g.fs_hz) for g in groups]
    return groups


def _code(element: Element) -> str:
    code = element.find("code")
    return code.get("code", "") if code is not None else ""


def _time(sequence_set: Element) -> tuple[str, Element | None]:
    """Return the kind of a set's clock (``TIME_ABSOLUTE``, ``TIME_RELATIVE``) and its value."""
    for sequence in sequence_set.findall("component/sequence"):
        if _code(sequence).upper().startswith("TIME_"):
            return _code(sequence).upper(), sequence.find("value")
    return "", None


def _group(path: Path, sequence_set: Element) -> LeadGroup:
    kind, time = _time(sequence_set)
    fs_hz = _fs_hz(path, time)
    columns, rows = [], []
    for sequence in sequence_set.findall("component/sequence"):
        if lead := _LEAD_CODE.fullmatch(_code(sequence)):
            column = "-aVR" if lead[1].upper() == _INVERTED_AVR else lead[1]
            columns.append(column)
            rows.append(_lead_mv(path, column, sequence.find("value")))
    lengths = {row.size for row in rows}
    if len(lengths) != 1:
        raise UnreadableRecord(
            f"Record {path.stem}: its leads differ in rate or length; leads recorded together are "
            "needed. Export it again."
        )
    refuse_length(path, lengths.pop(), fs_hz)
    return LeadGroup(columns, np.stack(rows), fs_hz, _start_s(kind, time))


def _fs_hz(path: Path, time: Element | None) -> float:
    """Return the rate that the increment states."""
    increment = time.find("increment") if time is not None else None
    step = parse_number(increment.get("value")) if increment is not None else None
    unit = _SECONDS.get(increment.get("unit", "")) if increment is not None else None
    if not step or step <= 0 or unit is None:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} states no usable sampling rate (an increment of its "
            "time in s, ms or µs)."
        )
    fs_hz = 1 / (step * unit)
    return float(round(fs_hz)) if abs(fs_hz - round(fs_hz)) < 1e-6 * fs_hz else fs_hz


def _start_s(kind: str, time: Element | None) -> float | None:
    """Return the start that the head states in seconds, None where there is none."""
    head = time.find("head") if time is not None else None
    if head is None:
        return None
    if kind == "TIME_RELATIVE":
        value, unit = parse_number(head.get("value")), _SECONDS.get(head.get("unit", ""))
        return None if value is None or unit is None else value * unit
    stamp = re.match(r"(\d{14})(\.\d+)?", head.get("value", ""))
    if stamp is None:
        return None
    try:
        start = datetime.strptime(stamp[1], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return (start - datetime(1900, 1, 1)).total_seconds() + float(stamp[2] or 0)


def _lead_mv(path: Path, column: str, value: Element | None) -> np.ndarray:
    """Return one lead, (T,) in mV."""
    digits = value.findtext("digits") if value is not None else None
    scale = value.find("scale") if value is not None else None
    if not digits or not digits.split() or scale is None:
        finding = "no scale" if digits else "no samples"
        raise UnreadableRecord(f"Record {path.stem}: {lead_label(column)} states {finding}.")
    samples = np.array(digits.split(), dtype=np.float64)
    in_mv = samples * (parse_number(scale.get("value")) or np.nan)
    in_mv *= mv_per_unit(path, column, scale.get("unit", ""))
    origin = value.find("origin") if value is not None else None
    if origin is not None and (parse_number(origin.get("value")) or 0) != 0:
        unit = origin.get("unit", "") or scale.get("unit", "")
        in_mv += float(origin.get("value", "0")) * mv_per_unit(path, column, unit)
    return in_mv
