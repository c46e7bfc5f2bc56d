"""An array of one recording (MATLAB, HDF5, NumPy) with the variables beside it, as a Record."""

from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.clocks import Clock, fill_gaps, gap_notes, read_clock
from ecgcore.records.formats import variables
from ecgcore.records.formats.variables import ArrayFile
from ecgcore.records.leads import finite, order_of_leads, twelve_leads
from ecgcore.records.rates import decide_rate, rate_in_name
from ecgcore.records.record import Record
from ecgcore.records.sources import identify_origin, source_name
from ecgcore.records.units import stated_mv

MOST_VALUES = 24_000_000
"""Half an hour of twelve leads at 1000 Hz."""
_FEWEST_SAMPLES = 100


def record_of_array(
    path: Path,
    file: ArrayFile,
    *,
    name: str = "",
    source_fs_hz: float | None = None,
    assume_order: bool = False,
    rate_advice: str = "give it (--source-fs-hz)",
) -> Record:
    """Return the Record of an array, without metadata of its source.

    Parameters
    ----------
    name
        The record's name, that of its file where it is ''.
    rate_advice
        What to do about a file without a rate.

    Raises
    ------
    UnreadableRecord
        Not twelve leads, no rate, unit or order that is clear. One line.
    """
    name = name or path.stem
    names = variables.lead_names(name, file.others)
    rows = _leads_in_rows(name, file, len(names))
    numbered = [str(i) for i in range(len(rows))]
    columns, order_notes = order_of_leads(
        name, names or numbered, rows, assume_order, file.known_order
    )
    units = variables.units(name, file, len(rows))
    rows_mv, scale_notes = stated_mv(name, rows, units, "Store it in mV, with a variable unit.")
    clock = _clock(name, file, rows.shape[1])
    statements = [
        *variables.rate_statements(file.others),
        ("its name", rate_in_name(path.stem)),
        ("its time variable", clock.fs_hz),
        file.known_hz,
    ]
    rate = decide_rate(
        name, statements, given_hz=source_fs_hz, usual=file.usual_hz, advice=rate_advice
    )
    signal_mv, lead_notes = twelve_leads(name, columns, fill_gaps(rows_mv, clock.places))
    notes = order_notes + scale_notes + rate.notes + lead_notes
    return Record(
        signal_mv=signal_mv,
        fs_hz=rate.fs_hz,
        name=name,
        source=source_name(identify_origin(name)),
        notes=notes + gap_notes(clock.places, rate.fs_hz),
        evidence={
            "rate": rate.origin,
            "leads": "a variable beside it" if names else order_notes[0],
            "unit": scale_notes[0] if scale_notes else "a variable beside it",
        },
    )


def _leads_in_rows(name: str, file: ArrayFile, n_names: int) -> np.ndarray:
    """Return the array as (leads, T) float64."""
    array, what = file.array, f"its variable {file.variable}" if file.variable else "its array"
    if array.size > MOST_VALUES:
        raise UnreadableRecord(f"Record {name}: {what} is too large to be one ECG.")
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise UnreadableRecord(
            f"Record {name}: {what} is no table of numbers; twelve leads in rows or columns are "
            "needed."
        )
    n_leads, n_samples = sorted(array.shape)
    if n_leads != (n_names or 12) or n_samples < _FEWEST_SAMPLES:
        needed = f"{n_names} leads, as it names them," if n_names else "twelve leads"
        raise UnreadableRecord(
            f"Record {name}: {what} is {array.shape[0]} by {array.shape[1]}; {needed} in rows or "
            "columns are needed."
        )
    return finite(array if array.shape[0] == n_leads else array.T)


def _clock(name: str, file: ArrayFile, n_samples: int) -> Clock:
    times = variables.times(file.others, n_samples)
    return Clock(None, np.arange(n_samples)) if times is None else read_clock(name, *times)
