"""At which learning rate do the paper's two networks really train at level 204? Validation only.

Both get the same search: all rates with one seed, then the best two with a second one;
the paper's 20 epochs of batches of 16 throughout. What is compared is the validation macro AUC over
the last epochs, not the best epoch's: the best of twenty on thirty records is mostly luck.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from ecgcore.evaluation.text import number
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.markdown import table
from ecgcore.studies.study import Study
from ecgcore.studies.trial import Cell, TrialResult

MODELS = ("alexnet", "alexnet_m_se")
LEVEL = "204"
RATES = {"sgd": (0.001, 0.003), "adamw": (0.00003, 0.0001, 0.0003, 0.001)}
GRID = tuple((optimizer, rate) for optimizer, rates in RATES.items() for rate in rates)
FIRST_SEED, SECOND_SEED = 1, 2
AGAIN = 2
LAST_EPOCHS = 5

HEAD = """\
Both get the same search on level {level} of cohort `{cohort}`: {rates} rates with one seed,
and the best {again} of them with a second one. No test record is looked at.

AUC is the macro AUC on validation ({validation} records a seed), its mean over the last {last} of
{epochs} epochs; in bold the highest mean over both seeds. Loss is the cross-entropy over the same
epochs, {chance:.2f} being what a guess gives. Thirty records are few: two AUCs that differ by less
than about 0.05 are not told apart.

"""


def cells(cohort: str, finished: Sequence[TrialResult]) -> list[Cell]:
    """Return the first round, and the second one of each network whose first is complete."""
    first = [_cell(cohort, model, *point, FIRST_SEED) for model, point in product(MODELS, GRID)]
    there = {cell.name for cell in finished}
    complete = [m for m in MODELS if {c.name for c in first if c.config.model == m} <= there]
    second = [
        _cell(cohort, model, *point, SECOND_SEED)
        for model in complete
        for point in _best(model, finished)
    ]
    return first + second


def _cell(cohort: str, model: str, optimizer: str, rate: float, seed: int) -> Cell:
    asked = TrainConfig(cohort, model, LEVEL, optimizer=optimizer, learning_rate=rate, seed=seed)
    return Cell(f"{model}-{optimizer}-{rate:g}-s{seed}", asked)


def _best(model: str, finished: Sequence[TrialResult]) -> list[tuple[str, float]]:
    """Return the rates of the second round, the best of the first one first."""
    reached = {point: _last_auc(found[0]) for point, found in _by_point(model, finished).items()}
    return sorted(reached, key=lambda point: -reached[point])[:AGAIN]


def _by_point(
    model: str, finished: Sequence[TrialResult]
) -> dict[tuple[str, float], list[TrialResult]]:
    """Return a network's cells by optimiser and rate, by seed within each."""
    found: dict[tuple[str, float], list[TrialResult]] = {}
    for cell in sorted(finished, key=lambda cell: (cell.config.learning_rate, cell.config.seed)):
        if cell.config.model == model:
            found.setdefault((cell.config.optimizer, cell.config.learning_rate), []).append(cell)
    return found


def _last_auc(cell: TrialResult) -> float:
    return float(cell.history["val_macro_auc"].tail(LAST_EPOCHS).mean())


def page(finished: Sequence[TrialResult]) -> str:
    """Return the tables, one a network."""
    first = finished[0].content
    head = HEAD.format(
        level=LEVEL,
        cohort=first["cohort"]["name"],
        rates=len(GRID),
        again=AGAIN,
        validation=first["split"]["records"]["validation"],
        last=LAST_EPOCHS,
        epochs=first["config"]["epochs"],
        chance=np.log(len(first["classes"])),
    )
    sections = (f"## `{m}`\n\n{_table(m, finished)}\n" for m in MODELS if _by_point(m, finished))
    return head + "".join(sections)


def _table(model: str, finished: Sequence[TrialResult]) -> str:
    found = _by_point(model, finished)
    means, best = _judged(found)
    rows = []
    for optimizer, rate in sorted(found, key=lambda point: GRID.index(point)):
        cells, mean = found[optimizer, rate], number(means[optimizer, rate])
        lasts = [cell.history.tail(LAST_EPOCHS) for cell in cells]
        losses = (np.mean([x[k].mean() for x in lasts]) for k in ("train_loss", "val_loss"))
        rows.append(
            (
                optimizer, f"{rate:g}", f"**{mean}**" if (optimizer, rate) == best else mean,
                ", ".join(number(_last_auc(cell)) for cell in cells),
                *(f"{loss:.2f}" for loss in losses),
            )
        )  # fmt: skip
    return table(
        ("optimiser", "rate", "AUC", "each seed", "training loss", "validation loss"), rows
    )


def _judged(
    found: dict[tuple[str, float], list[TrialResult]],
) -> tuple[dict[tuple[str, float], float], tuple[str, float]]:
    """Return the mean AUC of each optimiser and rate, and the best that has more than one seed."""
    means = {point: float(np.mean([_last_auc(c) for c in cells])) for point, cells in found.items()}
    twice = [point for point, cells in found.items() if len(cells) > 1]
    return means, max(twice or found, key=lambda point: means[point])


def summary(finished: Sequence[TrialResult]) -> str:
    """Return which optimiser and rate each network trains best by."""
    told = []
    for model in MODELS:
        if found := _by_point(model, finished):
            means, best = _judged(found)
            told.append(f"`{model}` by {best[0]} at {best[1]:g} (AUC {number(means[best])})")
    return f"Best on validation: {'; '.join(told)}."


STUDY = Study(
    "rates", "At which learning rate does each network train?", cells, page,
    scored=False, validated=_last_auc, summary=summary,
)  # fmt: skip
