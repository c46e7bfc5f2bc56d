"""Import of a table of labels into a cohort: a plan that shows everything, then a new version.

Of the table reach the cohort: findings, numbers, and the attributes patient (as keyed hash), age,
sex, order within the patient, site, device and fold. No name, date or path is kept.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ecgcore.cohort import label_columns, label_versions
from ecgcore.cohort.index import OLDEST_YEARS, patient_hash
from ecgcore.cohort.label_columns import ColumnRoles, attribute_values, parsed
from ecgcore.cohort.label_matching import NO_RECORD, SEVERAL, RecordNames, shown_id
from ecgcore.cohort.label_versions import LabelVersion
from ecgcore.cohort.lock import exclusive_lock
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.labels import cells
from ecgcore.labels.table_file import LabelTable, read_label_table
from ecgcore.records.demographics import parse_age_years, parse_sex
from ecgcore.workspace import Workspace

MOST_CLASSES = 200
_LONGEST_TEXT = 40
_MOST_LISTED = 2000
_FOLD = re.compile(r"\d{1,3}")


@dataclass(frozen=True)
class Finding:
    """One finding of a table: its code, the name in the table, and its records by state."""

    code: str
    title: str
    present: int
    absent: int
    unknown: int


@dataclass(frozen=True)
class UnmatchedRow:
    """A row of the table without a record: its number, id (if one) and the nearest known name."""

    row: int
    id: str
    nearest: str
    why: str


@dataclass(frozen=True)
class ImportPlan:
    """Content that an import would write, and all that it would leave out.

    Attributes
    ----------
    roles
        Columns used.
    rows, matched
        Rows of the table, and those that name a record.
    unmatched
        Rows without a record, the first 2,000.
    n_unmatched
        Number of all such rows.
    records
        Records with a row.
    without_row
        Names of records without a row.
    repeated, conflicts
        Rows about a record that an earlier row was about; and contradictions: (record, code). Such
        a finding is unknown.
    findings
        One entry a code.
    attributes
        Name → records with a value.
    unused
        Columns that are not used.
    """

    roles: ColumnRoles
    rows: int
    matched: int
    unmatched: tuple[UnmatchedRow, ...]
    n_unmatched: int
    records: int
    without_row: tuple[str, ...]
    repeated: int
    conflicts: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    attributes: dict[str, int]
    unused: tuple[str, ...]
    notes: tuple[str, ...]
    _content: dict[str, Any] = field(repr=False, default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form of ``ecgcore label import --json``."""
        return {
            "rows": self.rows,
            "matched": self.matched,
            "unmatched": [vars(row) for row in self.unmatched],
            "n_unmatched": self.n_unmatched,
            "records": self.records,
            "without_row": list(self.without_row[:_MOST_LISTED]),
            "n_without_row": len(self.without_row),
            "repeated": self.repeated,
            "conflicts": [list(pair) for pair in self.conflicts[:_MOST_LISTED]],
            "n_conflicts": len(self.conflicts),
            "findings": [vars(finding) for finding in self.findings],
            "attributes": self.attributes,
            "columns": {
                name: value
                for name, value in vars(self.roles).items()
                if value and name not in ("notes", "ignored")
            },
            "unused": list(self.unused),
            "notes": list(self.notes),
        }


