"""Study ``scale``: depth, width and kernel of a residual network on signals (paper 003).

The paper finds shallower networks, more channels and smaller kernels better, and that the best
shape may depend on the target. All shapes are trained alike, on two label sets, and scored on the
validation fold: as a shape is selected, no test record is used.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy.stats import spearmanr, t

from ecgcore.comparison.seeds import p_of_difference
from ecgcore.evaluation.bootstrap import LEVEL
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.text import number, with_range
from ecgcore.models import create_model
from ecgcore.models.cost import cost
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.claims import Claim
from ecgcore.studies.study import Study
from ecgcore.studies.trial import TrialConfig, TrialResult

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
"""(depth, width, kernel), in the order of training: from the cheapest to the most expensive."""
LABEL_SETS = ("paper10", "ptbxl5")
SEEDS = (1, 2)
EPOCHS = 3
AXES = ("depth", "width", "kernel")
PRIMARY = ("paper10", "depth")
"""Label set and axis of the paper's first claim, that a shallower network reads better."""
SAMPLES = 1000  # 10 s at 100 Hz, for the multiply-adds

HEAD = """\
{n} shapes, {seeds} seeds, {epochs} epochs of batches of {batch} on folds 1 to 3 of cohort
`{cohort}` ({train:,} records), scored on fold 4 ({validation:,} records); no test record was used.
AUC is the macro AUC after the last epoch.{noise}

"""


def trials(cohort: str, _finished: Sequence[TrialResult]) -> list[TrialConfig]:
    """Return a trial for each shape, label set and seed."""
    return [
        TrialConfig(f"{label_set}-d{d}w{w}k{k}-s{seed}", _config(cohort, label_set, d, w, k, seed))
        for d, w, k in SHAPES
        for label_set in LABEL_SETS
        for seed in SEEDS
    ]


