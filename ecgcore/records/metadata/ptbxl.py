"""PTB-XL's table: patient, age, sex, fold, statements, infarction stadium, device model and site.

Dates, reports and nurses are left out.
"""

import ast
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import PTB_XL_OVER_89, parse_age_years
from ecgcore.records.metadata.tables import find_above, read_columns, refuse_damaged_table
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
_SEX_CODES = {0: "male", 1: "female"}


def add_metadata(record: Record, path: Path) -> Record:
    """Return the record with its row of PTB-XL's table, if there is one.

    The table lies at the root of the published layout (``records100/00000/00001_lr.hea``).
    """
    name = PTB_XL_NAME.match(record.name)
    table = find_above(path, TABLE) if name else None
    if name is None or table is None:
        return record
    row = _rows_by_ecg_id(table, table.stat().st_mtime_ns).get(int(name[1]))
    if row is None:
        return replace(record, notes=(*record.notes, f"not in {TABLE}"))
    return replace(
        record,
        source="ptb-xl",
        patient=None if pd.isna(row.patient_id) else str(row.patient_id).removesuffix(".0"),
        age_years=parse_age_years(row.age, over_89=PTB_XL_OVER_89),
        sex=_SEX_CODES.get(row.sex),
        fold=None if pd.isna(row.strat_fold) else int(row.strat_fold),
        statements=_statements(record.name, row.scp_codes),
        details={
            column: " ".join(str(cell).removesuffix(".0").split())
            for column in _DETAILS
            if not pd.isna(cell := getattr(row, column))
        },
    )


@lru_cache(maxsize=4)
def _rows_by_ecg_id(table: Path, modified_ns: int) -> dict[int, Any]:
    """Return the table's rows by ``ecg_id``; ``modified_ns`` renews the cache for a new file."""
    rows = read_columns(table, _COLUMNS)
    with refuse_damaged_table(table):
        return {int(row.ecg_id): row for row in rows.itertuples(index=False)}


def _statements(name: str, scp_codes: str) -> tuple[Statement, ...]:
    """Return the statements of a cell like ``{'NORM': 100.0, 'SR': 0.0}``."""
    try:
        likelihoods = dict(ast.literal_eval(scp_codes))
        return tuple(Statement("scp", str(c), float(value)) for c, value in likelihoods.items())
    except (ValueError, SyntaxError, TypeError) as error:
        raise UnreadableRecord(
            f"Record {name}: its scp_codes in {TABLE} are not a list of statements: {scp_codes}."
        ) from error
