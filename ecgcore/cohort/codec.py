"""Codec of stored records: int16 signals at 1 µV and one row of the index."""

import json
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.records.record import Record, Statement

MISSING = -32768
"""Stored value of a missing sample."""
LARGEST_UV = 32767
"""Largest stored amplitude in µV; larger ones are clipped."""


def decode_signals_mv(stored: np.ndarray) -> np.ndarray:
    """Return stored signals, int16 in µV, as float32 in mV with NaN where missing."""
    return np.where(stored == MISSING, np.nan, stored / np.float32(1000))


def decode_statements(text: str) -> tuple[Statement, ...]:
    """Return the statements of an index row's JSON text."""
    return tuple(Statement(*fields) for fields in json.loads(text))


def decode_record(row: Any, signal_mv: np.ndarray, fs_hz: float) -> Record:
    """Return the record of an index row and its signal (12, T) in mV."""
    return Record(
        signal_mv=signal_mv,
        fs_hz=float(fs_hz),
        name=row.record,
        source=row.source,
        patient=None if pd.isna(row.patient) else row.patient,
        age_years=None if pd.isna(row.age) else float(row.age),
        sex=None if pd.isna(row.sex) else row.sex,
        fold=None if pd.isna(row.fold) else int(row.fold),
        statements=decode_statements(row.statements),
        details=json.loads(row.details),
        machine=json.loads(getattr(row, "machine", "{}")),
        notes=tuple(json.loads(row.notes)),
    )