def plan_import(
    cohort: Cohort,
    table: LabelTable | Path,
    workspace: Workspace,
    given: ColumnRoles | None = None,
    absent_if_missing: bool = False,
    id_from: str | None = None,
    rename: Mapping[str, str] | None = None,
    sheet: str | None = None,
) -> ImportPlan:
    """Match a table with a cohort and return what an import would write; nothing is written.

    Parameters
    ----------
    given
        Roles of columns; the others are found where they leave no doubt.
    absent_if_missing
        Take an empty cell, and a class that a row does not name, for absent, not for unknown.
    id_from
        As in ``RecordNames``.
    rename
        Name of a column or class → its code.

    Raises
    ------
    RequestError
        The table cannot be read, a column cannot be used, or no row names a record.
    """
    if isinstance(table, Path):
        table = read_label_table(table, sheet)
    names = RecordNames(cohort, id_from)
    label_columns.refuse_second_header(table, names)
    roles = label_columns.find_roles(table, given or ColumnRoles(), names)
    rows, at = _match(cohort, table, roles, names, workspace)
    if not len(rows):
        raise RequestError(
            f"None of the {len(table):,} rows names a record of '{cohort.name}'"
            f"{f' in column {roles.record!r:.60}' if roles.record else ''}. Name another column "
            "with --record-column, or find ids inside paths with --id-from."
        )
    merged = _Merged(at, len(cohort))
    read = _read_findings(table, roles, rows, merged, absent_if_missing, rename or {})
    attributes, notes = _read_attributes(cohort, table, roles, rows, merged, workspace)
    records = cohort.index["record"].to_numpy(object)
    conflicts = [(records[row], code) for code, found in read.items() for row in found.conflicting]
    findings = tuple(_finding(code, found) for code, found in read.items())
    has_row = np.isin(np.arange(len(cohort)), merged.records)
    unmatched = _unmatched(table, roles, rows, names)
    return ImportPlan(
        roles=roles,
        rows=len(table),
        matched=len(np.unique(rows)),
        unmatched=unmatched,
        n_unmatched=len(table) - len(np.unique(rows)),
        records=len(merged.records),
        without_row=tuple(records[~has_row]),
        repeated=merged.repeated if roles.record else 0,
        conflicts=tuple(conflicts),
        findings=findings,
        attributes={n: int(sum(v is not None for v in a)) for n, a in attributes.items()},
        unused=tuple(name for name in table.columns if name not in roles.used),
        notes=(*table.notes, *roles.notes, *notes),
        _content={
            "records": records[merged.records].tolist(),
            "values": {code: found.values for code, found in read.items()},
            "titles": {code: found.title for code, found in read.items()},
            "attributes": attributes,
        },
    )


def apply_import(
    cohort: Cohort, plan: ImportPlan, workspace: Workspace, who: str, kind: str = "import"
) -> LabelVersion:
    """Append what a plan holds to the cohort's labels and return the new version."""
    content = plan._content
    counts = {
        "rows": plan.rows,
        "records": plan.records,
        "findings": {one.code: [one.present, one.absent, one.unknown] for one in plan.findings},
        "attributes": plan.attributes,
    }
    values = {code: pa.array(column, pa.float64()) for code, column in content["values"].items()}
    with exclusive_lock(cohort.name, workspace):
        return label_versions.append_version(
            cohort.folder,
            kind,
            who,
            content["records"],
            values,
            content["attributes"],
            content["titles"],
            counts,
        )


