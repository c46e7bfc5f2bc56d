"""Compare two runs on the same records: differences B − A with intervals and paired tests."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.costs import COSTS, run_costs
from ecgcore.comparison.disagreement import disagreements
from ecgcore.comparison.paired import delong_per_class, mcnemar_per_class, mcnemar_top_class
from ecgcore.comparison.results import Comparison
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import (
    DIFFERENCE_FORM,
    RESAMPLES,
    Resampled,
    difference_interval,
    resample,
)
from ecgcore.evaluation.evaluate import evaluate_scores, run_scores
from ecgcore.evaluation.headline import headline_values

if TYPE_CHECKING:
    from ecgcore.runs.run import Run


def compare(
    run_a: "Run", run_b: "Run", part: str = "test", resamples: int = RESAMPLES
) -> Comparison:
    """Compare two runs on the records that both hold in ``part``.

    Returns
    -------
    Comparison
        That of :func:`compare_scores`, with models, config_differences and cost {parameters,
        multiply_adds, ms_per_ecg: each {a, b}, the last None until measured}.

    Raises
    ------
    RequestError
        Both are the same run, or they cannot be compared.
    """
    if run_a.id == run_b.id:
        raise RequestError(f"{run_a.id} would be compared with itself; name two different runs.")
    started = perf_counter()
    comparison = compare_scores(run_scores(run_a, part), run_scores(run_b, part), resamples)
    meta_a, meta_b = run_a.meta, run_b.meta
    costs = {"a": run_costs(run_a), "b": run_costs(run_b)}
    flags = [*comparison.content["flags"], *_cohort_flags(meta_a, meta_b)]
    return comparison.extended(
        models={"a": meta_a.get("model"), "b": meta_b.get("model")},
        config_differences=config_differences(asdict(run_a.config), asdict(run_b.config)),
        cost={name: {side: costs[side].get(name) for side in "ab"} for name in COSTS},
        flags=flags,
        seconds=perf_counter() - started,
    )


def compare_scores(a: Scores, b: Scores, resamples: int = RESAMPLES) -> Comparison:
    """Compare two sets of scores on their common records.

    Intervals: bootstrap over patients, with the same resamples for both sides.

    Returns
    -------
    Comparison
        Its JSON form has a, b (run ids), part, target_mode, n_common, patients, direction
        (``B − A``), differences, class_differences, mcnemar, delong, disagreements (record ids),
        disagreement_details, evaluations {a, b} on the common records, confusion_a_minus_b, flags,
        seconds.

    Raises
    ------
    RequestError
        Classes, target modes or labels differ, or no record is common.
    """
    started = perf_counter()
    flags = _record_flags(a, b)
    a, b = on_common_records(a, b)
    resampled_a, resampled_b = resample([a, b], resamples)
    evaluations = {
        "a": evaluate_scores(a, resampled=resampled_a).as_json(),
        "b": evaluate_scores(b, resampled=resampled_b).as_json(),
    }
    details, same = disagreements(a, b), np.array_equal(a.p, b.p)
    return Comparison(
        {
            "a": a.run,
            "b": b.run,
            "part": a.part,
            "target_mode": a.target_mode,
            "n_common": len(a),
            "patients": a.n_patients,
            "direction": "B − A",
            "differences": metric_differences(
                evaluations["a"], evaluations["b"], resampled_a, resampled_b, same
            ),
            "class_differences": _class_differences(evaluations, resampled_a, resampled_b, same),
            "mcnemar": _mcnemar(a, b),
            "delong": delong_per_class(a, b),
            "disagreements": [one["record"] for one in details],
            "disagreement_details": details,
            "evaluations": evaluations,
            "confusion_a_minus_b": _confusion_difference(evaluations),
            "flags": flags,
            "bootstrap": evaluations["a"]["bootstrap"] | {"difference": DIFFERENCE_FORM},
            "seconds": perf_counter() - started,
        }
    )


def _shortened(classes: Sequence[str], shown: int = 10) -> str:
    hidden = len(classes) - shown
    return ", ".join(classes[:shown]) + (f" and {hidden} more" if hidden > 0 else "")


def on_common_records(a: Scores, b: Scores) -> tuple[Scores, Scores]:
    """Return both sides reduced to their common records, in the same order.

    Raises
    ------
    RequestError
        Classes, target modes or labels differ, or no record is common.
    """
    names = f"Runs {a.run or 'A'} and {b.run or 'B'}"
    if a.target_mode != b.target_mode:
        raise RequestError(
            f"{names} have different target modes ({a.target_mode}, {b.target_mode}) and cannot "
            "be compared; train both in one."
        )
    if a.classes != b.classes:
        raise RequestError(
            f"{names} have different classes ({_shortened(a.classes)}; {_shortened(b.classes)}) "
            "and cannot be compared."
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
            "be compared; train both with one tier and one label table, or score both on one "
            "version of imported labels: --labels latest."
        )
    return a, b


def config_differences(config_a: dict[str, Any], config_b: dict[str, Any]) -> dict[str, dict]:
    """Return the settings that differ: name → {a, b}."""
    names = dict.fromkeys([*config_a, *config_b])
    both = {name: {"a": config_a.get(name), "b": config_b.get(name)} for name in names}
    return {name: pair for name, pair in both.items() if pair["a"] != pair["b"]}


def metric_differences(
    a: Mapping, b: Mapping, resampled_a: Resampled, resampled_b: Resampled, same: bool = False
) -> dict[str, dict]:
    """Return the interval of B − A for each headline metric of two evaluations.

    With ``same`` predictions on both sides, all metrics and their intervals are equal.
    """
    values_a, values_b = headline_values(a), headline_values(b)
    return {
        metric: difference_interval(
            values_a[metric],
            values_b[metric],
            getattr(resampled_a, metric),
            getattr(resampled_b, metric),
            None if same else resampled_a.metric_basis(metric),
        )
        for metric in values_a
    }


def _class_differences(evaluations: dict, a: Resampled, b: Resampled, same: bool) -> dict:
    """Return the interval of B − A for each class's F1 and AUC."""
    classes_a, classes_b = evaluations["a"]["classes"], evaluations["b"]["classes"]
    differences: dict = {}
    for i, code in enumerate(classes_a):
        differences[code] = {}
        for name, basis in (("f1", a.class_basis[i]), ("auc", a.class_basis[i].for_area)):
            values = classes_a[code][name], classes_b[code][name]
            draws = getattr(a, name)[:, i], getattr(b, name)[:, i]
            differences[code][name] = difference_interval(*values, *draws, None if same else basis)
    return differences


