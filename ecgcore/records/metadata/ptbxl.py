"""PTB-XL's own table beside its records: patient, age, sex, fold, statements, stadium, and the
recording's device and site (a model's name and a number).

Dates, reports and nurses are not taken over.
"""

import ast
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.records.metadata.tables import above
from ecgcore.records.record import Record, Statement
from ecgcore.records.sources import PTB_XL_NAME

TABLE = "ptbxl_database.csv"
_DETAILS = (
    "infarction_stadium1",
    "infarction_stadium2",
    "heart_axis",
    "pacemaker",
    "extra_beats",
    "validated_by_human",
    "device",
    "site",
)
_COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", *_DETAILS)
_SEXES = {0: "male", 1: "female"}
_OVER_89 = 300
"""Versions from 1.0.2 on give this for ages over 89."""


def table_of(path: Path) -> Path | None:
    """Return the table of the folder a record lies in, or None.

    It stands at the root of the published layout (``records100/00000/00001_lr.hea``).
    """
    return above(path, TABLE)


def completed(record: Record, path: Path) -> Record:
    """Return the record with what PTB-XL's table says of it, if it is in one."""
    named = PTB_XL_NAME.match(record.name)
    table = table_of(path) if named else None
    if named is None or table is None:
        return record
    rows = _rows(table, table.stat().st_mtime_ns)
    row = rows.get(int(named[1]))
    if row is None:
        return replace(record, notes=(*record.notes, f"not in {TABLE}"))
    return replace(
        record,
        source="ptb-xl",
        patient=None if pd.isna(row.patient_id) else str(row.patient_id).removesuffix(".0"),
        age_years=_age_years(row.age),
        sex=_SEXES.get(row.sex),
        fold=None if pd.isna(row.strat_fold) else int(row.strat_fold),
        statements=_statements(record.name, row.scp_codes),
        details={
            name: " ".join(str(told).removesuffix(".0").split())
            for name in _DETAILS
            if not pd.isna(told := getattr(row, name))
        },
    )


@lru_cache(maxsize=4)
def _rows(table: Path, changed_ns: int) -> dict[int, Any]:
    """Read the columns that are used, by ``ecg_id``; ``changed_ns`` makes a new file be read."""
    try:
        found = pd.read_csv(table, usecols=lambda column: column in _COLUMNS)
        if missing := [column for column in _COLUMNS if column not in found]:
            raise ValueError(f"it has no column {', '.join(missing)}")
        return {int(row.ecg_id): row for row in found.itertuples(index=False)}
    except (ValueError, OSError) as error:
        said = str(error).splitlines()[0]
        raise UnreadableRecord(
            f"{table.name}, the table beside the records, cannot be read: {said}."
        ) from error


def _age_years(age: float) -> float | None:
    if pd.isna(age):
        return None
    return 90.0 if age == _OVER_89 else float(age)


def _statements(name: str, scp_codes: str) -> tuple[Statement, ...]:
    """Return the statements of a cell like ``{'NORM': 100.0, 'SR': 0.0}``."""
    try:
        likelihoods = dict(ast.literal_eval(scp_codes))
        return tuple(Statement("scp", str(c), float(value)) for c, value in likelihoods.items())
    except (ValueError, SyntaxError, TypeError) as error:
        raise UnreadableRecord(
            f"Record {name}: its scp_codes in {TABLE} are not a list of statements: {scp_codes}."
        ) from error
