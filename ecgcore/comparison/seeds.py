"""Metrics over several seeds: variation due to patients, to seeds, and to both.

Three intervals of one metric, each named by what it lets vary:

patients   the same trained networks, other patients (bootstrap over patients)
seeds      the same records, other seeds (Student's t over the seeds' own metrics; cut at the limits
           of the metric)
both       other seeds and other patients: seeds are resampled in each resample of patients
           (a hierarchical bootstrap; Davison & Hinkley 1997, section 3.8)

A handful of seeds varies less among itself than seeds at large: in ``both`` their distance from
their mean is stretched by √(S / (S − 1)), and Student's t has the degrees of freedom of a sum of
two variances, the seeds' with S − 1 and the patients' (Satterthwaite 1946, doi:10.2307/3002019).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import t

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.compare import on_common_records
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import (
    LEVEL,
    RESAMPLES,
    Basis,
    Resampled,
    difference_interval,
    interval,
    resample,
)
from ecgcore.evaluation.metrics import accuracy_of, averages, per_class_metrics
from ecgcore.evaluation.text import METRIC_LABELS


def metrics_over_seeds(group: Sequence[Scores], resamples: int = RESAMPLES) -> dict[str, dict]:
    """Return each headline metric's mean over seeds, with its three intervals.

    Parameters
    ----------
    group
        One Scores a seed; they may hold different records (each seed's own test part).

    Returns
    -------
    dict
        metric → ``values`` (one a seed), ``mean``, and ``patients``, ``seeds``, ``both``: intervals
        {value, low, high, level, unit}.
    """
    resampled = resample(group, resamples)
    return {
        metric: _intervals(
            _values(group, metric), _draws(resampled, metric), _basis(resampled, metric)
        )
        for metric in METRIC_LABELS
    }


def difference_over_seeds(
    a: Sequence[Scores], b: Sequence[Scores], resamples: int = RESAMPLES
) -> dict[str, dict]:
    """Return the same of B − A, seed by seed on the pair's common records.

    Raises
    ------
    RequestError
        The groups have different numbers of seeds, or a pair cannot be compared.
    """
    if len(a) != len(b):
        raise RequestError(
            f"{len(a)} seeds against {len(b)}: pairs of the same seed are compared; give as many "
            "runs on each side, in the same order."
        )
    pairs = [on_common_records(x, y) for x, y in zip(a, b, strict=True)]
    group_a, group_b = ([pair[i] for pair in pairs] for i in (0, 1))
    resampled = resample([*group_a, *group_b], resamples)
    resampled_a, resampled_b = resampled[: len(a)], resampled[len(a) :]
    differences = {}
    for metric in METRIC_LABELS:
        draws = [_draws(resampled_a, metric), _draws(resampled_b, metric)]
        values = [_values(group_a, metric), _values(group_b, metric)]
        differences[metric] = _difference(values, draws, _basis(resampled_a, metric))
    return differences


def interval_over_seeds(values: np.ndarray, limits: tuple[float, float] = (-1.0, 1.0)) -> dict:
    """Return the mean of one value a seed with Student's t interval, cut at the ``limits``.

    ``values`` (S,), NaN where a seed has none; ``limits`` are those of the metric, by default of a
    difference of shares.
    """
    mean = _mean(values)
    empty: dict = {"value": mean, "low": None, "high": None, "level": LEVEL, "unit": "seeds"}
    if mean is None or len(values) < 2:
        return empty
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * error)
    return empty | {"low": max(mean - half, limits[0]), "high": min(mean + half, limits[1])}


def p_of_difference(interval: Mapping[str, Any], degrees_of_freedom: float) -> float | None:
    """Return the two-sided p of no difference that Student's t interval of a difference implies."""
    value, low, high = (interval[name] for name in ("value", "low", "high"))
    half = None if low is None else max(high - value, value - low)  # one end may be cut
    if not half:
        return None
    error = half / t.ppf((1 + interval["level"]) / 2, degrees_of_freedom)
    return float(2 * t.sf(abs(value) / error, degrees_of_freedom))


def _values(group: Sequence[Scores], metric: str) -> np.ndarray:
    """Return (S,), NaN where a seed has no value."""
    return np.array([_value(scores, metric) for scores in group], float)


def _value(scores: Scores, metric: str) -> float | None:
    if metric == "accuracy":
        return accuracy_of(scores)
    return averages(per_class_metrics(scores))["macro"][metric.removeprefix("macro_")]


def _draws(resampled: Sequence[Resampled], metric: str) -> np.ndarray:
    """Return (S, R)."""
    return np.stack([getattr(of_seed, metric) for of_seed in resampled])


def _basis(resampled: Sequence[Resampled], metric: str) -> Basis:
    """Return the basis of a mean over seeds: that of the seed with the fewest patients."""
    accuracy = metric == "accuracy"
    bases = (r.single_label_basis if accuracy else r.basis for r in resampled)
    smallest = min(bases, key=lambda basis: basis.patients)
    return smallest.for_area if metric == "macro_auc" else smallest


def _intervals(values: np.ndarray, draws: np.ndarray, basis: Basis) -> dict:
    mean = _mean(values)
    both = interval(mean, _redrawn_seeds(draws), _basis_of_both(values, draws, basis))
    return _values_and_mean(values) | {
        "patients": interval(mean, draws.mean(axis=0), basis),
        "seeds": interval_over_seeds(values, (0.0, 1.0)),
        "both": both | {"unit": "seeds and patients"},
    }


def _difference(values: Sequence[np.ndarray], draws: Sequence[np.ndarray], basis: Basis) -> dict:
    """Return the intervals of B − A; the same seeds are resampled on both sides."""
    differences, means = values[1] - values[0], (_mean(values[0]), _mean(values[1]))
    a, b = draws
    basis_of_both = _basis_of_both(differences, b - a, basis)
    both = difference_interval(*means, _redrawn_seeds(a), _redrawn_seeds(b), basis_of_both)
    return _values_and_mean(differences) | {
        "patients": difference_interval(*means, a.mean(axis=0), b.mean(axis=0), basis),
        "seeds": interval_over_seeds(differences),
        "both": both
        | {"unit": "seeds and patients", "p": p_of_difference(both, basis_of_both.freedom)},
    }


def _basis_of_both(values: np.ndarray, draws: np.ndarray, basis: Basis) -> Basis:
    """Return the basis of an interval that lets seeds and patients vary.

    ``values`` (S,), ``draws`` (S, R). A single seed says nothing about others.
    """
    if len(values) < 2:
        return basis
    of_seeds = float(values.var(ddof=1)) / len(values)
    of_patients = float(np.nanvar(draws.mean(axis=0)))
    parts = of_seeds**2 / (len(values) - 1) + of_patients**2 / max(basis.patients - 1, 1)
    if not parts:
        return basis
    return replace(basis, degrees_of_freedom=(of_seeds + of_patients) ** 2 / parts)


def _values_and_mean(values: np.ndarray) -> dict:
    return {"values": [None if np.isnan(v) else float(v) for v in values], "mean": _mean(values)}


def _mean(values: np.ndarray) -> float | None:
    return None if np.isnan(values).any() else float(values.mean())


def _redrawn_seeds(draws: np.ndarray) -> np.ndarray:
    """Return (R,) means over seeds, which are resampled in each resample; ``draws`` is (S, R)."""
    seeds, resamples = draws.shape
    mean = draws.mean(axis=0)
    stretched = (draws - mean) * np.sqrt(seeds / max(seeds - 1, 1))
    chosen = np.random.default_rng(0).integers(seeds, size=draws.shape)
    return mean + stretched[chosen, np.arange(resamples)].mean(axis=0)
