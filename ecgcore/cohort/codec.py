"""How a record is stored: int16 at 1 µV beside one row of the index."""

import json
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.records.record import Record, Statement

MISSING = -32768
LARGEST_UV = 32767


def in_mv(stored: np.ndarray) -> np.ndarray:
    """Return stored signals, int16 in µV, as float32 in mV with NaN where missing."""
    return np.where(stored == MISSING, np.nan, stored / np.float32(1000))


def statements_in(text: str) -> tuple[Statement, ...]:
    """Return the statements that an index's text holds."""
    return tuple(Statement(*parts) for parts in json.loads(text))


def as_record(told: Any, signal_mv: np.ndarray, fs_hz: float) -> Record:
    """Return the record of one row of an index (12, T)."""
    return Record(
        signal_mv=signal_mv,
        fs_hz=float(fs_hz),
        name=told.record,
        source=told.source,
        patient=None if pd.isna(told.patient) else told.patient,
        age_years=None if pd.isna(told.age) else float(told.age),
        sex=None if pd.isna(told.sex) else told.sex,
        fold=None if pd.isna(told.fold) else int(told.fold),
        statements=statements_in(told.statements),
        details=json.loads(told.details),
        machine=json.loads(getattr(told, "machine", "{}")),
        notes=tuple(json.loads(told.notes)),
    )
