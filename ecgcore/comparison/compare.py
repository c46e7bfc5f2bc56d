"""Compare: two runs on the same records, as the difference B − A and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.costs import costs_of
from ecgcore.comparison.disagreement import disagreements
from ecgcore.comparison.paired import delong_per_class, mcnemar_of_top, mcnemar_per_class
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import (
    DIFFERENCE_FORM,
    RESAMPLES,
    Resampled,
    difference_interval,
    resample,
)
from ecgcore.evaluation.evaluate import evaluate_scores, scores_of

if TYPE_CHECKING:
    from ecgcore.runs.run import Run


def compare(run_a: "Run", run_b: "Run", part: str = "test", resamples: int = RESAMPLES) -> dict:
    """Compare two runs on the records that both hold in ``part``.

    Returns
    -------
    dict
        That of :func:`compare_scores`, and models, config_differences, cost {parameters,
        multiply_adds, ms_per_ecg: each {a, b}, the last None until measured}; ready for JSON.
    """
    started = perf_counter()
    found = compare_scores(scores_of(run_a, part), scores_of(run_b, part), resamples)
    meta_a, meta_b = run_a.meta, run_b.meta
    found["models"] = {"a": meta_a.get("model"), "b": meta_b.get("model")}
    found["config_differences"] = differences_between(asdict(run_a.config), asdict(run_b.config))
    costs = {"a": costs_of(run_a), "b": costs_of(run_b)}
    found["cost"] = {
        name: {side: costs[side].get(name) for side in "ab"}
        for name in ("parameters", "multiply_adds", "ms_per_ecg")
    }
    found["flags"] += _cohort_flags(meta_a, meta_b)
    found["seconds"] = perf_counter() - started
    return found


def compare_scores(a: Scores, b: Scores, resamples: int = RESAMPLES) -> dict:
    """Compare two sets of scores on their common records.

    Intervals: bootstrap over patients, both sides seeing the same draws.

    Returns
    -------
    dict
        a, b (run ids), part, target_mode, n_common, patients, direction (``B − A``), differences,
        class_differences, mcnemar, delong, disagreements (record ids), disagreement_details,
        evaluations {a, b} on the common records, confusion_a_minus_b, flags, seconds.

    Raises
    ------
    RequestError
        Classes, target modes or labels differ, or no record is common.
    """
    started = perf_counter()
    flags = _record_flags(a, b)
    a, b = on_common_records(a, b)
    drawn_a, drawn_b = resample([a, b], resamples)
    evaluations = {
        "a": evaluate_scores(a, drawn=drawn_a),
        "b": evaluate_scores(b, drawn=drawn_b),
    }
    differ, alike = disagreements(a, b), np.array_equal(a.p, b.p)
    return {
        "a": a.run,
        "b": b.run,
        "part": a.part,
        "target_mode": a.target_mode,
        "n_common": len(a),
        "patients": a.n_patients,
        "direction": "B − A",
        "differences": metric_differences(
            evaluations["a"], evaluations["b"], drawn_a, drawn_b, alike
        ),
        "class_differences": _class_differences(evaluations, drawn_a, drawn_b, alike),
        "mcnemar": _mcnemar(a, b),
        "delong": delong_per_class(a, b),
        "disagreements": [d["record"] for d in differ],
        "disagreement_details": differ,
        "evaluations": evaluations,
        "confusion_a_minus_b": _confusion_difference(evaluations),
        "flags": flags,
        "bootstrap": evaluations["a"]["bootstrap"] | {"difference": DIFFERENCE_FORM},
        "seconds": perf_counter() - started,
    }


def _some(classes: Sequence[str], most: int = 10) -> str:
    left = len(classes) - most
    return ", ".join(classes[:most]) + (f" and {left} more" if left > 0 else "")


def on_common_records(a: Scores, b: Scores) -> tuple[Scores, Scores]:
    """Return both sides reduced to their common records, in the same order, or refuse."""
    names = f"Runs {a.run or 'A'} and {b.run or 'B'}"
    if a.target_mode != b.target_mode:
        raise RequestError(
            f"{names} have different target modes ({a.target_mode}, {b.target_mode}) and cannot "
            "be compared; train both in one."
        )
    if a.classes != b.classes:
        raise RequestError(
            f"{names} have different classes ({_some(a.classes)}; {_some(b.classes)}) and cannot "
            "be compared."
        )
    _, rows_a, rows_b = np.intersect1d(a.record, b.record, return_indices=True)
    if not len(rows_a):
        raise RequestError(
            f"{names} have no common record in part '{a.part}' ({len(a):,} and {len(b):,} "
            "records); compare them on another part, or train both on the same split."
        )
    a, b = a.take(rows_a), b.take(rows_b)
    differ = ~np.array(
        [np.array_equal(x, y, equal_nan=True) for x, y in zip(a.y, b.y, strict=True)]
    )
    if differ.any():
        raise RequestError(
            f"{names} label {differ.sum():,} of {len(a):,} common records differently and cannot "
            "be compared; train both with one tier and one label table."
        )
    return a, b


def differences_between(config_a: dict[str, Any], config_b: dict[str, Any]) -> dict[str, dict]:
    """Return the settings that differ: name → {a, b}."""
    names = dict.fromkeys([*config_a, *config_b])
    both = {name: {"a": config_a.get(name), "b": config_b.get(name)} for name in names}
    return {name: pair for name, pair in both.items() if pair["a"] != pair["b"]}


def metric_differences(
    a: Mapping, b: Mapping, drawn_a: Resampled, drawn_b: Resampled, alike: bool = False
) -> dict[str, dict]:
    """Return the interval of B − A for accuracy, macro-F1 and macro AUC of two evaluations.

    ``alike``: both sides' predictions are the same, and so are all figures of them.
    """
    values_a, values_b = headline(a), headline(b)
    rests = {"accuracy": drawn_a.of_single, "macro_f1": drawn_a.of_all}
    rests["macro_auc"] = drawn_a.of_all.of_area
    return {
        name: difference_interval(
            values_a[name],
            values_b[name],
            getattr(drawn_a, name),
            getattr(drawn_b, name),
            None if alike else rests[name],
        )
        for name in values_a
    }


def headline(evaluation: Mapping) -> dict[str, float | None]:
    """Return accuracy, macro-F1 and macro AUC."""
    return {
        "accuracy": evaluation["accuracy"],
        "macro_f1": evaluation["macro_f1"],
        "macro_auc": evaluation["macro_auc"]["value"],
    }


def _class_differences(evaluations: dict, a: Resampled, b: Resampled, alike: bool) -> dict:
    """Return the interval of B − A for each class's F1 and AUC."""
    of_a, of_b = evaluations["a"]["classes"], evaluations["b"]["classes"]
    found: dict = {}
    for i, code in enumerate(of_a):
        found[code] = {}
        for name, basis in (("f1", a.of_class[i]), ("auc", a.of_class[i].of_area)):
            values = of_a[code][name], of_b[code][name]
            draws = getattr(a, name)[:, i], getattr(b, name)[:, i]
            found[code][name] = difference_interval(*values, *draws, None if alike else basis)
    return found


