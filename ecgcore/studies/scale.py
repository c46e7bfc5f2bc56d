"""Which shape should a residual network on signals have (paper 003)?

The paper finds shallower networks, more channels and smaller kernels better, and that the best
shape may depend on the target. All shapes are trained alike, on two label sets, and scored on the
validation fold: a shape is chosen, so no test record is looked at.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.stats import spearmanr, t

from ecgcore.evaluation.bootstrap import LEVEL
from ecgcore.evaluation.text import number, with_range
from ecgcore.models import create_model
from ecgcore.models.cost import cost
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.claims import Claim
from ecgcore.studies.markdown import table
from ecgcore.studies.study import Study
from ecgcore.studies.trial import Cell, TrialResult

SHAPES = (
    (4, 8, 3),
    (8, 8, 3),
    (4, 8, 9),
    (4, 16, 3),
    (16, 8, 3),
    (8, 8, 9),
    (8, 16, 3),
    (4, 16, 9),
    (16, 8, 9),
    (4, 32, 3),
    (16, 16, 3),
    (8, 16, 9),
    (8, 32, 3),
    (4, 32, 9),
    (4, 64, 3),
    (8, 32, 9),
)
"""(depth, width, kernel), from the cheapest to the dearest, as they are trained."""
LABEL_SETS = ("paper10", "ptbxl5")
SEEDS = (1, 2)
EPOCHS = 3
AXES = ("depth", "width", "kernel")
SAMPLES = 1000  # 10 s at 100 Hz, for the multiply-adds

HEAD = """\
{n} shapes, {seeds} seeds, {epochs} epochs of batches of {batch} on folds 1 to 3 of cohort
`{cohort}` ({train:,} records), scored on fold 4 ({validation:,} records); no test record was looked
at. AUC is the macro AUC after the last epoch.{noise}

"""


def cells(cohort: str, _finished: Sequence[TrialResult]) -> list[Cell]:
    """Return a training a shape, label set and seed."""
    return [
        Cell(f"{of}-d{d}w{w}k{k}-s{seed}", _config(cohort, of, d, w, k, seed))
        for d, w, k in SHAPES
        for of in LABEL_SETS
        for seed in SEEDS
    ]


def _config(cohort: str, of: str, depth: int, width: int, kernel: int, seed: int) -> TrainConfig:
    return TrainConfig(
        cohort,
        "resnet1d",
        "all",
        label_set=of,
        split="folds",
        depth=depth,
        width=width,
        kernel=kernel,
        seed=seed,
        epochs=EPOCHS,
        batch_size=32,
        weight_decay=0.02,
        warmup_fraction=0.2,
        grad_clip=1.0,
        ema_decay=0.99,
    )


def page(finished: Sequence[TrialResult]) -> str:
    """Return for each label set the shapes in order of cost, and what each axis is worth."""
    first = finished[0].content
    config, records = finished[0].config, first["split"]["records"]
    text = HEAD.format(
        n=len(_by_shape(finished)),
        seeds=len({cell.config.seed for cell in finished}),
        epochs=config.epochs,
        batch=config.batch_size,
        cohort=first["cohort"]["name"],
        train=records["train"],
        validation=records["validation"],
        noise=_noise(finished),
    )
    for of in LABEL_SETS:
        there = [cell for cell in finished if cell.config.label_set == of]
        if there:
            text += f"## `{of}`\n\n{_shapes(there)}\n{_worths(there)}\n"
    return text


def _by_shape(cells: Sequence[TrialResult]) -> dict[tuple[int, int, int], list[float]]:
    found: dict[tuple[int, int, int], list[float]] = {}
    for cell in cells:
        c = cell.config
        found.setdefault((c.depth or 0, c.width or 0, c.kernel or 0), []).append(
            STUDY.validated(cell)
        )
    return found


def _noise(cells: Sequence[TrialResult]) -> str:
    """Say what two seeds of a shape differ by, once there are two."""
    apart = [
        np.ptp(values)
        for of in LABEL_SETS
        for values in _by_shape([c for c in cells if c.config.label_set == of]).values()
        if len(values) > 1
    ]
    if not apart:
        return ""
    return (
        f" Two seeds of one shape differ by {np.sqrt(np.mean(np.square(apart))):.4f} (root mean "
        "square), and smaller differences mean nothing."
    )


def _shapes(cells: Sequence[TrialResult]) -> str:
    found = _by_shape(cells)
    best = max(found, key=lambda shape: np.mean(found[shape]))
    rows = []
    for shape in sorted(found, key=_multiply_adds):
        mean = number(float(np.mean(found[shape])), 4)
        seconds = np.mean(
            [
                c.history["seconds"].mean()
                for c in cells
                if (c.config.depth, c.config.width, c.config.kernel) == shape
            ]
        )
        rows.append(
            (
                *shape,
                f"{_parameters(shape):,}",
                f"{_multiply_adds(shape) / 1e6:.1f}",
                f"{seconds:.0f}",
                f"**{mean}**" if shape == best else mean,
                ", ".join(number(value, 4) for value in found[shape]),
            )
        )
    head = (*AXES, "parameters", "M multiply-adds", "s an epoch", "AUC", "each seed")
    return table(head, rows)


@cache
def _cost(shape: tuple[int, int, int]) -> tuple[int, int]:
    model = create_model("resnet1d", 10, **dict(zip(AXES, shape, strict=True)))
    return cost(model, (12, SAMPLES))


def _parameters(shape: tuple[int, int, int]) -> int:
    return _cost(shape)[0]


def _multiply_adds(shape: tuple[int, int, int]) -> int:
    return _cost(shape)[1]


def claims(finished: Sequence[TrialResult]) -> list[Claim]:
    """Return the paper's three claims, for each label set."""
    found = []
    for of in LABEL_SETS:
        worth = _worth([cell for cell in finished if cell.config.label_set == of])
        for axis, says, sign in (
            ("depth", "shallower is better", -1),
            ("width", "wider is better", 1),
            ("kernel", "a smaller kernel is better", -1),
        ):
            if axis in worth:
                apart = _apart(sign * worth[axis][0], worth[axis][1])
                word = {1: "twice", -1: "half"}[sign]
                what = f"macro AUC on validation for {word} the {axis}"
                found.append(Claim(f"On `{of}`, {says}", apart, what))
    return found


