"""Several seeds a side: how much of a figure is the patients', how much the luck of a start?

Three intervals of one figure, each named by what it lets vary:

patients   the same trained networks, other patients (bootstrap over patients)
seeds      the same records, other starts and draws (Student's t over the seeds' own figures; cut
           where no figure of the kind can lie)
both       other starts and other patients: seeds are drawn anew in each resample of patients
           (a hierarchical bootstrap; Davison & Hinkley 1997, section 3.8)

A handful of seeds varies less among itself than seeds at large: in ``both`` their distance from
their mean is stretched by √(S / (S − 1)), and Student's t has the degrees of freedom of a sum of
two variances, the seeds' with S − 1 and the patients' (Satterthwaite 1946, doi:10.2307/3002019).
"""

from collections.abc import Sequence
from dataclasses import replace

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
from ecgcore.evaluation.metrics import accuracy_of, averages, class_metrics

METRICS = ("accuracy", "macro_f1", "macro_auc")


def over_seeds(side: Sequence[Scores], resamples: int = RESAMPLES) -> dict[str, dict]:
    """Return each metric's mean over seeds, with its three intervals.

    Parameters
    ----------
    side
        One a seed; they may hold different records (each seed's own test part).

    Returns
    -------
    dict
        metric → ``values`` (one a seed), ``mean``, and ``patients``, ``seeds``, ``both``: intervals
        {value, low, high, level, unit}.
    """
    drawn = resample(side, resamples)
    return {
        metric: _spread(_values(side, metric), _draws(drawn, metric), _basis(drawn, metric))
        for metric in METRICS
    }


def difference_over_seeds(
    a: Sequence[Scores], b: Sequence[Scores], resamples: int = RESAMPLES
) -> dict[str, dict]:
    """Return the same of B − A, seed by seed on the pair's common records.

    Raises
    ------
    RequestError
        The sides have different numbers of seeds, or a pair cannot be compared.
    """
    if len(a) != len(b):
        raise RequestError(
            f"{len(a)} seeds against {len(b)}: pairs of the same seed are compared; give as many "
            "runs on each side, in the same order."
        )
    pairs = [on_common_records(x, y) for x, y in zip(a, b, strict=True)]
    of_a, of_b = ([pair[i] for pair in pairs] for i in (0, 1))
    drawn = resample([*of_a, *of_b], resamples)
    drawn_a, drawn_b = drawn[: len(a)], drawn[len(a) :]
    found = {}
    for metric in METRICS:
        draws = [_draws(drawn_a, metric), _draws(drawn_b, metric)]
        values = [_values(of_a, metric), _values(of_b, metric)]
        found[metric] = _difference(values, draws, _basis(drawn_a, metric))
    return found


def interval_over_seeds(values: np.ndarray, within: tuple[float, float] = (-1.0, 1.0)) -> dict:
    """Return the mean of one figure a seed with Student's t interval, cut where no figure can lie.

    ``values`` (S,), NaN where a seed has none; ``within``: what the figure can be, by default that
    of a difference of shares.
    """
    mean = _mean(values)
    found: dict = {"value": mean, "low": None, "high": None, "level": LEVEL, "unit": "seeds"}
    if mean is None or len(values) < 2:
        return found
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * error)
    return found | {"low": max(mean - half, within[0]), "high": min(mean + half, within[1])}


def _values(side: Sequence[Scores], metric: str) -> np.ndarray:
    """Return (S,), NaN where a seed has no value."""
    return np.array([_value(scores, metric) for scores in side], float)


def _value(scores: Scores, metric: str) -> float | None:
    if metric == "accuracy":
        return accuracy_of(scores)
    classes = {code: class_metrics(scores, i) for i, code in enumerate(scores.classes)}
    return averages(classes)["macro"][metric.removeprefix("macro_")]


def _draws(drawn: Sequence[Resampled], metric: str) -> np.ndarray:
    """Return (S, R)."""
    return np.stack([getattr(one, metric) for one in drawn])


def _basis(drawn: Sequence[Resampled], metric: str) -> Basis:
    """Return what a mean over seeds rests on: the seed with the fewest patients tells."""
    of = (one.of_single if metric == "accuracy" else one.of_all for one in drawn)
    least = min(of, key=lambda basis: basis.patients)
    return least.of_area if metric == "macro_auc" else least


def _spread(values: np.ndarray, draws: np.ndarray, basis: Basis) -> dict:
    mean = _mean(values)
    both = interval(mean, _redrawn_seeds(draws), _of_both(values, draws, basis))
    return _told(values) | {
        "patients": interval(mean, draws.mean(axis=0), basis),
        "seeds": interval_over_seeds(values, (0.0, 1.0)),
        "both": both | {"unit": "seeds and patients"},
    }


def _difference(values: Sequence[np.ndarray], draws: Sequence[np.ndarray], basis: Basis) -> dict:
    """Return the spread of B − A; the same seeds are drawn on both sides."""
    apart, means = values[1] - values[0], (_mean(values[0]), _mean(values[1]))
    a, b = draws
    of_both = _of_both(apart, b - a, basis)
    both = difference_interval(*means, _redrawn_seeds(a), _redrawn_seeds(b), of_both)
    return _told(apart) | {
        "patients": difference_interval(*means, a.mean(axis=0), b.mean(axis=0), basis),
        "seeds": interval_over_seeds(apart),
        "both": both | {"unit": "seeds and patients"},
    }


def _of_both(values: np.ndarray, draws: np.ndarray, basis: Basis) -> Basis:
    """Return what an interval rests on that lets seeds and patients vary.

    ``values`` (S,), ``draws`` (S, R). A single seed tells nothing of others.
    """
    if len(values) < 2:
        return basis
    of_seeds = float(values.var(ddof=1)) / len(values)
    of_patients = float(np.nanvar(draws.mean(axis=0)))
    parts = of_seeds**2 / (len(values) - 1) + of_patients**2 / max(basis.patients - 1, 1)
    return replace(basis, freedom=(of_seeds + of_patients) ** 2 / parts) if parts else basis


def _told(values: np.ndarray) -> dict:
    return {"values": [None if np.isnan(v) else float(v) for v in values], "mean": _mean(values)}


def _mean(values: np.ndarray) -> float | None:
    return None if np.isnan(values).any() else float(values.mean())


def _redrawn_seeds(draws: np.ndarray) -> np.ndarray:
    """Return (R,) means over seeds that are drawn anew in each resample; ``draws`` is (S, R)."""
    seeds, resamples = draws.shape
    mean = draws.mean(axis=0)
    apart = (draws - mean) * np.sqrt(seeds / max(seeds - 1, 1))
    chosen = np.random.default_rng(0).integers(seeds, size=draws.shape)
    return mean + apart[chosen, np.arange(resamples)].mean(axis=0)