def _mcnemar(a: Scores, b: Scores) -> dict:
    """Return the test of the top class and, in multilabel mode, that of each class."""
    per_class = mcnemar_per_class(a, b) if a.target_mode == "multilabel" else None
    return mcnemar_top_class(a, b) | {
        "of": tested_decision(a.target_mode),
        "classes": per_class,
    }


def tested_decision(target_mode: str) -> str:
    """Return in words the decision that McNemar's test of the top class is about."""
    if target_mode == "multilabel":
        return "class of highest calibrated probability, records with exactly one stated class"
    return "most probable class"


def _confusion_difference(evaluations: dict) -> list[list[int]]:
    a, b = (np.array(evaluations[side]["confusion"]) for side in "ab")
    return (a - b).tolist()


def _record_flags(a: Scores, b: Scores) -> list[str]:
    """Return a sentence where the two sides were not scored on the same records."""
    common = len(np.intersect1d(a.record, b.record))
    if common == len(a) == len(b):
        return []
    return [
        f"The runs' records differ: A holds {len(a):,}, B {len(b):,}; everything here is over the "
        f"{common:,} common ones."
    ]


def _cohort_flags(meta_a: dict, meta_b: dict) -> list[str]:
    """Return a sentence each where the cohorts or label tables of the runs differ."""
    flags = []
    for key, words in (("cohort", "cohorts"), ("labels", "label tables")):
        if meta_a.get(key) != meta_b.get(key):
            flags.append(f"The runs were made from different {words}; see both runs' run.json.")
    versions = [meta.get("labels", {}).get("version", "ingested") for meta in (meta_a, meta_b)]
    if versions[0] != versions[1]:
        flags.append(
            f"The labels of A are of version {versions[0]}, those of B of version {versions[1]}: "
            "score both on one, with `ecgcore evaluate RUN --labels VERSION`."
        )
    return flags
