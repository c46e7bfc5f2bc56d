"""Variables and attributes beside an array: the names of its leads, its rate, unit and times.

For MATLAB, HDF5 and NumPy files alike: ``leads``, ``sig_name``, ``fs``, ``units`` …
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.tabular import TIME_NAMES
from ecgcore.records.lead_names import standard_leads
from ecgcore.records.rates import Statement, is_rate_name, rates_in_text
from ecgcore.records.units import name_and_unit

SIGNAL_VARIABLES = (
    *("val", "ECG", "ecg", "data", "feats", "signal", "signals", "tracings", "sig", "x", "X"),
    *("p_signal", "waveform", "waveforms", "ecg_data", "signal_mv", "ecg_signal", "arr_0"),
)
"""Variables that may hold a recording, in the order of precedence."""
_LEAD_VARIABLES = frozenset(
    "leads lead leadorder leadnames leadname leadlabels leadslist signame signames signalnames "
    "signalname channels channelnames chnames chname channelorder orderofleads".split()
)
_UNIT_VARIABLES = frozenset({"unit", "units", "sigunits", "signalunits", "unitssignal"})
_MOST_NAMES, _FEWEST_LEADS = 100, 8


@dataclass(frozen=True)
class ArrayFile:
    """A recording's array and what is known about it.

    Attributes
    ----------
    array
        Two-dimensional, leads in rows or columns, any unit.
    variable
        Its name in the file, for messages; '' where it has none.
    others
        The variables and attributes beside it.
    known_order
        The note of a source whose order of leads is known.
    known_hz
        What states the rate of its source, and the rate.
    usual_hz
        The rate that recordings of this form usually have.
    """

    array: np.ndarray
    variable: str = ""
    others: dict[str, Any] = field(default_factory=dict)
    known_order: str = ""
    known_hz: Statement = ("its source", None)
    usual_hz: Statement | None = None


def is_wanted(name: str) -> bool:
    """Return whether a variable of that name may describe a recording.

    Any variable of words may, too: one that lists leads names them, whatever it is called.
    """
    plain = _plain(name)
    return (
        plain in _LEAD_VARIABLES | _UNIT_VARIABLES
        or is_rate_name(name)
        or name_and_unit(name.lower())[0] in TIME_NAMES
    )


def is_lead(name: str) -> bool:
    """Return whether a variable is named after a lead: a vector of its samples."""
    return standard_leads([name]) != [None]


def lead_names(record: str, others: Mapping[str, Any]) -> list[str]:
    """Return the names of an array's leads that a variable gives, [] where none does.

    Raises
    ------
    UnreadableRecord
        Two variables name them differently, or one gives their order by other numbers than a count.
    """
    named = []
    for variable, value in others.items():
        names, is_named_so = _texts(value), _plain(variable) in _LEAD_VARIABLES
        n_leads = sum(lead is not None for lead in standard_leads(names))
        if n_leads >= _FEWEST_LEADS or (is_named_so and (n_leads or len(names) > 1)):
            named.append(names)
        elif is_named_so and _is_other_order(value):
            raise UnreadableRecord(
                f"Record {record}: the order of its leads is given by numbers; name the leads "
                "(I, II, III, aVR, …, V6)."
            )
    if any(names != named[0] for names in named):
        raise UnreadableRecord(
            f"Record {record}: two of its variables name the leads differently; keep the one that "
            "is meant."
        )
    return named[0] if named else []


def rate_statements(others: Mapping[str, Any]) -> list[Statement]:
    """Return the rates that variables and attributes state."""
    statements: list[Statement] = []
    for name, value in others.items():
        if is_rate_name(name):
            rates_hz = [number(value)] if number(value) else rates_in_text([f"fs={text(value)}"])
            statements += [(f"its variable {name}", rate_hz) for rate_hz in rates_hz]
    return statements


def units(record: str, file: ArrayFile, n_leads: int) -> list[str]:
    """Return the unit of each lead in lower case, '' where neither a variable nor its name has one.

    Raises
    ------
    UnreadableRecord
        There are neither one unit nor as many as leads.
    """
    for variable, value in file.others.items():
        if _plain(variable) in _UNIT_VARIABLES and (texts := _texts(value)):
            if len(texts) not in (1, n_leads):
                raise UnreadableRecord(
                    f"Record {record} states {len(texts)} units for {n_leads} leads; one for all "
                    "or one for each is needed."
                )
            return [text.lower() for text in texts] * (n_leads if len(texts) == 1 else 1)
    return [name_and_unit(file.variable)[1]] * n_leads


def times(others: Mapping[str, Any], n_samples: int) -> tuple[np.ndarray, str] | None:
    """Return the variable that gives each sample's time, and its unit; None where none does."""
    for variable, value in others.items():
        name, unit = name_and_unit(variable.lower())
        if name in TIME_NAMES and isinstance(value, np.ndarray):
            if value.size == n_samples and value.dtype.kind in "iuf":
                return value.ravel().astype(np.float64), unit or name
    return None