def _config(
    cohort: str, label_set: str, depth: int, width: int, kernel: int, seed: int
) -> TrainConfig:
    return TrainConfig(
        cohort,
        "resnet1d",
        "all",
        label_set=label_set,
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
    """Return for each label set the shapes in order of cost, and the effect of each axis."""
    first = finished[0].content
    config, records = finished[0].config, first["split"]["records"]
    text = HEAD.format(
        n=len(_by_shape(finished)),
        seeds=len({trial.config.seed for trial in finished}),
        epochs=config.epochs,
        batch=config.batch_size,
        cohort=first["cohort"]["name"],
        train=records["train"],
        validation=records["validation"],
        noise=_noise(finished),
    )
    for label_set in LABEL_SETS:
        if trials := _of_label_set(label_set, finished):
            text += f"## `{label_set}`\n\n{_shapes_table(trials)}\n{_effects_table(trials)}\n"
    return text


def _of_label_set(label_set: str, trials: Sequence[TrialResult]) -> list[TrialResult]:
    return [trial for trial in trials if trial.config.label_set == label_set]


def _by_shape(trials: Sequence[TrialResult]) -> dict[tuple[int, int, int], list[float]]:
    by_shape: dict[tuple[int, int, int], list[float]] = {}
    for trial in trials:
        by_shape.setdefault(_shape(trial), []).append(STUDY.validated(trial))
    return by_shape


def _shape(trial: TrialResult) -> tuple[int, int, int]:
    config = trial.config
    return config.depth or 0, config.width or 0, config.kernel or 0


def _noise(trials: Sequence[TrialResult]) -> str:
    """Return the difference between two seeds of a shape in words, once there are two."""
    differences = [
        np.ptp(values)
        for label_set in LABEL_SETS
        for values in _by_shape(_of_label_set(label_set, trials)).values()
        if len(values) > 1
    ]
    if not differences:
        return ""
    return (
        f" Two seeds of one shape differ by {np.sqrt(np.mean(np.square(differences))):.4f} (root "
        "mean square); smaller differences are not meaningful."
    )


def _shapes_table(trials: Sequence[TrialResult]) -> str:
    by_shape = _by_shape(trials)
    best = max(by_shape, key=lambda shape: np.mean(by_shape[shape]))
    rows = []
    for shape in sorted(by_shape, key=_multiply_adds):
        mean = number(float(np.mean(by_shape[shape])), 4)
        of_shape = [trial for trial in trials if _shape(trial) == shape]
        seconds = np.mean([trial.history["seconds"].mean() for trial in of_shape])
        row = (
            *shape,
            f"{_parameters(shape):,}",
            f"{_multiply_adds(shape) / 1e6:.1f}",
            f"{seconds:.0f}",
            f"**{mean}**" if shape == best else mean,
            ", ".join(number(value, 4) for value in by_shape[shape]),
        )
        rows.append(row)
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
    tested = []
    for label_set in LABEL_SETS:
        of_set = _of_label_set(label_set, finished)
        by_shape, effects = _by_shape(of_set), _effects(of_set)
        for axis, statement, sign in (
            ("depth", "shallower is better", -1),
            ("width", "wider is better", 1),
            ("kernel", "a smaller kernel is better", -1),
        ):
            if axis in effects:
                slope, half_width = effects[axis]
                factor = {1: "twice", -1: "half"}[sign]
                basis = f"macro AUC on validation for {factor} the {axis}"
                difference = _interval(sign * slope, half_width)
                difference["p"] = p_of_difference(difference, len(by_shape) - len(AXES) - 1)
                is_primary = (label_set, axis) == PRIMARY
                claim = Claim(f"On `{label_set}`, {statement}", difference, basis, is_primary)
                tested.append(claim)
    return tested


def _effects(trials: Sequence[TrialResult]) -> dict[str, tuple[float, float]]:
    """Return the gain in AUC per doubling of depth, width and kernel, and half its interval.

    Least squares of a shape's mean AUC on the three logarithms, Student's t: deviations from a
    straight line count as noise. Empty with too few shapes, or if an axis does not vary.
    """
    by_shape = _by_shape(trials)
    x = np.column_stack([np.ones(len(by_shape)), np.log2(np.array(list(by_shape), float))])
    if len(by_shape) <= x.shape[1] or np.linalg.matrix_rank(x) < x.shape[1]:
        return {}
    y = np.array([np.mean(values) for values in by_shape.values()])
    slopes, *_ = np.linalg.lstsq(x, y)
    freedom = len(y) - x.shape[1]
    covariance = np.linalg.pinv(x.T @ x) * ((y - x @ slopes) ** 2).sum() / freedom
    half_widths = t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(np.diag(covariance))
    return {
        axis: (float(slope), float(half_width))
        for axis, slope, half_width in zip(AXES, slopes[1:], half_widths[1:], strict=True)
    }


def _effects_table(trials: Sequence[TrialResult]) -> str:
    rows = [
        (f"twice the {axis}", with_range(_interval(slope, half_width), 4, signed=True))
        for axis, (slope, half_width) in _effects(trials).items()
    ]
    if not rows:
        return ""
    return (
        table(("", f"AUC (interval at {LEVEL:.0%}, over shapes)"), rows)
        + "\nLeast squares of each shape's mean on the logarithms of depth, width and kernel.\n"
    )


def _interval(value: float, half_width: float) -> dict[str, Any]:
    ends = {"low": value - half_width, "high": value + half_width}
    return {"value": value, **ends, "level": LEVEL}


def summary(finished: Sequence[TrialResult]) -> str:
    """Return the best shape of each label set, and the rank correlation of the two orders."""
    means = {
        label_set: {
            shape: float(np.mean(aucs))
            for shape, aucs in _by_shape(_of_label_set(label_set, finished)).items()
        }
        for label_set in LABEL_SETS
    }
    shared = sorted(set.intersection(*(set(of_set) for of_set in means.values())))
    if len(shared) <= len(AXES):
        return ""
    best = {name: max(of_set, key=lambda shape: of_set[shape]) for name, of_set in means.items()}
    texts = "; ".join(
        f"on `{name}` {_shape_text(shape)} (AUC {number(means[name][shape], 4)})"
        for name, shape in best.items()
    )
    first, second = ([of_set[shape] for shape in shared] for of_set in means.values())
    return (
        f"Does the best shape depend on the target? Best is {texts}. Over {len(shared)} shapes the "
        f"two orders agree by Spearman's ρ {number(spearmanr(first, second).statistic, 2)}."
    )


def _shape_text(shape: tuple[int, int, int]) -> str:
    return ", ".join(f"{axis} {size}" for axis, size in zip(AXES, shape, strict=True))


STUDY = Study(
    "scale",
    "Depth, width and kernel of a network on signals",
    trials,
    page,
    scored=False,
    claims=claims,
    summary=summary,
)
