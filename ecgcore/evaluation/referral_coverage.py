"""Coverage that referral reaches: over all records, and by age band, sex, source and validation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.calibration.calibration import PART_OF
from ecgcore.calibration.referral import (
    Outcomes,
    cross_fitted_outcomes,
    outcomes,
    referral_report,
)
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import stored_rule
from ecgcore.evaluation.bootstrap import RESAMPLES, Basis, interval, patient_draws, ratio
from ecgcore.evaluation.subgroups import BY_A_HUMAN, FEW, VALIDATED, group_members

ALL_RECORDS, VALIDATED_RECORDS = "all records", "records validated by a human"


def referral_section(
    scores: Scores,
    fitted: Mapping[str, Any],
    traits: pd.DataFrame | None,
    resamples: int = RESAMPLES,
) -> dict[str, Any] | None:
    """Return what referral reaches on some records; None without a band.

    Returns
    -------
    dict
        That of :func:`ecgcore.calibration.referral.referral_report`, with ``cross_fitted``: True
        where the band was fitted on these very records, so that each was judged by a band that
        other patients chose; ``groups``: trait → group → ``n``, ``few``, ``covered`` and
        ``right_answered`` as intervals, ``answered``; the trait ``records`` has the group ``all``.
    """
    band = fitted.get("refer")
    if not band:
        return None
    is_fitted_here = PART_OF.get(fitted.get("from") or "") == scores.part
    reached = outcomes(scores, band)
    if is_fitted_here:
        reached = _cross_fitted_outcomes(scores, fitted, traits)
    groups = {"records": {"all": np.ones(len(scores), bool)}}
    groups |= {} if traits is None else group_members(scores, traits)
    return {
        **referral_report(scores, band, reached),
        "cross_fitted": is_fitted_here,
        "fitted_on": band.get("of", ALL_RECORDS),
        "groups": {
            trait: {
                name: _group_coverage(scores, reached, members, resamples)
                for name, members in of_trait.items()
            }
            for trait, of_trait in groups.items()
        },
    }


def validated_records(scores: Scores, table: pd.DataFrame | None) -> np.ndarray | None:
    """Return (N,) bool: records whose labels a human validated; None where this is not stated.

    ``table`` has ``record`` and may have ``validated``.
    """
    if table is None or VALIDATED not in table or not (table[VALIDATED] == BY_A_HUMAN).any():
        return None
    by_record = table.set_index("record")[VALIDATED]
    return (by_record.loc[scores.record] == BY_A_HUMAN).to_numpy(bool)


def _cross_fitted_outcomes(
    scores: Scores, fitted: Mapping[str, Any], traits: pd.DataFrame | None
) -> Outcomes:
    """Return the outcomes for the records that a calibration was fitted on."""
    band = fitted["refer"]
    of_validated = band.get("of") == VALIDATED_RECORDS
    counted = validated_records(scores, traits) if of_validated else None
    return cross_fitted_outcomes(scores, band["alpha"], stored_rule(fitted), counted)


def _group_coverage(
    scores: Scores, reached: Outcomes, members: np.ndarray, resamples: int
) -> dict[str, Any]:
    patients = scores.patient[members]
    answered, right = reached.answered[members], reached.right[members]
    everyone = np.ones(len(answered), bool)
    return {
        "n": len(answered),
        "few": len(answered) < FEW,
        "covered": _share(reached.covered[members], everyone, patients, resamples),
        "answered": float(answered.mean()),
        "right_answered": _share(right, answered, patients, resamples),
    }


def _share(
    values: np.ndarray, among: np.ndarray, patients: np.ndarray, resamples: int
) -> dict[str, Any]:
    """Return the share of ``values`` (n,) bool ``among`` (n,) bool, with its interval."""
    hits, total = values & among, int(among.sum())
    if not total:
        return interval(None, np.array([]))
    names, number = np.unique(patients, return_inverse=True)
    hits_of, total_of = (np.bincount(number, rows, len(names)) for rows in (hits, among))
    draws = [
        ratio(weights @ hits_of, weights @ total_of)
        for weights in patient_draws(len(names), resamples, seed=0, n_records=len(values))
    ]
    basis = Basis(total, len(np.unique(patients[among])))
    return interval(float(hits.sum() / total), np.concatenate(draws), basis)
