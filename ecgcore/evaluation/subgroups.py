"""Subgroups: the same figures by age band, sex, source and quality of the recording.

A run's predictions carry what its records are; those of older runs are asked of their cohort.
"""

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound
from ecgcore.evaluation.bootstrap import RESAMPLES
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.store import Cohort
    from ecgcore.runs.run import Run

COLUMNS = ("age", "sex", "source", "quality")
VALIDATED = "validated"
"""A trait where the source says so: whether a human validated its statements (PTB-XL does)."""
BY_A_HUMAN = "by a human"
TRAITS = (*COLUMNS, VALIDATED)
FEW = 20
"""Below this many records a group's figures are drawn grey."""
UNKNOWN = "unknown"
_BANDS = ((0, "under 40"), (40, "40 to 59"), (60, "60 to 79"), (80, "80 and over"))


def traits_of(cohort: "Cohort", rows: np.ndarray) -> pd.DataFrame:
    """Return what subgroups are made of, a row each: ``age``, ``sex``, ``source``, ``quality`` and
    ``validated``.

    ``quality`` is ``flagged`` or ``no flag``; missing where the cohort is not measured.
    ``validated`` is ``by a human`` or ``not``; missing where the source does not say.
    """
    told = cohort.index.iloc[rows]
    quality = np.full(len(rows), None, object)
    if cohort.is_measured:
        flags = cohort.measures["quality"].iloc[rows]
        quality = np.where([bool(json.loads(text)) for text in flags], "flagged", "no flag")
    found = {name: told[name].array for name in ("age", "sex", "source")}
    return pd.DataFrame(
        found
        | {
            "quality": pd.array(quality, dtype="str"),
            VALIDATED: pd.array(told["details"].map(_validated), dtype="str"),
        }
    )


def _validated(details: str) -> str | None:
    said = json.loads(details).get("validated_by_human")
    return {"True": BY_A_HUMAN, "False": "not"}.get(said)


def traits_of_run(run: "Run", part: str, workspace: Workspace | None) -> pd.DataFrame | None:
    """Return the traits of a run's part, a row a record; None where they cannot be known."""
    predictions = run.predictions
    rows = predictions[predictions["part"] == part]
    if set(COLUMNS) <= set(rows):
        return rows[["record", *(name for name in TRAITS if name in rows)]]
    if workspace is None:
        return None
    from ecgcore.cohort.store import Cohort

    try:
        cohort = Cohort.open(run.meta["cohort"]["name"], workspace)
    except NotFound:
        return None
    there = pd.Series(np.arange(len(cohort)), cohort.index["record"])
    if not rows["record"].isin(there.index).all():
        return None
    return traits_of(cohort, there[rows["record"]].to_numpy()).assign(record=rows["record"].array)


def subgroups(scores: Scores, traits: pd.DataFrame, resamples: int = RESAMPLES) -> dict:
    """Return figures by age band, sex, source and quality.

    Parameters
    ----------
    traits
        ``record`` and what ``traits_of`` gives; the records of ``scores`` among them. ``validated``
        may lack.

    Returns
    -------
    dict
        trait → group → ``n``, ``patients``, ``few`` (fewer than 20 records), ``macro_auc``,
        ``macro_f1`` and ``accuracy`` as intervals, and ``over``: the classes of the macro means.
    """
    told = traits.set_index("record").loc[scores.record]
    groups = {
        "age": _bands(told["age"]),
        **{name: told[name].fillna(UNKNOWN).to_numpy(object) for name in COLUMNS[1:]},
    }
    if VALIDATED in told and told[VALIDATED].notna().any():
        groups[VALIDATED] = told[VALIDATED].fillna(UNKNOWN).to_numpy(object)
    return {
        trait: {
            str(name): _group(scores.take(of == name), resamples) for name in _in_order(of, trait)
        }
        for trait, of in groups.items()
    }


def _bands(age: pd.Series) -> np.ndarray:
    """Return (N,) the age band of each record, age in years."""
    band = np.full(len(age), UNKNOWN, object)
    for least, name in _BANDS:
        band[(age >= least).fillna(False).to_numpy(bool)] = name
    return band


def _in_order(of: np.ndarray, trait: str) -> list[str]:
    there = sorted(set(of), key=lambda name: (name == UNKNOWN, name))
    bands = [name for _, name in _BANDS]
    return sorted(there, key=[*bands, UNKNOWN].index) if trait == "age" else there


def _group(scores: Scores, resamples: int) -> dict:
    from ecgcore.evaluation.evaluate import evaluate_scores  # which imports this module

    found = evaluate_scores(scores, resamples)
    spans = found["intervals"] | {"macro_auc": found["macro_auc"]}
    over = spans["macro_auc"].pop("over")
    return {
        "n": len(scores),
        "patients": scores.n_patients,
        "few": len(scores) < FEW,
        **{name: spans[name] for name in ("macro_auc", "macro_f1", "accuracy")},
        "over": over,
    }
