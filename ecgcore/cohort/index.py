"""The index of a shard: one row a record, as its source has it, with its labels."""

import hmac
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ecgcore.atomic import write_atomic
from ecgcore.cohort.codec import statements_in
from ecgcore.cohort.store import TIERS
from ecgcore.labels.classes import CODES
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


def row_of(record: Record, secret: bytes) -> dict[str, Any]:
    """Return what the index tells of a record as its source has it; ``secret`` keys patients."""
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


def write_index(file: Path, rows: Iterable[dict[str, Any]], plan: str) -> None:
    """Write a shard's index, typed alike whether it has rows or none."""
    table = pd.DataFrame(list(rows), columns=INDEX.names).astype({"fold": "Int16"})
    table["machine"] = table["machine"].fillna("{}")  # indexes of earlier versions lack it
    table.attrs["plan"] = plan
    write_atomic(file, lambda path: table.to_parquet(path, index=False, schema=INDEX))


def plan_of(file: Path) -> str:
    """Return the plan that a shard's index was written by."""
    return pd.read_parquet(file, columns=["record"]).attrs.get("plan", "")


def relabel(file: Path) -> None:
    """Label the records of a shard's index anew, from their stored statements."""
    table = pd.read_parquet(file)
    plan = table.attrs.get("plan", "")
    rows = table.to_dict("records")
    for row in rows:
        row |= _labels(statements_in(row["statements"]), row["source"], row["details"])
    write_index(file, rows, plan)


@lru_cache(maxsize=4096)
def _labels(statements: tuple[Statement, ...], source: str, details: str) -> dict[str, int]:
    """Return the states of all classes by tier; most records say what another said before."""
    told = json.loads(details)
    return {
        f"{tier}_{code}": int(state)
        for tier in TIERS
        for code, state in zip(CODES, label(statements, source, told, tier).states, strict=True)
    }


def _patient_hash(record: Record, secret: bytes) -> str | None:
    """Return the keyed hash of a patient id; ids of different sources never meet."""
    if record.patient is None:
        return None
    told = f"{record.source}/{record.patient}".encode()
    return hmac.new(secret, told, "sha256").hexdigest()[:16]
