"""Which shape should a residual network on signals have (paper 003)?

The paper finds shallower networks, more channels and smaller kernels better, and that the best
shape may depend on the target. All shapes are trained alike, on two label sets, and scored on the
validation fold: a shape is chosen, so no test record is looked at.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.stats import t

from ecgcore.evaluation.bootstrap import LEVEL
from ecgcore.evaluation.text import number
from ecgcore.models import create_model
from ecgcore.models.cost import cost
from ecgcore.studies.cell import Cell, Finished
from ecgcore.studies.claims import Claim
from ecgcore.studies.markdown import table
from ecgcore.studies.study import Study
from ecgcore.training.config import TrainConfig

SHAPES = (*product((4, 8), (8, 16, 32), (3, 9)), (16, 16, 3), (4, 64, 3))
"""(depth, width, kernel): every mix of two depths, three widths and two kernels; and two shapes of
one cost, of which one puts it into depth and the other into width."""
LABEL_SETS = ("paper10", "ptbxl5")
SEEDS = (1, 2)
AXES = ("depth", "width", "kernel")
SAMPLES = 1000  # 10 s at 100 Hz, for the multiply-adds

HEAD = """\
{n} shapes, {seeds} seeds each, {epochs} epochs of batches of {batch} on folds 1 to 3 of cohort
`{cohort}` ({train:,} records), scored on fold 4 ({validation:,} records); no test record was looked
at. AUC is the macro AUC after the last epoch; two seeds of one shape differ by {noise:.4f} (root
mean square), and smaller differences mean nothing.

"""


def cells(cohort: str, _finished: Sequence[Finished]) -> list[Cell]:
    """Return a training a label set, seed and shape."""
    return [
        Cell(f"{of}-d{d}w{w}k{k}-s{seed}", _config(cohort, of, d, w, k, seed))
        for of in LABEL_SETS
        for seed in SEEDS
        for d, w, k in SHAPES
    ]


def _config(cohort: str, of: str, depth: int, width: int, kernel: int, seed: int) -> TrainConfig:
    return TrainConfig(
        cohort, "resnet1d", "all", label_set=of, split="folds", depth=depth, width=width,
        kernel=kernel, seed=seed, epochs=6, batch=64, weight_decay=0.02, warm_up=0.2, clip_norm=1.0,
        average=0.99,
    )  # fmt: skip


def page(finished: Sequence[Finished]) -> str:
    """Return for each label set the shapes in order of cost, and what each axis is worth."""
    first = finished[0].content
    config, records = first["config"], first["split"]["records"]
    text = HEAD.format(
        n=len(SHAPES), seeds=len(SEEDS), epochs=config["epochs"], batch=config["batch"],
        cohort=first["cohort"]["name"], train=records["train"], validation=records["validation"],
        noise=_noise(finished),
    )  # fmt: skip
    for of in LABEL_SETS:
        there = [cell for cell in finished if cell.config.label_set == of]
        if there:
            text += f"## `{of}`\n\n{_shapes(there)}\n{_worths(there)}\n"
    return text


def _auc(cell: Finished) -> float:
    return float(cell.history["val_macro_auc"].iloc[-1])


def _by_shape(cells: Sequence[Finished]) -> dict[tuple[int, int, int], list[float]]:
    found: dict[tuple[int, int, int], list[float]] = {}
    for cell in cells:
        c = cell.config
        found.setdefault((c.depth or 0, c.width or 0, c.kernel or 0), []).append(_auc(cell))
    return found


def _noise(cells: Sequence[Finished]) -> float:
    """Return the root mean square of what two seeds of a shape differ by."""
    apart = [
        np.ptp(values)
        for of in LABEL_SETS
        for values in _by_shape([c for c in cells if c.config.label_set == of]).values()
        if len(values) > 1
    ]
    return float(np.sqrt(np.mean(np.square(apart)))) if apart else float("nan")


def _shapes(cells: Sequence[Finished]) -> str:
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
                *shape, f"{_parameters(shape):,}", f"{_multiply_adds(shape) / 1e6:.1f}",
                f"{seconds:.0f}", f"**{mean}**" if shape == best else mean,
                ", ".join(number(value, 4) for value in found[shape]),
            )
        )  # fmt: skip
    head = (*AXES, "parameters", "M multiply-adds", "s an epoch", "AUC", "each seed")
    return table(head, rows)


def _cost(shape: tuple[int, int, int]) -> tuple[int, int]:
    model = create_model("resnet1d", 10, **dict(zip(AXES, shape, strict=True)))
    return cost(model, (12, SAMPLES))


def _parameters(shape: tuple[int, int, int]) -> int:
    return _cost(shape)[0]


def _multiply_adds(shape: tuple[int, int, int]) -> int:
    return _cost(shape)[1]


def claims(finished: Sequence[Finished]) -> list[Claim]:
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
                value, reach = sign * worth[axis][0], worth[axis][1]
                apart = {"value": value, "low": value - reach, "high": value + reach}
                word = {1: "twice", -1: "half"}[sign]
                what = f"macro AUC on validation for {word} the {axis}"
                found.append(Claim(f"On `{of}`, {says}", apart, what))
    return found


def _worth(cells: Sequence[Finished]) -> dict[str, tuple[float, float]]:
    """Return what twice the depth, width or kernel adds to the AUC, and half its interval.

    Least squares of the AUC on the three logarithms over all cells, Student's t; empty where there
    are too few cells.
    """
    if len(cells) <= len(AXES) + 1:
        return {}
    shapes = np.array([[getattr(cell.config, axis) for axis in AXES] for cell in cells], float)
    x = np.column_stack([np.ones(len(cells)), np.log2(shapes)])
    y = np.array([_auc(cell) for cell in cells])
    slopes, *_ = np.linalg.lstsq(x, y)
    free = len(y) - x.shape[1]
    spread = np.linalg.pinv(x.T @ x) * ((y - x @ slopes) ** 2).sum() / free
    reach = t.ppf((1 + LEVEL) / 2, free) * np.sqrt(np.diag(spread))
    return {a: (float(s), float(r)) for a, s, r in zip(AXES, slopes[1:], reach[1:], strict=True)}


def _worths(cells: Sequence[Finished]) -> str:
    rows = [
        (f"twice the {axis}", f"{s:+.4f} ({s - r:.4f} to {s + r:.4f})".replace("-", "−"))
        for axis, (s, r) in _worth(cells).items()
    ]
    if not rows:
        return ""
    return (
        table(("", f"AUC (interval at {LEVEL:.0%}, over cells)"), rows)
        + "\nLeast squares over all cells on the logarithms of depth, width and kernel.\n"
    )


STUDY = Study(
    "scale", "Depth, width and kernel of a network on signals", cells, page,
    scored=False, claims=claims,
)  # fmt: skip
