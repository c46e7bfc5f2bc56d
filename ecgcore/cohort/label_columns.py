"""Columns of a table of labels: which one names records, and which state findings or attributes.

A column is taken without being named only where one reading is possible: all of its cells are yes
or no, its name is one of a few that leave no doubt, or its cells name records of the cohort.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.cohort.label_matching import NO_RECORD, RecordNames
from ecgcore.errors import RequestError
from ecgcore.labels import cells
from ecgcore.labels.table_file import LabelTable, named

NAMES = {
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id", "pid", "mrn"),
    "age": ("age", "age_years", "alter"),
    "sex": ("sex", "gender", "geschlecht"),
    "date": ("date", "datetime", "recording_date", "ecg_date", "ecg_time", "acquisition_date"),
    "site": ("site", "centre", "center"),
    "device": ("device", "machine"),
    "fold": ("fold", "strat_fold"),
}
"""Names by which a column of an attribute is known, in small letters."""
CLASS_NAMES = (
    *("label", "labels", "class", "classes", "diagnosis", "diagnoses", "diagnose", "dx"),
    *("rhythm", "statement", "statements"),
)
_LEAST_SHARE = 0.5
_SAMPLE_ROWS = 2000
_ALMOST = 0.9


@dataclass(frozen=True)
class ColumnRoles:
    """Role of each column; None or () where it is to be found, or there is none.

    Attributes
    ----------
    record
        Column that names records. Without one, rows are of patients (``patient``).
    labels
        Columns of yes, no or empty.
    numbers
        Columns of numbers, for the thresholds of a label set.
    classes
        Column of class names, several to a cell with ``separator``.
    patient, age, sex, date, site, device, fold
        Columns of attributes; of ``date`` only the order within the patient is kept.
    """

    record: str | None = None
    labels: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    classes: str | None = None
    separator: str | None = None
    patient: str | None = None
    age: str | None = None
    sex: str | None = None
    date: str | None = None
    site: str | None = None
    device: str | None = None
    fold: str | None = None
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def used(self) -> set[str]:
        """Names of all columns with a role."""
        one = (self.record, self.classes, *(getattr(self, name) for name in NAMES))
        return {*filter(None, one), *self.labels, *self.numbers}


def find_roles(table: LabelTable, given: ColumnRoles, names: RecordNames) -> ColumnRoles:
    """Return the roles as asked, and those that the columns leave no doubt about.

    Raises
    ------
    RequestError
        No column names records, or several do; no column states a finding or an attribute.
    """
    roles = _spelled_as_in_table(given, table)
    free = [name for name in table.columns if name not in {*roles.used, *roles.ignored}]
    for role, known in NAMES.items():
        matching = [name for name in free if name.lower().replace(" ", "_") in known]
        if getattr(roles, role) is None and len(matching) == 1:
            change: dict[str, Any] = {role: matching[0]}
            roles = replace(roles, **change)
            free.remove(matching[0])
    values = {name: _values(table, name) for name in (*free, *roles.labels)}
    if roles.record is None:
        unsure = [name for name in free if values[name] is None]
        roles = replace(roles, record=_record_column(table, unsure, names, roles.patient))
    free = [name for name in free if name not in roles.used]
    notes = list(roles.notes)
    if not (roles.labels or roles.classes or roles.numbers):
        found = tuple(name for name in free if values[name] is not None)
        roles = replace(roles, labels=found, classes=None if found else _class_column(free))
        notes += [note for name in free if (note := _almost(table, name))]
    if not roles.used - {roles.record}:
        raise RequestError(
            "No column holds labels: one of yes, no and empty cells, one of class names "
            f"(--class-column), or of numbers (--number-columns) is needed. {named(table.columns)}"
        )
    return replace(roles, notes=tuple(notes))


def _spelled_as_in_table(given: ColumnRoles, table: LabelTable) -> ColumnRoles:
    """Return the roles with names as the table spells them; refuse names that it lacks."""
    by_column = {id(values): name for name, values in table.columns.items()}

    def spelled(name: str) -> str:
        return by_column[id(table.column(name))]

    several: dict[str, Any] = {
        name: tuple(map(spelled, getattr(given, name))) for name in ("labels", "numbers", "ignored")
    }
    single: dict[str, Any] = {
        name: spelled(column)
        for name in ("record", "classes", *NAMES)
        if (column := getattr(given, name)) is not None
    }
    return replace(given, **several | single)


def _values(table: LabelTable, name: str) -> list[float] | None:
    """Return yes or no of a column's distinct cells, None where it is no such column."""
    return cells.parse_cells(pd.unique(pd.Series(table.columns[name])), cells.yes_or_no)


