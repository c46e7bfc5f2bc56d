"""Study ``levels``: AlexNet-M-SE against AlexNet at the levels of paper 001, with its uncertainty.

Each level is trained with several seeds a network: the seed sets the draw, the split, the initial
weights and the order. Every run is scored on its own 15 %, as in the paper, and on a holdout
fold of other patients, which is the same for all; conclusions rest on that.
"""

from collections.abc import Sequence
from math import ceil

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.seeds import difference_over_seeds, metrics_over_seeds
from ecgcore.evaluation.baseline import naive_baseline
from ecgcore.evaluation.markdown import span, table
from ecgcore.evaluation.text import METRIC_LABELS, number, with_range
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.claims import Claim
from ecgcore.studies.levels_vs_paper import compare_with_paper, figures
from ecgcore.studies.study import Study
from ecgcore.studies.trial import TrialConfig, TrialResult

PAIRS = (("alexnet", "alexnet_m_se"), ("alexnet_gap", "alexnet_m_se_gap"))
HEADS = (("alexnet", "alexnet_gap"), ("alexnet_m_se", "alexnet_m_se_gap"))
"""The paper's head (FC6 to FC8) and its own remedy, global average pooling."""
LEVELS = ("204", "440")
QUESTIONS = (
    *((level, "expert") for level in LEVELS),
    *((level, "criteria") for level in LEVELS),
    ("all", "expert"),
)
"""(level, label source), the most important first."""
SEEDS = (1, 2, 3, 4, 5)
PARTS = {"test": "own 15 %", "holdout": "holdout fold"}
INTERVALS = ("patients", "seeds", "both")

HEAD = """\
Cohort `{cohort}`, labels `exclusive` by expert statements, or by the paper's own criteria where a
section says so (measurements against its thresholds, [labels](../../labels.md)), {epochs} epochs of
batches of 16. Each network trains at its own rate, found by the same search on validation (study
`rates`; the `_gap` networks use those of their siblings): {rates}.

The levels compare how fast networks learn: within {epochs} epochs of so few records a plain network
is far from the end of its training, M-SE is not (see *Speed of learning*). A difference here says
which one reads better after equally few steps, not which one reads better when both have converged.
The paper's own data are Chapman–Ningbo.

Every interval is at 95 % and names its source of variation: *patients* (the same trained networks,
other patients; bootstrap), *seeds* (other draws and initial weights, in the own 15 % also other
records; Student's t over the figures of the seeds), *both* (seeds and patients resampled;
hierarchical bootstrap). Differences are paired: the same seed, draw, split and records for both
networks. The baseline always answers the most frequent class of the records scored: on the holdout
fold, where most ECGs are normal, its accuracy exceeds that of many networks here, which were
trained on equal numbers of each class. Macro-F1 and macro AUC weight all classes equally and are
more informative.

"""


def trials(cohort: str, _finished: Sequence[TrialResult]) -> list[TrialConfig]:
    """Return the trials, the most important first."""
    return [
        _trial(cohort, model, level, label_source, seed)
        for level, label_source in QUESTIONS
        for pair in PAIRS
        for seed in SEEDS
        for model in pair
    ]


def _trial(cohort: str, model: str, level: str, label_source: str, seed: int) -> TrialConfig:
    name = (
        f"{model}-{level}-s{seed}"
        if label_source == "expert"
        else f"{model}-{level}-{label_source}-s{seed}"
    )
    config = TrainConfig(cohort, model, level, "exclusive", label_source=label_source, seed=seed)
    return TrialConfig(name, config)


def page(finished: Sequence[TrialResult]) -> str:
    """Return the tables: a section for each pair of networks and level."""
    first = finished[0].content
    rate_of_model = {
        t.config.model: f"{t.config.optimizer} {t.config.learning_rate:g}" for t in finished
    }
    rates = "; ".join(f"`{model}` {rate}" for model, rate in rate_of_model.items())
    parts = [
        HEAD.format(cohort=first["cohort"]["name"], epochs=first["config"]["epochs"], rates=rates)
    ]
    parts.append(_speed_of_learning(finished))
    for pair in (*PAIRS, *HEADS):
        for level, label_source in QUESTIONS:
            parts.append(_section(pair, level, label_source, finished))
    return "".join(parts) + compare_with_paper(_with_labels_from(finished, "expert"))


def _speed_of_learning(finished: Sequence[TrialResult]) -> str:
    """Return the training loss at the end of each network's training, by level."""
    groups: dict[tuple[str, str, str], list[TrialResult]] = {}
    for trial in finished:
        key = (trial.config.level, trial.config.label_source, trial.config.model)
        groups.setdefault(key, []).append(trial)
    rows = [
        (level, source, f"`{model}`", f"{span_of_loss(trials)}", span(map(_steps, trials)))
        for (level, source, model), trials in sorted(groups.items())
    ]
    head = ("level", "labels", "network", "training loss at the end", "steps")
    return (
        "## Speed of learning\n\nA guess among ten classes has a training loss of ln 10 = 2.30. "
        f"Range over the seeds.\n\n{table(head, rows)}\n"
    )


