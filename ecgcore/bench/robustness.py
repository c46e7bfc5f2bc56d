"""Steadiness of answers: the same ECG at another rate, shifted, scaled, noisy or exchanged.

For every change: the share of records of which the call of any class changes, and how far
probabilities move. Nothing is compared with labels: a steady answer may be wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.bench.perturbations import PERTURBATIONS
from ecgcore.errors import RequestError
from ecgcore.inference.model import Classifier, load_model
from ecgcore.measurement.quality_gate import PASSES, gate
from ecgcore.records.metadata.ptbxl import TABLE
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.workspace import Workspace

RATES = "500 Hz instead of 100 Hz"
SEED = 0
OnDone = Callable[[int, int], None]
"""Receives the number of changes that are done and their total."""


def bench_robustness(
    folder: Path,
    models: Sequence[str],
    fold: int = 8,
    n_records: int = 200,
    workspace: Workspace | None = None,
    on_done: OnDone = lambda done, total: None,
) -> dict[str, Any]:
    """Change records of PTB-XL and compare what networks say before and after.

    Parameters
    ----------
    folder
        PTB-XL as published, with records at 500 Hz for some.
    models
        Shipped models or runs; ``NAME=RUN`` is the run ``RUN`` in place of the shipped model
        ``NAME``, which was trained on these records, at the latter's temperature and thresholds.
    fold
        Fold that the records come from.
    n_records
        Number of records, spread evenly over the fold.
    workspace
        Workspace of the runs.
    on_done
        Called after each change.

    Returns
    -------
    dict
        ``fold``, ``records`` and ``pairs`` (records that are there at both rates); ``flagged``
        (change → share of records that the quality gate does not pass); ``networks``: name →
        ``run``, ``stands_for`` (run of the shipped model) and ``changes``, change → ``records``,
        ``changed`` (with ``low`` and ``high``), ``moved`` (mean |Δp| over classes and records),
        ``moved_95`` (95th percentile of a record's largest |Δp|), ``classes`` (code → ``called``,
        ``lost``, ``gained``).

    Raises
    ------
    RequestError
        The folder is not PTB-XL, or has no record of that fold.
    """
    slow, fast = _read_records(folder, fold, n_records)
    classifiers = dict(_load(model, workspace) for model in models)
    pairs = [record for record, _ in fast], [record for _, record in fast]
    answer: dict[str, Any] = {
        "fold": fold,
        "records": len(slow),
        "pairs": len(fast),
        "flagged": {},
        "networks": {
            name: {"run": answering.run.meta["run"], "stands_for": released, "changes": {}}
            for name, (answering, released) in classifiers.items()
        },
    }
    changes = list(_changed_records(slow, *pairs))
    unchanged: dict[tuple[str, int], np.ndarray] = {}
    for done, (name, before, after) in enumerate(changes, start=1):
        answer["flagged"][name] = float(np.mean([gate(r).verdict != PASSES for r in after]))
        for network, (classifier, _) in classifiers.items():
            key = network, id(before)
            if key not in unchanged:
                unchanged[key] = classifier.predict_proba(before)
            compared = _compare(classifier, unchanged[key], classifier.predict_proba(after))
            answer["networks"][network]["changes"][name] = compared
        on_done(done, len(changes))
    return answer


def _load(model: str, workspace: Workspace | None) -> tuple[str, tuple[Classifier, str]]:
    """Return the name of ``NAME`` or ``NAME=RUN``, the network that answers, and NAME's run."""
    name, _, stand_in = model.partition("=")
    named = load_model(name, workspace)
    answering = named
    if stand_in:
        calibration = {part: getattr(named, part) for part in ("temperature", "thresholds")}
        answering = replace(load_model(stand_in, workspace), **calibration)
    return name, (answering, named.run.meta["run"])


def _read_records(
    folder: Path, fold: int, n_records: int
) -> tuple[list[Record], list[tuple[Record, Record]]]:
    """Return records of a fold at 100 Hz, and pairs at (100, 500) Hz of any fold."""
    if not (folder / TABLE).is_file():
        raise RequestError(
            f"{folder} has no {TABLE}; PTB-XL as published is needed. Get it: ecgcore download "
            "ptb-xl."
        )
    table = pd.read_csv(folder / TABLE, usecols=["strat_fold", "filename_lr", "filename_hr"])
    names = table.loc[table["strat_fold"] == fold, "filename_lr"]
    names = names[[(folder / f"{name}.hea").exists() for name in names]]
    if names.empty:
        raise RequestError(f"{folder} has no record of fold {fold}; PTB-XL has folds 1 to 10.")
    spread = np.unique(np.linspace(0, len(names) - 1, n_records).round().astype(int))
    slow = [read_record(folder / f"{name}.hea") for name in names.iloc[spread]]
    both = [
        (
            read_record(folder / f"{row.filename_lr}.hea"),
            read_record(folder / f"{row.filename_hr}.hea"),
        )
        for row in table.itertuples()
        if (folder / f"{row.filename_hr}.hea").exists()
        and (folder / f"{row.filename_lr}.hea").exists()
    ]
    return slow, both


def _changed_records(
    slow: list[Record], at_100_hz: list[Record], at_500_hz: list[Record]
) -> Iterator[tuple[str, list[Record], list[Record]]]:
    """Yield name, unchanged and changed records of every change."""
    if at_500_hz:
        yield RATES, at_100_hz, at_500_hz
    for perturbation in PERTURBATIONS:
        records = at_500_hz if perturbation.at_500_hz else slow
        if records:
            rng = np.random.default_rng(SEED)
            yield perturbation.name, records, [perturbation.change(r, rng) for r in records]


def _compare(classifier: Classifier, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Return how calls and probabilities (N, classes) changed."""
    from statsmodels.stats.proportion import proportion_confint

    was, now = classifier.predicted_labels(before), classifier.predicted_labels(after)
    changed = (was != now).any(axis=1)
    low, high = proportion_confint(changed.sum(), len(changed), method="wilson")
    moved = np.abs(after - before)
    return {
        "records": len(changed),
        "changed": float(changed.mean()),
        "low": float(low),
        "high": float(high),
        "moved": float(moved.mean()),
        "moved_95": float(np.quantile(moved.max(axis=1), 0.95)),
        "classes": {
            code: {
                "called": int(was[:, i].sum()),
                "lost": int((was & ~now)[:, i].sum()),
                "gained": int((now & ~was)[:, i].sum()),
            }
            for i, code in enumerate(classifier.classes)
        },
    }
