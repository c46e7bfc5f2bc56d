"""Subgroups: headline metrics by age band, sex, source and recording quality.

A run's predictions carry these traits; for runs of earlier versions they are read from the cohort.
"""

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecgcore.calibration.scores import Scores
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound
from ecgcore.evaluation.bootstrap import RESAMPLES, resample
from ecgcore.evaluation.headline import headline_intervals
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

COLUMNS = ("age", "sex", "source", "quality")
VALIDATED = "validated"
"""Trait of sources that state it: whether a human validated the statements (PTB-XL does)."""
BY_A_HUMAN = "by a human"
TRAITS = (*COLUMNS, VALIDATED)
FEW = 20
"""Groups of fewer records are marked ``few``."""
UNKNOWN = "unknown"
_AGE_BANDS = ((0, "under 40"), (40, "40 to 59"), (60, "60 to 79"), (80, "80 and over"))


def cohort_traits(cohort: Cohort, rows: np.ndarray) -> pd.DataFrame:
    """Return ``age``, ``sex``, ``source``, ``quality`` and ``validated`` of some rows of a cohort.

    ``quality`` is ``flagged`` or ``no flag``; missing where the cohort is not measured.
    ``validated`` is ``by a human`` or ``not``; missing where the source does not state it.
    """
    index = cohort.index.iloc[rows]
    quality = np.full(len(rows), None, object)
    if cohort.is_measured:
        flags = cohort.measures["quality"].iloc[rows]
        quality = np.where([bool(json.loads(text)) for text in flags], "flagged", "no flag")
    return pd.DataFrame(
        {name: index[name].array for name in ("age", "sex", "source")}
        | {
            "quality": pd.array(quality, dtype="str"),
            VALIDATED: pd.array(index["details"].map(_validated), dtype="str"),
        }
    )


def _validated(details: str) -> str | None:
    by_human = json.loads(details).get("validated_by_human")
    return {"True": BY_A_HUMAN, "False": "not"}.get(by_human)


def run_traits(run: "Run", part: str, workspace: Workspace | None) -> pd.DataFrame | None:
    """Return the traits of a run's part, a row a record; None where they are not available."""
    predictions = run.predictions
    rows = predictions[predictions["part"] == part]
    if set(COLUMNS) <= set(rows):
        return rows[["record", *(name for name in TRAITS if name in rows)]]
    if workspace is None:
        return None
    try:
        cohort = Cohort.open(run.meta["cohort"]["name"], workspace)
    except NotFound:
        return None
    row_of = pd.Series(np.arange(len(cohort)), cohort.index["record"])
    if not rows["record"].isin(row_of.index).all():
        return None
    traits = cohort_traits(cohort, row_of[rows["record"]].to_numpy())
    return traits.assign(record=rows["record"].array)


def subgroups(scores: Scores, traits: pd.DataFrame, resamples: int = RESAMPLES) -> dict:
    """Return headline metrics by age band, sex, source and quality.

    Parameters
    ----------
    traits
        ``record`` and the columns of :func:`cohort_traits`, for at least the records of ``scores``.
        ``validated`` may be missing.

    Returns
    -------
    dict
        trait → group → ``n``, ``patients``, ``few`` (fewer than 20 records), ``macro_auc``,
        ``macro_f1`` and ``accuracy`` as intervals, and ``over``: the classes of the macro means.
    """
    return {
        trait: {
            name: _group_metrics(scores.take(members), resamples)
            for name, members in groups.items()
        }
        for trait, groups in group_members(scores, traits).items()
    }


def group_members(scores: Scores, traits: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """Return trait → group → (N,) bool, its members; see :func:`subgroups`."""
    rows = traits.set_index("record").loc[scores.record]
    values = {
        "age": _age_bands(rows["age"]),
        **{name: rows[name].fillna(UNKNOWN).to_numpy(object) for name in COLUMNS[1:]},
    }
    if VALIDATED in rows and rows[VALIDATED].notna().any():
        values[VALIDATED] = rows[VALIDATED].fillna(UNKNOWN).to_numpy(object)
    return {
        trait: {str(name): of_records == name for name in _in_order(of_records, trait)}
        for trait, of_records in values.items()
    }


def _age_bands(age: pd.Series) -> np.ndarray:
    """Return (N,) the age band of each record, age in years."""
    bands = np.full(len(age), UNKNOWN, object)
    for from_years, name in _AGE_BANDS:
        bands[(age >= from_years).fillna(False).to_numpy(bool)] = name
    return bands


def _in_order(values: np.ndarray, trait: str) -> list[str]:
    names = sorted(set(values), key=lambda name: (name == UNKNOWN, name))
    bands = [name for _, name in _AGE_BANDS]
    return sorted(names, key=[*bands, UNKNOWN].index) if trait == "age" else names


def _group_metrics(scores: Scores, resamples: int) -> dict:
    intervals = headline_intervals(scores, resample([scores], resamples)[0])
    over = intervals["macro_auc"].pop("over")
    return {
        "n": len(scores),
        "patients": scores.n_patients,
        "few": len(scores) < FEW,
        **{name: intervals[name] for name in ("macro_auc", "macro_f1", "accuracy")},
        "over": over,
    }