def span_of_loss(trials: Sequence[TrialResult]) -> str:
    """Return the range of the last epochs' training losses."""
    losses = sorted(float(trial.history["train_loss"].iloc[-1]) for trial in trials)
    return f"{losses[0]:.2f} to {losses[-1]:.2f}"


def _steps(trial: TrialResult) -> int:
    """Return the number of optimiser steps of a trial."""
    records = trial.content["split"]["records"]["train"]
    return len(trial.history) * ceil(records / trial.config.batch_size)


def summary(finished: Sequence[TrialResult]) -> str:
    """Return how far each pair had learnt when it was compared."""
    texts = []
    for pair in PAIRS:
        for level in LEVELS:
            trials = _paired(pair, level, _with_labels_from(finished, "expert"))
            if trials[0]:
                losses = " against ".join(span_of_loss(of_model) for of_model in trials)
                texts.append(f"`{pair[0]}` and `{pair[1]}` at level {level}: {losses}")
    if not texts:
        return ""
    return (
        "The levels compare speed of learning, not converged networks. Training loss at the end (a "
        f"guess: 2.30): {'; '.join(texts)}."
    )


def _with_labels_from(finished: Sequence[TrialResult], label_source: str) -> list[TrialResult]:
    """Return the trials with labels from one source."""
    return [trial for trial in finished if trial.config.label_source == label_source]


def claims(finished: Sequence[TrialResult]) -> list[Claim]:
    """Return the paper's claims for each pair and level, on the holdout fold."""
    tested = []
    for pair in (*PAIRS, *HEADS):
        for level, label_source in QUESTIONS:
            trials = _paired(pair, level, _with_labels_from(finished, label_source))
            if len(trials[0]) < 2:
                continue
            a, b = ([trial.scores("holdout") for trial in of_model] for of_model in trials)
            difference = difference_over_seeds(a, b)["macro_auc"]["both"]
            question = _question(level, label_source)
            statement = f"`{pair[1]}` reads better than `{pair[0]}` {question}"
            basis = f"macro AUC on {len(a[0]):,} holdout records, {len(a)} seeds (both vary)"
            is_primary = (pair, level, label_source) == (PAIRS[0], "204", "expert")
            tested.append(Claim(statement, difference, basis, is_primary))
    return tested


def _paired(
    pair: tuple[str, str], level: str, finished: Sequence[TrialResult]
) -> tuple[list[TrialResult], list[TrialResult]]:
    """Return the trials of both networks, seed by seed."""
    a, b = (
        {t.config.seed: t for t in finished if (t.config.model, t.config.level) == (name, level)}
        for name in pair
    )
    seeds = sorted(set(a) & set(b))
    return [a[seed] for seed in seeds], [b[seed] for seed in seeds]


def _question(level: str, label_source: str) -> str:
    """Return a level and label source in words."""
    return f"at level {level}" + (", labels by criteria" if label_source == "criteria" else "")


def _section(
    pair: tuple[str, str], level: str, label_source: str, finished: Sequence[TrialResult]
) -> str:
    """Return the tables of both parts, over the seeds that both networks have."""
    trials = _paired(pair, level, _with_labels_from(finished, label_source))
    if not trials[0]:
        return ""
    notes = " ".join(trials[0][0].content["split"]["notes"])
    text = (
        f"## `{pair[0]}` and `{pair[1]}`, {_question(level, label_source).removeprefix('at ')}\n\n"
        f"{len(trials[0])} seeds. {notes}\n\n"
    )
    for part, name in PARTS.items():
        a, b = ([trial.scores(part) for trial in of_model] for of_model in trials)
        n = span(len(scores) for scores in a)
        text += f"On the {name} ({n} records a seed):\n\n{_table(pair, a, b)}\n"
    return text


def _table(pair: tuple[str, str], a: list[Scores], b: list[Scores]) -> str:
    by_row = {
        f"`{pair[0]}`": metrics_over_seeds(a),
        f"`{pair[1]}`": metrics_over_seeds(b),
        "difference": difference_over_seeds(a, b),
    }
    naive = [naive_baseline(scores) for scores in a]
    rows = []
    for metric in METRIC_LABELS:
        baseline_value = number(sum(baseline[metric] for baseline in naive) / len(naive))
        for name, metrics in by_row.items():
            values, signed = metrics[metric], name == "difference"
            ranges = (with_range(values[unit], 3, signed) for unit in INTERVALS)
            each = ", ".join(number(value) for value in values["values"])
            rows.append(
                (METRIC_LABELS[metric], name, *ranges, each, "" if signed else baseline_value)
            )
    return table(("", "", *INTERVALS, "each seed", "baseline"), rows)


STUDY = Study(
    "levels",
    "AlexNet against AlexNet-M-SE at the paper's levels",
    trials,
    page,
    claims=claims,
    summary=summary,
    figures=lambda finished: figures(_with_labels_from(finished, "expert")),
)