def _record_column(
    table: LabelTable, free: list[str], names: RecordNames, patient: str | None
) -> str | None:
    """Return the one column whose cells name records; None where rows are of patients."""
    rows = {name: names.find_all(table.columns[name][:_SAMPLE_ROWS]) for name in free}
    share = {name: float(np.mean(found != NO_RECORD)) for name, found in rows.items()}
    able = sorted((name for name in free if share[name] >= _LEAST_SHARE), key=lambda n: -share[n])
    if not able and patient is not None:
        return None
    if not able:
        raise RequestError(
            "No column names records of the cohort by name, file or path. Name one with "
            "--record-column, and find ids inside paths with --id-from. "
            f"{named(table.columns)}"
        )
    best = rows[able[0]]
    for other in able[1:]:
        both = (best >= 0) & (rows[other] >= 0)
        if (best[both] != rows[other][both]).any():
            raise RequestError(
                f"The columns '{able[0]:.40}' and '{other:.40}' name different records in one row; "
                "say which counts with --record-column."
            )
    return able[0]


def _class_column(free: list[str]) -> str | None:
    matching = [name for name in free if name.lower() in CLASS_NAMES]
    return matching[0] if len(matching) == 1 else None


def _almost(table: LabelTable, name: str) -> str:
    """Return a note on a column of which a few cells are neither yes nor no, else ''."""
    column = pd.Series(table.columns[name])
    other = {cell for cell in pd.unique(column) if cells.yes_or_no(cell) is None}
    n = int(column.isin(other).sum())
    if not 0 < n <= (1 - _ALMOST) * len(column):
        return ""
    return (
        f"Column '{name:.40}' is not used: {n:,} of {len(column):,} cells are neither yes nor no."
    )


def refuse_second_header(table: LabelTable, names: RecordNames) -> None:
    """Refuse a table whose first row of data names units or groups of columns, as a header does."""
    first = {name: column[0] for name, column in table.columns.items()}
    if len(table) < 4 or any(names.find(cell) != NO_RECORD for cell in first.values()):
        return
    for name, column in table.columns.items():
        below = pd.unique(pd.Series(column[1:]))
        for parse in (cells.yes_or_no, cells.number):
            if parse(first[name]) is None and cells.parse_cells(below, parse) is not None:
                raise RequestError(
                    "The second row looks like a second row of names: below it, columns hold only "
                    "numbers or yes and no. Delete it, so that one row names the columns."
                )


def parsed(
    table: LabelTable, name: str, parse: Callable[[str], float | None], kind: str
) -> np.ndarray:
    """Return (rows,) float of a column, NaN where empty; refuse other cells by their rows."""
    column = table.columns[name]
    known: dict[str, float | None] = {cell: parse(cell) for cell in pd.unique(pd.Series(column))}
    wrong = [i for i, cell in enumerate(column) if known[cell] is None]
    if wrong:
        shown = ", ".join(str(i + 2) for i in wrong[:3])
        raise RequestError(
            f"Column '{name:.40}': {len(wrong):,} of {len(column):,} cells are no {kind} (rows "
            f"{shown}{' …' if wrong[3:] else ''}); mend them, or leave the column out."
        )
    return np.array([known[cell] for cell in column], float)


def attribute_values(
    table: LabelTable, name: str, parse: Callable[[str], object]
) -> tuple[np.ndarray, int]:
    """Return (rows,) object of an attribute, None where empty, and the number of cells not read."""
    column = table.columns[name]
    known: Mapping[str, object] = {
        cell: None if cells.is_empty(cell) else parse(cell) for cell in pd.unique(pd.Series(column))
    }
    values = np.array([known[cell] for cell in column], object)
    unread = sum(known[cell] is None and not cells.is_empty(cell) for cell in column)
    return values, unread
