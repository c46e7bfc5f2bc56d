"""More than two runs: one table, every run against the first, on the records that all hold."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.compare import (
    evaluated_decision,
    metric_differences,
    on_common_records,
)
from ecgcore.comparison.costs import costs_of
from ecgcore.comparison.paired import add_holm, mcnemar_of_top
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES, resample
from ecgcore.evaluation.evaluate import evaluate_scores, scores_of

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

METRICS = ("accuracy", "macro_f1", "macro_auc")


def compare_several(runs: Sequence["Run"], part: str = "test", resamples: int = RESAMPLES) -> dict:
    """Compare runs with the first of them, on the records that all of them hold in ``part``.

    Returns
    -------
    dict
        reference (the first run), part, target_mode, n_common, patients, direction, baseline,
        flags, seconds, and rows: run, model, accuracy, macro_f1, macro_auc (intervals),
        differences (from the first, intervals), mcnemar (against the first; p_holm over the rows),
        cost; None for the first where there is nothing to compare.

    Raises
    ------
    RequestError
        A run stands twice, or one cannot be compared with the first.
    """
    started = perf_counter()
    if len({run.id for run in runs}) < len(runs):
        raise RequestError("A run stands twice in the list; give each once.")
    whole = [scores_of(run, part) for run in runs]
    scores = on_records_of_all(whole)
    drawn = resample(scores, resamples)
    evaluations = [evaluate_scores(s, drawn=d) for s, d in zip(scores, drawn, strict=True)]
    heads = [e["intervals"] | {"macro_auc": e["macro_auc"]} for e in evaluations]
    rows = [
        {
            "run": run.id,
            "model": run.meta.get("model"),
            **{metric: head[metric] for metric in METRICS},
            "differences": metric_differences(evaluations[0], e, drawn[0], d),
            "mcnemar": mcnemar_of_top(scores[0], s),
            "cost": costs_of(run) | {"ms_per_ecg": None},
        }
        for run, e, head, s, d in zip(runs, evaluations, heads, scores, drawn, strict=True)
    ]
    rows[0] |= {"differences": None, "mcnemar": None}
    add_holm(row["mcnemar"] for row in rows[1:])
    return {
        "reference": runs[0].id,
        "part": part,
        "target_mode": scores[0].target_mode,
        "n_common": len(scores[0]),
        "patients": scores[0].n_patients,
        "direction": f"run − {runs[0].id}",
        "rows": rows,
        "mcnemar_of": evaluated_decision(scores[0].target_mode),
        "baseline": evaluations[0]["baseline"],
        "bootstrap": evaluations[0]["bootstrap"],
        "flags": _flags(whole, len(scores[0])),
        "seconds": perf_counter() - started,
    }


def on_records_of_all(scores: Sequence[Scores]) -> list[Scores]:
    """Return all scores reduced to the records common to all, in one order, or refuse."""
    first = scores[0]
    for other in scores[1:]:
        first, _ = on_common_records(first, other)
    return [first, *(on_common_records(first, other)[1] for other in scores[1:])]


def _flags(whole: Sequence[Scores], common: int) -> list[str]:
    sizes = [len(scores) for scores in whole]
    if all(size == common for size in sizes):
        return []
    told = ", ".join(f"{size:,}" for size in sizes)
    return [
        f"The runs' records differ: they hold {told}; everything here is over the {common:,} "
        "common ones."
    ]