class _Merged:
    """Rows of a table merged to records: ``at`` (n,) is the record of each matched row."""

    def __init__(self, at: np.ndarray, n_records: int):
        self.at = at
        self.records, self.row = np.unique(at, return_inverse=True)
        self.repeated = len(at) - len(self.records)
        self.n_records = n_records

    def any(self, is_so: np.ndarray) -> np.ndarray:
        """Return (records,) bool: whether any row of a record is so."""
        found = np.zeros(len(self.records), bool)
        found[self.row[is_so]] = True
        return found

    def value(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the one known value of each record, NaN if none or several, and which differ."""
        known = ~np.isnan(values)
        low, high = (np.full(len(self.records), end) for end in (np.inf, -np.inf))
        np.minimum.at(low, self.row[known], values[known])
        np.maximum.at(high, self.row[known], values[known])
        differs = high > low
        return np.where(np.isfinite(low) & ~differs, low, np.nan), self.records[differs]

    def text(self, values: np.ndarray) -> tuple[list[Any], int]:
        """Return the one value of each record, None if none or several, and how many differ."""
        found: list[Any] = [None] * len(self.records)
        differing = set()
        for row, value in zip(self.row.tolist(), values.tolist(), strict=True):
            if value is not None and found[row] not in (None, value):
                differing.add(row)
            found[row] = found[row] if value is None else value
        for row in differing:
            found[row] = None
        return found, len(differing)


@dataclass(frozen=True)
class _Found:
    """A finding's values for the records of the table, and the records that rows disagree on."""

    title: str
    values: np.ndarray
    conflicting: np.ndarray


def _finding(code: str, found: _Found) -> Finding:
    present, absent = (int((found.values == value).sum()) for value in (1, 0))
    return Finding(code, found.title, present, absent, int(np.isnan(found.values).sum()))


def _match(
    cohort: Cohort, table: LabelTable, roles: ColumnRoles, names: RecordNames, workspace: Workspace
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs (row of the table, row of the cohort); a patient's row has several."""
    if roles.record is not None:
        at = names.find_all(table.columns[roles.record])
        rows = np.flatnonzero(at >= 0)
        return rows, at[rows]
    secret, index = workspace.patient_key(), cohort.index
    of_patient: dict[str, list[int]] = {}
    for row, patient in enumerate(index["patient"]):
        if isinstance(patient, str):
            of_patient.setdefault(patient, []).append(row)
    sources = sorted(set(index["source"]))
    pairs = [
        (row, record)
        for row, cell in enumerate(table.columns[str(roles.patient)])
        for source in sources
        for record in of_patient.get(patient_hash(source, cell, secret), ())
    ]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _unmatched(
    table: LabelTable, roles: ColumnRoles, rows: np.ndarray, names: RecordNames
) -> tuple[UnmatchedRow, ...]:
    missing = np.setdiff1d(np.arange(len(table)), rows)[:_MOST_LISTED]
    if roles.record is None:
        return tuple(UnmatchedRow(int(i) + 2, "", "", "no such patient") for i in missing)
    entries: list[UnmatchedRow] = []
    for i in missing.tolist():
        cell = table.columns[roles.record][i]
        reason = {NO_RECORD: "no such record", SEVERAL: "several records have this name"}
        why = reason[names.find(cell)] if cell else "no id"
        is_shown = len(entries) < _LONGEST_TEXT and bool(shown_id(cell))
        nearest = names.nearest(cell) if is_shown and why == "no such record" else ""
        entries.append(UnmatchedRow(i + 2, shown_id(cell), nearest, why))
    return tuple(entries)


def _read_findings(
    table: LabelTable,
    roles: ColumnRoles,
    rows: np.ndarray,
    merged: _Merged,
    absent_if_missing: bool,
    rename: Mapping[str, str],
) -> dict[str, _Found]:
    """Return the findings by code."""
    found: dict[str, _Found] = {}
    for name in roles.labels:
        values = parsed(table, name, cells.yes_or_no, "yes or no")[rows]
        if absent_if_missing:
            values = np.where(np.isnan(values), 0.0, values)
        _add(found, name, _Found(name, *merged.value(values)), rename)
    for name in roles.numbers:
        values = parsed(table, name, cells.number, "number")[rows]
        _add(found, name, _Found(name, *merged.value(values)), rename)
    if roles.classes is not None:
        for name, values in _classes(table, roles, rows, merged, absent_if_missing).items():
            _add(found, name, _Found(name, values, np.empty(0, np.int64)), rename)
    if len(found) > MOST_CLASSES:
        raise RequestError(
            f"The table has {len(found):,} columns of yes and no; a cohort's label set has at most "
            f"{MOST_CLASSES}. Name those that are meant with --label-columns."
        )
    return found


def _add(found: dict[str, _Found], name: str, values: _Found, rename: Mapping[str, str]) -> None:
    code = cells.code_of(rename.get(name, name))
    if not code or code in found:
        raise RequestError(
            f"{'Two names' if code else 'A name'} would have the code '{code}'; give codes with "
            "--rename NAME=CODE."
        )
    found[code] = values


def _classes(
    table: LabelTable,
    roles: ColumnRoles,
    rows: np.ndarray,
    merged: _Merged,
    absent_if_missing: bool,
) -> dict[str, np.ndarray]:
    """Return class → state of each record, from a column of class names."""
    column = table.columns[str(roles.classes)][rows]
    distinct = pd.unique(pd.Series(column))
    separator = roles.separator or cells.separator_of(distinct)
    names_in = {cell: cells.class_names(cell, separator) for cell in distinct}
    names = Counter(name for cell in column for name in names_in[cell])
    if not 0 < len(names) <= MOST_CLASSES:
        raise RequestError(
            f"Column '{roles.classes:.40}' has {len(names):,} different class names; 1 to "
            f"{MOST_CLASSES} are accepted. Is it a column of classes?"
        )
    otherwise = 0.0 if absent_if_missing else np.nan
    cell_codes, uniques = pd.factorize(pd.Series(column))
    states = {}
    for name in sorted(names):
        has_name = np.array([name in names_in[cell] for cell in uniques])
        states[name] = np.where(merged.any(has_name[cell_codes]), 1.0, otherwise)
    return states


def _read_attributes(
    cohort: Cohort,
    table: LabelTable,
    roles: ColumnRoles,
    rows: np.ndarray,
    merged: _Merged,
    workspace: Workspace,
) -> tuple[dict[str, list[Any]], list[str]]:
    """Return attribute → values of the table's records, and notes on what was not read."""
    secret = workspace.patient_key()
    sources = cohort.index["source"].to_numpy(object)[merged.at]
    parsers: dict[str, Callable[[str], Any]] = {
        "age": _age,
        "sex": parse_sex,
        "fold": lambda cell: int(cell) if _FOLD.fullmatch(cell) else None,
        "site": _short_text,
        "device": _short_text,
    }
    attributes: dict[str, list[Any]] = {}
    notes: list[str] = []
    if roles.patient is not None and roles.record is not None:
        column = table.columns[roles.patient][rows]
        hashes = [
            None if cells.is_empty(cell) else patient_hash(source, cell, secret)
            for source, cell in zip(sources, column, strict=True)
        ]
        _merge("patient", np.array(hashes, object), merged, attributes, notes)
    for name, parse in parsers.items():
        if (column_name := getattr(roles, name)) is None:
            continue
        values, unread = attribute_values(table, column_name, parse)
        if unread:
            notes.append(f"{unread:,} cells of column '{column_name:.40}' are no {name}: left out.")
        if name in ("site", "device") and len({*values} - {None}) > MOST_CLASSES:
            raise RequestError(f"Column '{column_name:.40}' has too many values for a {name}.")
        _merge(name, values[rows], merged, attributes, notes)
    if roles.date is not None:
        _order(cohort, table.columns[roles.date][rows], roles, merged, attributes, notes)
    return {n: a for n, a in attributes.items() if any(v is not None for v in a)}, notes


def _merge(
    name: str,
    values: np.ndarray,
    merged: _Merged,
    attributes: dict[str, list[Any]],
    notes: list[str],
) -> None:
    attributes[name], differing = merged.text(values)
    if differing:
        notes.append(f"{differing:,} records have rows with another {name} each: left out.")


def _order(
    cohort: Cohort,
    column: np.ndarray,
    roles: ColumnRoles,
    merged: _Merged,
    attributes: dict[str, list[Any]],
    notes: list[str],
) -> None:
    """Add each record's place in time among those of its patient, from 1; dates are not kept."""
    times = cells.parse_dates(column)
    if times is None:
        notes.append(
            f"Column '{roles.date:.40}' is not used: its cells are no dates, or day and month "
            "cannot be told apart. ISO dates (2024-12-31) are read."
        )
        return
    found, _ = merged.text(np.array([times.get(cell) for cell in column], object))
    stored = cohort.index["patient"].to_numpy(object)[merged.records]
    patients = [a or b for a, b in zip(attributes.get("patient", stored), stored, strict=True)]
    frame = pd.DataFrame({"patient": patients, "time": pd.to_datetime(pd.Series(found))})
    ranks = frame.groupby("patient")["time"].rank(method="dense")
    attributes["order"] = [None if np.isnan(rank) else float(rank) for rank in ranks]


def _age(cell: str) -> float | None:
    age_years = parse_age_years(cell.replace(",", "."))
    return None if age_years is None else min(age_years, OLDEST_YEARS)


def _short_text(cell: str) -> str | None:
    return cell if len(cell) <= _LONGEST_TEXT else None
