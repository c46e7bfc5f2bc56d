"""Study ``rates``: the learning rates at which the paper's two networks train, on validation only.

Both get the same search at level 204: all rates with one seed, then the best two with a second one,
with the paper's 20 epochs of batches of 16. The criterion is the validation macro AUC over the last
epochs, not that of the best epoch: the best of twenty on thirty records is mostly chance.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.text import number
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.study import Study
from ecgcore.studies.trial import TrialConfig, TrialResult

MODELS = ("alexnet", "alexnet_m_se")
LEVEL = "204"
RATES = {"sgd": (0.001, 0.003), "adamw": (0.00003, 0.0001, 0.0003, 0.001)}
GRID = tuple((optimizer, rate) for optimizer, rates in RATES.items() for rate in rates)
FIRST_SEED, SECOND_SEED = 1, 2
N_REPEATED = 2
LAST_EPOCHS = 5

HEAD = """\
Both networks get the same search on level {level} of cohort `{cohort}`: {rates} rates with one
seed, and the best {repeated} of them with a second one. No test record is used.

AUC is the macro AUC on validation ({validation} records a seed), its mean over the last {last} of
{epochs} epochs; the highest mean over both seeds is in bold. Loss is the cross-entropy over the
same epochs; chance gives {chance:.2f}. Thirty records are few: a difference in AUC below about 0.05
is not meaningful.

"""


def trials(cohort: str, finished: Sequence[TrialResult]) -> list[TrialConfig]:
    """Return the first round, and the second one of each network whose first is complete."""
    first = [_trial(cohort, model, *point, FIRST_SEED) for model, point in product(MODELS, GRID)]
    names = {trial.name for trial in finished}
    complete = [m for m in MODELS if {t.name for t in first if t.config.model == m} <= names]
    second = [
        _trial(cohort, model, *point, SECOND_SEED)
        for model in complete
        for point in _best(model, finished)
    ]
    return first + second


def _trial(cohort: str, model: str, optimizer: str, rate: float, seed: int) -> TrialConfig:
    config = TrainConfig(cohort, model, LEVEL, optimizer=optimizer, learning_rate=rate, seed=seed)
    return TrialConfig(f"{model}-{optimizer}-{rate:g}-s{seed}", config)


def _best(model: str, finished: Sequence[TrialResult]) -> list[tuple[str, float]]:
    """Return the rates of the second round, the best of the first one first."""
    aucs = {point: _last_auc(first) for point, (first, *_) in _by_point(model, finished).items()}
    return sorted(aucs, key=lambda point: -aucs[point])[:N_REPEATED]


def _by_point(
    model: str, finished: Sequence[TrialResult]
) -> dict[tuple[str, float], list[TrialResult]]:
    """Return a network's trials by optimiser and rate, by seed within each."""
    by_point: dict[tuple[str, float], list[TrialResult]] = {}
    for trial in sorted(finished, key=lambda t: (t.config.learning_rate, t.config.seed)):
        config = trial.config
        if config.model == model:
            by_point.setdefault((config.optimizer, config.learning_rate), []).append(trial)
    return by_point


def _last_auc(trial: TrialResult) -> float:
    return float(trial.history["val_macro_auc"].tail(LAST_EPOCHS).mean())


def page(finished: Sequence[TrialResult]) -> str:
    """Return the tables, one a network."""
    first = finished[0].content
    head = HEAD.format(
        level=LEVEL,
        cohort=first["cohort"]["name"],
        rates=len(GRID),
        repeated=N_REPEATED,
        validation=first["split"]["records"]["validation"],
        last=LAST_EPOCHS,
        epochs=first["config"]["epochs"],
        chance=np.log(len(first["classes"])),
    )
    sections = (f"## `{m}`\n\n{_table(m, finished)}\n" for m in MODELS if _by_point(m, finished))
    return head + "".join(sections)


def _table(model: str, finished: Sequence[TrialResult]) -> str:
    by_point = _by_point(model, finished)
    means, best = _means_and_best(by_point)
    rows = []
    for optimizer, rate in sorted(by_point, key=lambda point: GRID.index(point)):
        trials, mean = by_point[optimizer, rate], number(means[optimizer, rate])
        lasts = [trial.history.tail(LAST_EPOCHS) for trial in trials]
        losses = (np.mean([x[k].mean() for x in lasts]) for k in ("train_loss", "val_loss"))
        row = (
            optimizer,
            f"{rate:g}",
            f"**{mean}**" if (optimizer, rate) == best else mean,
            ", ".join(number(_last_auc(trial)) for trial in trials),
            *(f"{loss:.2f}" for loss in losses),
        )
        rows.append(row)
    return table(
        ("optimiser", "rate", "AUC", "each seed", "training loss", "validation loss"), rows
    )


def _means_and_best(
    by_point: dict[tuple[str, float], list[TrialResult]],
) -> tuple[dict[tuple[str, float], float], tuple[str, float]]:
    """Return the mean AUC of each optimiser and rate, and the best one with two seeds."""
    means = {
        point: float(np.mean([_last_auc(trial) for trial in trials]))
        for point, trials in by_point.items()
    }
    repeated = [point for point, trials in by_point.items() if len(trials) > 1]
    return means, max(repeated or by_point, key=lambda point: means[point])


def summary(finished: Sequence[TrialResult]) -> str:
    """Return the best optimiser and rate of each network."""
    texts = []
    for model in MODELS:
        if by_point := _by_point(model, finished):
            means, best = _means_and_best(by_point)
            texts.append(f"`{model}` by {best[0]} at {best[1]:g} (AUC {number(means[best])})")
    return f"Best on validation: {'; '.join(texts)}."


STUDY = Study(
    "rates",
    "At which learning rate does each network train?",
    trials,
    page,
    scored=False,
    validated=_last_auc,
    summary=summary,
)
