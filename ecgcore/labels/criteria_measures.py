"""Measures that criteria compare, by name: columns of ``Measurements.as_row`` and derived ones.

Lead measures are (N, leads), others (N,); float64, NaN where not measured.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd


def measure_values(measures: pd.DataFrame, name: str, leads: Sequence[str] = ()) -> np.ndarray:
    """Return a measure of N records: (N, len(leads)) by lead, (N, 1) where ``leads`` is empty.

    ``name`` is a column of MEASURE_SCHEMA (``qrs_ms``; by lead ``r_mv`` for ``V1_r_mv``) or one of
    DERIVED. A missing column gives NaN throughout.
    """
    if name in DERIVED_BY_LEAD:
        return np.stack([DERIVED_BY_LEAD[name](measures, lead) for lead in leads], axis=1)
    if name in DERIVED:
        return DERIVED[name](measures)[:, None]
    columns = [f"{lead}_{name}" for lead in leads] or [name]
    return np.stack([_column(measures, column) for column in columns], axis=1)


def _column(measures: pd.DataFrame, name: str) -> np.ndarray:
    if name not in measures:
        return np.full(len(measures), np.nan)
    return pd.to_numeric(measures[name]).astype("float64").to_numpy(np.float64, na_value=np.nan)


def _r_largest_mv(measures: pd.DataFrame, lead: str) -> np.ndarray:
    """Return the larger of R and R'."""
    return np.maximum(_column(measures, f"{lead}_r_mv"), _column(measures, f"{lead}_r2_mv"))


def _r_to_s(measures: pd.DataFrame, lead: str) -> np.ndarray:
    """Return R (or R') over S; infinite without an S wave, NaN without either.

    A deep Q before a small late R counts as S: in V1 to V3 that is a QS complex.
    """
    r = _r_largest_mv(measures, lead)
    s = -np.minimum(_column(measures, f"{lead}_q_mv"), _column(measures, f"{lead}_s_mv"))
    return np.divide(r, s, out=np.where(r > 0, np.inf, np.nan), where=(s > 0))


def _qr_mv(measures: pd.DataFrame, lead: str) -> np.ndarray:
    """Return R where a lead shows qR (Q, then R, and no S), else 0."""
    q, s = _column(measures, f"{lead}_q_mv"), _column(measures, f"{lead}_s_mv")
    r = _column(measures, f"{lead}_r_mv")
    return np.where(np.isnan(q + r + s), np.nan, np.where((q < 0) & (s == 0), r, 0.0))


def _st_slope_mv(measures: pd.DataFrame, lead: str) -> np.ndarray:
    """Return the rise of ST from J to 60 ms later; 0 or less is horizontal or downsloping."""
    return _column(measures, f"{lead}_st_j60_mv") - _column(measures, f"{lead}_st_j_mv")


def _gubner_mv(measures: pd.DataFrame) -> np.ndarray:
    """Return R in I plus S in III (Gubner & Ungerleider 1943)."""
    return _column(measures, "I_r_mv") - _column(measures, "III_s_mv")


def _r_v1_s_v56_mv(measures: pd.DataFrame) -> np.ndarray:
    """Return R in V1 plus the deeper S of V5 and V6 (Sokolow & Lyon 1949)."""
    deeper = np.minimum(_column(measures, "V5_s_mv"), _column(measures, "V6_s_mv"))
    return _column(measures, "V1_r_mv") - deeper


DERIVED_BY_LEAD: dict[str, Callable[[pd.DataFrame, str], np.ndarray]] = {
    "r_largest_mv": _r_largest_mv,
    "r_to_s": _r_to_s,
    "qr_mv": _qr_mv,
    "st_slope_mv": _st_slope_mv,
}
DERIVED: dict[str, Callable[[pd.DataFrame], np.ndarray]] = {
    "gubner_mv": _gubner_mv,
    "r_v1_s_v56_mv": _r_v1_s_v56_mv,
}
