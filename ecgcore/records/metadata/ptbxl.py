"""PTB-XL's table: patient, age, sex, fold, statements, infarction stadium, device model and site.

Dates, reports and nurses are left out.
"""

import ast
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ecgcore.records.demographics import PTB_XL_OVER_89, parse_age_years
from ecgcore.records.metadata.tables import (
    MetadataTable,
    find_above,
    find_row,
    number,
    plain_number,
)
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
_COLUMNS = ("patient_id", "age", "sex", "scp_codes", "strat_fold", *_DETAILS)
_SEX_CODES = {"0": "male", "1": "female"}


def add_metadata(record: Record, path: Path) -> Record:
    """Return the record with its row of PTB-XL's table, if there is one.

    The table lies at the root of the published layout (``records100/00000/00001_lr.hea``). What a
    damaged one would give is missing, with a note.
    """
    name = PTB_XL_NAME.match(record.name)
    table = find_above(path, TABLE) if name else None
    if name is None or table is None:
        return record
    row, notes = find_row(_read, table, str(int(name[1])))
    record = replace(record, notes=(*record.notes, *notes))
    if row is None:
        return record
    fold, statements = number(row["strat_fold"]), _statements(row["scp_codes"])
    if statements is None:
        note = f"no statements: its scp_codes in {TABLE} are not a list of them"
        record = replace(record, notes=(*record.notes, note))
    return replace(
        record,
        source="ptb-xl",
        patient=plain_number(row["patient_id"]) or None,
        age_years=parse_age_years(plain_number(row["age"]), over_89=PTB_XL_OVER_89),
        sex=_SEX_CODES.get(plain_number(row["sex"])),
        fold=None if fold is None else int(fold),
        statements=statements or (),
        details={
            column: text
            for column in _DETAILS
            if (text := " ".join(plain_number(row[column]).split()))
        },
    )


@lru_cache(maxsize=4)
def _read(table: Path, modified_ns: int) -> MetadataTable:
    """Return the table by ``ecg_id``; ``modified_ns`` renews the cache for a new file."""
    return MetadataTable(table, "ecg_id", _COLUMNS)


def _statements(scp_codes: str) -> tuple[Statement, ...] | None:
    """Return the statements of a cell like ``{'NORM': 100.0, 'SR': 0.0}``, None if it is none."""
    try:
        likelihoods = dict(ast.literal_eval(scp_codes or "{}"))
        return tuple(Statement("scp", str(c), float(value)) for c, value in likelihoods.items())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
