"""Study ``ablation``: the contribution of each part of AlexNet-M-SE (paper 001).

The parts are BatchNorm and Squeeze-and-Excitation. All networks are trained alike on folds 1 to 3
and scored on fold 5; fold 4 selects the epoch. The heads are `_gap`, the paper's own remedy, so
that the four differ in these parts alone.
"""

from collections.abc import Sequence

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.seeds import difference_over_seeds, metrics_over_seeds
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.text import number, with_range
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.claims import Claim
from ecgcore.studies.study import Study
from ecgcore.studies.trial import TrialConfig, TrialResult

NETWORKS = {
    "alexnet_gap": "plain (local response normalisation)",
    "alexnet_bn_gap": "with BatchNorm",
    "alexnet_se_gap": "with Squeeze-and-Excitation",
    "alexnet_m_se_gap": "with both: M-SE",
}
PLAIN, NORMALISED, BOTH = "alexnet_gap", "alexnet_bn_gap", "alexnet_m_se_gap"
SE_ALONE = "alexnet_se_gap"
WITHDRAWN = (
    "That Squeeze-and-Excitation alone hurts (−0.079) was an artefact of the learning rate: it was "
    "trained at the plain network's rate, at which its five gates, which start near ½, damp the "
    "features to a thirtieth. Nothing is said of it until its own rate is searched."
)
LAYOUTS = ("clinical", "panels")
SEEDS = (1, 2, 3)
SIZE_PX = 128
EPOCHS = 4
RANGES = ("patients", "seeds", "both")

HEAD = """\
{seeds} seeds, {epochs} epochs of batches of 16 on {train:,} records of cohort `{cohort}`, images of
{size} × {size} pixels, each network at its own rate; {test:,} records of fold 5 test. Labels are
expert statements, core tier, several a record. Intervals are at 95 %: *patients* (other patients,
the same networks), *seeds* (other initial weights), *both*. Differences are paired by seed.

Learning rates were searched for the plain network and for M-SE (study
[rates](../rates/README.md)). The network with BatchNorm alone uses that of M-SE, the one with
Squeeze-and-Excitation alone the plain one's: the gain from BatchNorm includes that it tolerates a
higher rate. **The figures of Squeeze-and-Excitation alone are an artefact of that rate** (its
gates start near ½ and damp the features; at a higher rate it trains) and say nothing about it.

The study [levels](../levels/README.md) compares the heads (FC6 and FC7 against global average
pooling) on equal draws of 204 records: an FC head accepts images of 224 pixels only, and has 55
million weights.

"""


def trials(cohort: str, _finished: Sequence[TrialResult]) -> list[TrialConfig]:
    """Return a trial for each network and seed, and for each other layout and seed."""
    return [
        *(_trial(cohort, name, "stacked", seed) for seed in SEEDS for name in NETWORKS),
        *(_trial(cohort, BOTH, layout, seed) for seed in SEEDS for layout in LAYOUTS),
    ]


def _trial(cohort: str, model: str, layout: str, seed: int) -> TrialConfig:
    config = TrainConfig(
        cohort, model, "all", split="folds", layout=layout, size=SIZE_PX, epochs=EPOCHS, seed=seed
    )
    return TrialConfig(f"{model}-{layout}-s{seed}", config)


def page(finished: Sequence[TrialResult]) -> str:
    """Return the tables of the parts, the epochs and the layouts."""
    first = finished[0].content
    records = first["split"]["records"]
    text = HEAD.format(
        seeds=len(SEEDS),
        epochs=EPOCHS,
        train=records["train"],
        test=records["test"],
        size=SIZE_PX,
        cohort=first["cohort"]["name"],
    )
    parts = {(name, "stacked"): words for name, words in NETWORKS.items()}
    text += f"## The parts\n\n{_table(parts, (PLAIN, 'stacked'), finished)}\n"
    text += f"## Validation by epoch\n\n{_validation_by_epoch(finished)}\n"
    layouts = {(BOTH, layout): f"`{layout}`" for layout in ("stacked", *LAYOUTS)}
    if any(trial.config.layout in LAYOUTS for trial in finished):
        text += f"## The layouts, `{BOTH}`\n\n{_table(layouts, (BOTH, 'stacked'), finished)}\n"
    return text


def claims(finished: Sequence[TrialResult]) -> list[Claim]:
    """Return the claims that each part and both beat none, and both beat BatchNorm alone."""
    comparisons = [
        (PLAIN, name, f"AlexNet {words} reads better than the plain one")
        for name, words in list(NETWORKS.items())[1:]
    ]
    comparisons.append((NORMALISED, BOTH, "M-SE reads better than BatchNorm alone"))
    tested = []
    for reference, name, statement in comparisons:
        a, b = _paired((reference, "stacked"), (name, "stacked"), finished)
        if len(b) > 1:
            difference = difference_over_seeds(a, b)["macro_auc"]["both"]
            basis = f"macro AUC on {len(b[0]):,} records of fold 5, {len(b)} seeds (both vary)"
            withdrawn = WITHDRAWN if name == SE_ALONE else ""
            tested.append(Claim(statement, difference, basis, withdrawn=withdrawn))
    return tested


def _by_seed(key: tuple[str, str], finished: Sequence[TrialResult]) -> dict[int, TrialResult]:
    """Return the trials of a network and layout by seed."""
    return {t.config.seed: t for t in finished if (t.config.model, t.config.layout) == key}


def _paired(
    a: tuple[str, str], b: tuple[str, str], finished: Sequence[TrialResult]
) -> tuple[list[Scores], list[Scores]]:
    """Return the test scores of two networks and layouts, seed by seed."""
    of_a, of_b = _by_seed(a, finished), _by_seed(b, finished)
    seeds = sorted(set(of_a) & set(of_b))
    return [of_a[s].scores("test") for s in seeds], [of_b[s].scores("test") for s in seeds]


def _table(
    rows: dict[tuple[str, str], str], reference: tuple[str, str], finished: Sequence[TrialResult]
) -> str:
    """Return macro AUC and macro-F1 of each row, and the difference from ``reference``."""
    lines = []
    for key, words in rows.items():
        of_reference, of_row = _paired(reference, key, finished)
        if not of_row:
            continue
        for metric, name in (("macro_auc", "macro AUC"), ("macro_f1", "macro-F1")):
            figures = metrics_over_seeds(of_row)[metric]
            lines.append((words, name, *(with_range(figures[unit]) for unit in RANGES)))
            if key != reference:
                difference = difference_over_seeds(of_reference, of_row)[metric]
                ranges = (with_range(difference[unit], 3, True) for unit in RANGES)
                lines.append(("", f"{name}, difference from {rows[reference]}", *ranges))
    return table(("", "", *RANGES), lines)


def _validation_by_epoch(finished: Sequence[TrialResult]) -> str:
    """Return the validation AUC of each network after each epoch."""
    lines = []
    for name, words in NETWORKS.items():
        trials_by_seed = _by_seed((name, "stacked"), finished)
        if trials_by_seed:
            aucs = [trial.history["val_macro_auc"] for trial in trials_by_seed.values()]
            means = np.mean(aucs, axis=0)
            lines.append((words, *(number(float(mean)) for mean in means)))
    head = ("macro AUC on fold 4, mean of the seeds", *(f"epoch {e}" for e in range(1, EPOCHS + 1)))
    return table(head, lines)


STUDY = Study("ablation", "Which part of AlexNet-M-SE earns its gain?", trials, page, claims=claims)