def find_recording(path: Path, variables: dict[str, Any]) -> ArrayFile | None:
    """Return the array of a recording with the variables beside it, None where there is none.

    It is one of SIGNAL_VARIABLES, or made of vectors that are named after leads.

    Raises
    ------
    UnreadableRecord
        Two variables hold different recordings.
    """
    signals = [name for name in SIGNAL_VARIABLES if isinstance(variables.get(name), np.ndarray)]
    if not signals:
        return _recording_by_leads(variables)
    candidates = [name for name in signals if 12 in variables[name].shape] or signals[:1]
    array = variables[candidates[0]]
    if any(not np.array_equal(variables[name], array) for name in candidates[1:]):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds several recordings "
            f"({', '.join(candidates)}); store each in a file of its own."
        )
    others = {name: value for name, value in variables.items() if name not in signals}
    return ArrayFile(array, candidates[0], others)


def _recording_by_leads(variables: dict[str, Any]) -> ArrayFile | None:
    """Return vectors that are named after leads as one array, None where they are not alike."""
    vectors = {
        name: value.ravel()
        for name, value in variables.items()
        if isinstance(value, np.ndarray) and value.size > 1 and value.dtype.kind in "iuf"
    }
    leads = [n for n, lead in zip(vectors, standard_leads(list(vectors)), strict=True) if lead]
    if len({len(vectors[lead]) for lead in leads}) != 1:
        return None
    array = np.stack([vectors[lead] for lead in leads]).astype(np.float64)
    stated = {"leads": np.array(leads)}
    if all(units := [name_and_unit(lead)[1] for lead in leads]):
        stated["units"] = np.array(units)
    return ArrayFile(array, "", {**variables, **stated})


def number(value: Any) -> float | None:
    """Return the one finite number that a variable holds, also as text; None for anything else."""
    cells = np.ravel(value) if value is not None else np.array([])
    if cells.size != 1:
        return None
    try:
        parsed = float(_decoded(cells[0]) if cells.dtype.kind in "SUO" else cells[0])
    except (TypeError, ValueError):
        return None
    return parsed if np.isfinite(parsed) else None


def text(value: Any) -> str:
    """Return the one text that a variable holds, '' for anything else."""
    texts = _texts(value)
    return texts[0] if len(texts) == 1 else ""


def _texts(value: Any) -> list[str]:
    """Return the texts of a cell array, a character matrix, a list, or one text of several."""
    cells = np.ravel(np.asarray(() if value is None else value, dtype=object))[:_MOST_NAMES]
    texts: list[str] = []
    for cell in cells:
        if isinstance(cell, np.ndarray):
            texts += _texts(cell) or [""]
        elif isinstance(cell, (str, bytes)):
            texts.append(_decoded(cell).strip(" \0\t\r\n"))
    if len(texts) == 1 and len(several := re.split(r"\s*[,;|]\s*|\s+", texts[0])) > 7:
        return several
    return texts


def _decoded(cell: Any) -> str:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _is_other_order(value: Any) -> bool:
    """Return whether numbers give another order than a count from 0 or 1."""
    cells = np.ravel(value)
    if cells.size < 2 or cells.dtype.kind not in "iuf":
        return False
    return not any(np.array_equal(cells, np.arange(cells.size) + first) for first in (0, 1))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