def _worth(cells: Sequence[TrialResult]) -> dict[str, tuple[float, float]]:
    """Return what twice the depth, width or kernel adds to the AUC, and half its interval.

    Least squares of a shape's mean AUC on the three logarithms, Student's t: what no straight line
    tells counts as noise. Empty where there are too few shapes, or all are alike on an axis.
    """
    found = _by_shape(cells)
    x = np.column_stack([np.ones(len(found)), np.log2(np.array(list(found), float))])
    if len(found) <= x.shape[1] or np.linalg.matrix_rank(x) < x.shape[1]:
        return {}
    y = np.array([np.mean(values) for values in found.values()])
    slopes, *_ = np.linalg.lstsq(x, y)
    free = len(y) - x.shape[1]
    spread = np.linalg.pinv(x.T @ x) * ((y - x @ slopes) ** 2).sum() / free
    reach = t.ppf((1 + LEVEL) / 2, free) * np.sqrt(np.diag(spread))
    return {a: (float(s), float(r)) for a, s, r in zip(AXES, slopes[1:], reach[1:], strict=True)}


def _worths(cells: Sequence[TrialResult]) -> str:
    rows = [
        (f"twice the {axis}", with_range(_apart(s, r), 4, signed=True))
        for axis, (s, r) in _worth(cells).items()
    ]
    if not rows:
        return ""
    return (
        table(("", f"AUC (interval at {LEVEL:.0%}, over shapes)"), rows)
        + "\nLeast squares of each shape's mean on the logarithms of depth, width and kernel.\n"
    )


def _apart(value: float, reach: float) -> dict[str, float]:
    return {"value": value, "low": value - reach, "high": value + reach}


def summary(finished: Sequence[TrialResult]) -> str:
    """Return the best shape of each label set, and whether both put the shapes in one order."""
    found = {of: _by_shape([c for c in finished if c.config.label_set == of]) for of in LABEL_SETS}
    means = {of: {s: float(np.mean(aucs)) for s, aucs in by.items()} for of, by in found.items()}
    shared = sorted(set.intersection(*(set(by) for by in means.values())))
    if len(shared) <= len(AXES):
        return ""
    best = {of: max(by, key=lambda shape: by[shape]) for of, by in means.items()}
    told = "; ".join(
        f"on `{of}` {_words(shape)} (AUC {number(means[of][shape], 4)})"
        for of, shape in best.items()
    )
    first, second = ([by[shape] for shape in shared] for by in means.values())
    return (
        f"Does the best shape depend on the target? Best is {told}. Over {len(shared)} shapes the "
        f"two orders agree by Spearman's ρ {number(spearmanr(first, second).statistic, 2)}."
    )


def _words(shape: tuple[int, int, int]) -> str:
    return ", ".join(f"{axis} {size}" for axis, size in zip(AXES, shape, strict=True))


STUDY = Study(
    "scale",
    "Depth, width and kernel of a network on signals",
    cells,
    page,
    scored=False,
    claims=claims,
    summary=summary,
)
