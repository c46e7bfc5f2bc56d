"""Which part of AlexNet-M-SE earns its gain (paper 001): BatchNorm, Squeeze-and-Excitation, both?

All are trained alike on folds 1 to 3 and scored on fold 5; fold 4 chooses the epoch. The heads are
`_gap`, the paper's own remedy, at which the four differ in these parts alone.
"""

from collections.abc import Sequence

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.seeds import difference_over_seeds, over_seeds
from ecgcore.evaluation.text import number, with_range
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.claims import Claim
from ecgcore.studies.markdown import table
from ecgcore.studies.study import Study
from ecgcore.studies.trial import Cell, TrialResult

NETWORKS = {
    "alexnet_gap": "plain (local response normalisation)",
    "alexnet_bn_gap": "with BatchNorm",
    "alexnet_se_gap": "with Squeeze-and-Excitation",
    "alexnet_m_se_gap": "with both: M-SE",
}
PLAIN, NORMALISED, BOTH = "alexnet_gap", "alexnet_bn_gap", "alexnet_m_se_gap"
LAYOUTS = ("clinical", "panels")
SEEDS = (1, 2, 3)
SIZE_PX = 128
EPOCHS = 4
RANGES = ("patients", "seeds", "both")

HEAD = """\
{seeds} seeds, {epochs} epochs of batches of 16 on {train:,} records of cohort `{cohort}`, images of
{size} × {size} pixels, each network at its own rate; {test:,} records of fold 5 test. Labels are
expert statements, core tier, several a record. Intervals are at 95 %: *patients* (other patients,
the same networks), *seeds* (other starts), *both*. Differences are paired by seed.

Rates were searched for the plain network and for M-SE (study [rates](../rates/README.md)). The one
with BatchNorm alone takes that of M-SE, the one with Squeeze-and-Excitation alone the plain one's:
what BatchNorm earns includes that it bears a higher rate.

What the heads are worth (FC6 and FC7 against global average pooling), study
[levels](../levels/README.md) tells on equal draws of 204 records: an FC head takes images of 224
pixels alone, and 55 million weights.

"""


def cells(cohort: str, _finished: Sequence[TrialResult]) -> list[Cell]:
    """Return a training a network and seed, and those of other layouts."""
    return [
        *(_cell(cohort, name, "stacked", seed) for seed in SEEDS for name in NETWORKS),
        *(_cell(cohort, BOTH, layout, seed) for seed in SEEDS for layout in LAYOUTS),
    ]


def _cell(cohort: str, model: str, layout: str, seed: int) -> Cell:
    asked = TrainConfig(
        cohort, model, "all", split="folds", layout=layout, size=SIZE_PX, epochs=EPOCHS, seed=seed
    )
    return Cell(f"{model}-{layout}-s{seed}", asked)


def page(finished: Sequence[TrialResult]) -> str:
    """Return the table of the parts, and that of the layouts."""
    first = finished[0].content
    records = first["split"]["records"]
    text = HEAD.format(
        seeds=len(SEEDS), epochs=EPOCHS, train=records["train"], test=records["test"],
        size=SIZE_PX, cohort=first["cohort"]["name"],
    )  # fmt: skip
    parts = {(name, "stacked"): words for name, words in NETWORKS.items()}
    text += f"## The parts\n\n{_table(parts, (PLAIN, 'stacked'), finished)}\n"
    text += f"## On the way\n\n{_rise(finished)}\n"
    layouts = {(BOTH, layout): f"`{layout}`" for layout in ("stacked", *LAYOUTS)}
    if any(cell.config.layout in LAYOUTS for cell in finished):
        text += f"## The layouts, `{BOTH}`\n\n{_table(layouts, (BOTH, 'stacked'), finished)}\n"
    return text


def claims(finished: Sequence[TrialResult]) -> list[Claim]:
    """Return whether each part, and both, read better than none, and both than BatchNorm."""
    asked = [
        (PLAIN, name, f"AlexNet {words} reads better than the plain one")
        for name, words in list(NETWORKS.items())[1:]
    ]
    asked.append((NORMALISED, BOTH, "M-SE reads better than BatchNorm alone"))
    found = []
    for against, name, says in asked:
        base, mine = _paired((against, "stacked"), (name, "stacked"), finished)
        if len(mine) > 1:
            apart = difference_over_seeds(base, mine)["macro_auc"]["both"]
            what = f"macro AUC on {len(mine[0]):,} records of fold 5, {len(mine)} seeds (both vary)"
            found.append(Claim(says, apart, what))
    return found


def _by_seed(key: tuple[str, str], finished: Sequence[TrialResult]) -> dict[int, TrialResult]:
    """Return the cells of a network and layout."""
    return {c.config.seed: c for c in finished if (c.config.model, c.config.layout) == key}


def _paired(
    a: tuple[str, str], b: tuple[str, str], finished: Sequence[TrialResult]
) -> tuple[list[Scores], list[Scores]]:
    """Return the test scores of two networks and layouts, seed by seed."""
    of_a, of_b = _by_seed(a, finished), _by_seed(b, finished)
    seeds = sorted(set(of_a) & set(of_b))
    return [of_a[s].scores("test") for s in seeds], [of_b[s].scores("test") for s in seeds]


def _table(
    rows: dict[tuple[str, str], str], against: tuple[str, str], finished: Sequence[TrialResult]
) -> str:
    """Return macro AUC and macro-F1 of each row, and the difference from ``against``."""
    lines = []
    for key, words in rows.items():
        base, mine = _paired(against, key, finished)
        if not mine:
            continue
        for metric, name in (("macro_auc", "macro AUC"), ("macro_f1", "macro-F1")):
            figures = over_seeds(mine)[metric]
            lines.append((words, name, *(with_range(figures[unit]) for unit in RANGES)))
            if key != against:
                apart = difference_over_seeds(base, mine)[metric]
                told = (with_range(apart[unit], 3, True) for unit in RANGES)
                lines.append(("", f"{name}, difference from {rows[against]}", *told))
    return table(("", "", *RANGES), lines)


def _rise(finished: Sequence[TrialResult]) -> str:
    """Return how good each network was on validation after each epoch."""
    lines = []
    for name, words in NETWORKS.items():
        of = _by_seed((name, "stacked"), finished)
        if of:
            means = np.mean([cell.history["val_macro_auc"] for cell in of.values()], axis=0)
            lines.append((words, *(number(float(mean)) for mean in means)))
    head = ("macro AUC on fold 4, mean of the seeds", *(f"epoch {e}" for e in range(1, EPOCHS + 1)))
    return table(head, lines)


STUDY = Study("ablation", "Which part of AlexNet-M-SE earns its gain?", cells, page, claims=claims)
