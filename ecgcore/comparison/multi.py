"""Comparison of more than two runs: each against the first, on the records that all hold."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.compare import metric_differences, on_common_records, tested_decision
from ecgcore.comparison.costs import run_costs
from ecgcore.comparison.paired import add_holm, mcnemar_top_class
from ecgcore.comparison.results import MultiComparison
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES, resample
from ecgcore.evaluation.evaluate import evaluate_scores, run_scores
from ecgcore.evaluation.text import METRIC_LABELS

if TYPE_CHECKING:
    from ecgcore.runs.run import Run


def compare_multi(
    runs: Sequence["Run"], part: str = "test", resamples: int = RESAMPLES
) -> MultiComparison:
    """Compare runs with the first of them, on the records that all of them hold in ``part``.

    Returns
    -------
    MultiComparison
        Its JSON form has reference (the first run), part, target_mode, n_common, patients,
        direction, baseline, flags, seconds, and rows: run, model, accuracy, macro_f1, macro_auc
        (intervals), differences (from the first, intervals), mcnemar (against the first; p_holm
        over the rows), cost. Differences and mcnemar of the first are None.

    Raises
    ------
    RequestError
        A run is given twice, or one cannot be compared with the first.
    """
    started = perf_counter()
    if len({run.id for run in runs}) < len(runs):
        raise RequestError("The same run is given twice; give each run once.")
    all_scores = [run_scores(run, part) for run in runs]
    scores = on_records_of_all(all_scores)
    resampled = resample(scores, resamples)
    evaluations = [
        evaluate_scores(s, resampled=r).as_json() for s, r in zip(scores, resampled, strict=True)
    ]
    rows = []
    for run, e, s, r in zip(runs, evaluations, scores, resampled, strict=True):
        intervals = e["intervals"] | {"macro_auc": e["macro_auc"]}
        rows.append(
            {
                "run": run.id,
                "model": run.meta.get("model"),
                **{metric: intervals[metric] for metric in METRIC_LABELS},
                "differences": metric_differences(evaluations[0], e, resampled[0], r),
                "mcnemar": mcnemar_top_class(scores[0], s),
                "cost": run_costs(run) | {"ms_per_ecg": None},
            }
        )
    rows[0] |= {"differences": None, "mcnemar": None}
    add_holm(row["mcnemar"] for row in rows[1:])
    return MultiComparison(
        {
            "reference": runs[0].id,
            "part": part,
            "target_mode": scores[0].target_mode,
            "n_common": len(scores[0]),
            "patients": scores[0].n_patients,
            "direction": f"run − {runs[0].id}",
            "rows": rows,
            "mcnemar_of": tested_decision(scores[0].target_mode),
            "baseline": evaluations[0]["baseline"],
            "bootstrap": evaluations[0]["bootstrap"],
            "flags": _flags(all_scores, len(scores[0])),
            "seconds": perf_counter() - started,
        }
    )


def on_records_of_all(score_sets: Sequence[Scores]) -> list[Scores]:
    """Return all scores reduced to the records common to all, in one order, or refuse."""
    first = score_sets[0]
    for other in score_sets[1:]:
        first, _ = on_common_records(first, other)
    return [first, *(on_common_records(first, other)[1] for other in score_sets[1:])]


def _flags(score_sets: Sequence[Scores], common: int) -> list[str]:
    sizes = [len(scores) for scores in score_sets]
    if all(size == common for size in sizes):
        return []
    counts = ", ".join(f"{size:,}" for size in sizes)
    return [
        f"The runs' records differ: they hold {counts}; everything here is over the {common:,} "
        "common ones."
    ]
