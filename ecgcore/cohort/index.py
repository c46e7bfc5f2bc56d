"""Index of a shard: one row per record with its source's metadata and its labels."""

import hmac
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ecgcore.atomic import read_parquet, write_atomic
from ecgcore.cohort.codec import decode_statements
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.expert import label
from ecgcore.records.record import Record, Statement

OLDEST_YEARS = 90.0
"""Ages above are stored as this: over 89 they may identify (HIPAA, 45 CFR 164.514)."""
_TEXT, _REAL = pa.string(), pa.float64()
INDEX = pa.schema(
    {
        "record": _TEXT,
        "source": _TEXT,
        "patient": _TEXT,
        "age": pa.float32(),
        "sex": _TEXT,
        "fold": pa.int16(),
        "fs_hz": _REAL,
        "duration_s": _REAL,
        "statements": _TEXT,
        "details": _TEXT,
        "machine": _TEXT,
        "notes": _TEXT,
        "signal_hash": _TEXT,
    }
    | {f"{tier}_{code}": pa.int8() for tier in TIERS for code in CODES}
)


def index_row(record: Record, secret: bytes) -> dict[str, Any]:
    """Return a record's row of the index, with the patient hashed by the key ``secret``."""
    return {
        "source": record.source,
        "patient": _patient_hash(record, secret),
        "age": None if record.age_years is None else min(record.age_years, OLDEST_YEARS),
        "sex": record.sex,
        "fold": record.fold,
        "fs_hz": record.fs_hz,
        "duration_s": record.duration_s,
        "statements": json.dumps([[s.system, s.code, s.likelihood] for s in record.statements]),
        "details": json.dumps(record.details),
        "machine": json.dumps(record.machine),
        **_labels(record.statements, record.source, json.dumps(record.details)),
    }


def write_index(file: Path, rows: Iterable[dict[str, Any]], work_hash: str) -> None:
    """Write a shard's index, with the same column types whether or not it has rows."""
    table = pd.DataFrame(list(rows), columns=INDEX.names).astype({"fold": "Int16"})
    table["machine"] = table["machine"].fillna("{}")  # indexes of earlier versions lack it
    table.attrs["plan"] = work_hash
    write_atomic(file, lambda path: table.to_parquet(path, index=False, schema=INDEX))


def stored_work_hash(file: Path) -> str:
    """Return the hash of the work that a shard's index was written for."""
    return read_parquet(file, columns=["record"]).attrs.get("plan", "")


def relabel(file: Path) -> None:
    """Label the records of a shard's index again, from their stored statements."""
    table = read_parquet(file)
    work_hash = table.attrs.get("plan", "")
    rows = table.to_dict("records")
    for row in rows:
        row |= _labels(decode_statements(row["statements"]), row["source"], row["details"])
    write_index(file, rows, work_hash)


@lru_cache(maxsize=4096)
def _labels(statements: tuple[Statement, ...], source: str, details: str) -> dict[str, int]:
    """Return the states of all classes by tier; cached, because most records repeat statements."""
    parsed_details = json.loads(details)
    states = {tier: label(statements, source, parsed_details, tier).states for tier in TIERS}
    return {
        f"{tier}_{code}": int(state)
        for tier in TIERS
        for code, state in zip(CODES, states[tier], strict=True)
    }


def _patient_hash(record: Record, secret: bytes) -> str | None:
    """Return the keyed hash of a patient id, different for equal ids of different sources."""
    return None if record.patient is None else patient_hash(record.source, record.patient, secret)


def patient_hash(source: str, patient: str, secret: bytes) -> str:
    """Return the keyed hash of a source's patient id."""
    return hmac.new(secret, f"{source}/{patient}".encode(), "sha256").hexdigest()[:16]