def _mcnemar(a: Scores, b: Scores) -> dict:
    """Return the test of the top class; in multilabel mode each class's beside it."""
    per_class = mcnemar_per_class(a, b) if a.target_mode == "multilabel" else None
    return mcnemar_of_top(a, b) | {
        "of": evaluated_decision(a.target_mode),
        "classes": per_class,
    }


def evaluated_decision(target_mode: str) -> str:
    """Return which decision the first McNemar test is about."""
    if target_mode == "multilabel":
        return "class of highest calibrated probability, records with exactly one stated class"
    return "most probable class"


def _confusion_difference(evaluations: dict) -> list[list[int]]:
    a, b = (np.array(evaluations[side]["confusion"]) for side in "ab")
    return (a - b).tolist()


def _record_flags(a: Scores, b: Scores) -> list[str]:
    """Say when the two sides were not scored on the same records."""
    common = len(np.intersect1d(a.record, b.record))
    if common == len(a) == len(b):
        return []
    return [
        f"The runs' records differ: A holds {len(a):,}, B {len(b):,}; everything here is over the "
        f"{common:,} common ones."
    ]


def _cohort_flags(meta_a: dict, meta_b: dict) -> list[str]:
    """Say when cohort or labels are not those of the other run."""
    flags = []
    for what, words in (("cohort", "cohorts"), ("labels", "label tables")):
        if meta_a.get(what) != meta_b.get(what):
            flags.append(f"The runs were made from different {words}; see both runs' run.json.")
    return flags
