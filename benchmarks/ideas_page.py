"""The page of `benchmarks/ideas.py`: what each idea brought on validation records."""

from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.atomic import read_json
from ecgcore.calibration.calibration import calibration_metrics, with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.evaluation.bootstrap import difference_interval, resample
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.metrics import averages, per_class_metrics
from ecgcore.evaluation.text import with_range
from ecgcore.labels.classes import CODES

PAGE = Path(__file__).resolve().parents[1] / "docs/studies/ideas/README.md"
HIGH_PASS = PAGE.with_name("high_pass.json")
CHANGES = ("wander", "muscle")
RARE = ("STEMI", "RVH")
BASE = "baseline"
STEADY = {
    "wander": "baseline wander",
    "muscle": "muscle noise",
    "gain": "gain",
    "shift": "starts",
    "without V2": "without V2",
}
"""Column → the beginning of the change's name (see ``bench.perturbations``)."""
VERDICTS = {
    BASE: "",
    "seed2": "",
    "old_labels": "no: the labels are mended",
    "robust": "yes: steadier",
    "robust_folds6": "yes: steadier",
}
"""Arm → whether it is kept, where the difference alone does not say."""

HEAD = """\
# Ideas for the networks on signals

Made by `benchmarks/ideas.py`. Each idea is the baseline with one change. Networks train on the
named folds of PTB-XL and answer fold 7 ({n:,} records, {validated:,} of them validated by a human),
which chose nothing in the training: the last epoch's average counts. Fold 8 is untouched.

These are pilots: {epochs} epochs on folds 1 to 3 ({seed_words}). A difference smaller than that
between two seeds shows nothing, and a pilot ranks ideas; the shipped networks need the full recipe.

Macro AUC is over ten classes of the core tier, unknown ones left out, on validated records;
beside it without STEMI and RVH, all records, and the calibration error at temperature 1. Intervals
are at 95 %, over patients; differences are paired with the baseline. The last columns are the share
of every fourth validation record of which any call changes (as in
[steadiness of answers](../../robustness.md)): wander ±0.15 mV, muscle noise 0.05 mV, gain × 1.05, a
start 200 ms later, and V2 missing.

"""


REMAINS = """
## High-pass before the networks of folds 1 to 5

The networks released before, not trained anew, on every fourth record of fold 8 ({records}, which
none of them was trained on), without → with a high-pass of 0.5 Hz before them
(`benchmarks/high_pass.py`).
Macro AUC is over ten classes of all these records, with the labels of the core tier.

{networks}

Their thresholds were chosen without it, so it is not applied to them.

## What remains

Times are measured: a signal network takes 4 ms of one core a record and epoch, the image networks
took 48 (`alexnet_m_se_gap`) and 62 ms (`alexnet_gap`) on two cores. In order of worth:

1. The open arms above, and two seeds of each that is kept: `benchmarks/ideas.py train` (three
   minutes of one core an arm of 6 epochs).
2. `resnet1d_ptbxl71` by the recipe `steady` on folds 1 to 8 (`ecgcore study shipped --only
   'resnet1d_ptbxl71*'`, then `ecgcore release`: 70 minutes of one core), also with longer schedules
   and crops of 2.5 s: it is furthest from its goal.
3. `alexnet_m_se_gap`, taught by the new `resnet1d_scaled` (some five hours of one core: 45 ms a
   record and epoch), then `alexnet_gap` (the same).

Done: `resnet1d_scaled` by the recipe `steady`, four networks each without two of folds 1 to 8, and
one of all (68 minutes of one core; [its figures](../shipped/README.md)).
"""


def _remains(high_pass: dict) -> str:
    """Return the sections on the shipped networks behind a high-pass, and on what remains."""
    head = ("network", "macro AUC", "calls changed by wander", "by muscle noise")
    rows = [
        (
            f"`{name}`",
            f"{of['without']['macro_auc']:.3f} → {of['with']['macro_auc']:.3f}",
            *(f"{100 * of['without'][c]:.1f} → {100 * of['with'][c]:.1f} %" for c in CHANGES),
        )
        for name, of in high_pass["networks"].items()
    ]
    return REMAINS.format(records=high_pass["records"], networks=table(head, rows).strip())


def write_page(cells: Path) -> None:
    """Write the page from the finished arms."""
    arms = {file.stem: read_json(file) for file in sorted(cells.glob("*.json"))}
    if BASE not in arms:
        return
    tables = {name: _answers(cells / f"{name}.parquet") for name in arms}
    scores = {name: _scores(answers, name, True) for name, answers in tables.items()}
    order = [BASE, *(name for name in arms if name != BASE)]
    draws = dict(zip(order, resample([scores[name] for name in order]), strict=True))
    rows = [
        (
            f"`{name}`",
            arms[name]["arm"]["idea"],
            with_range(_difference(scores, draws, name), signed=True) if name != BASE else "",
            f"{_macro(scores[name]):.3f}",
            f"{_macro(scores[name], RARE):.3f}",
            f"{_macro(_scores(tables[name], name, False)):.3f}",
            f"{calibration_metrics(scores[name])['ece']:.3f}",
            f"{np.mean([row['cpu_seconds'] for row in arms[name]['history']]):.0f}",
            *_steadiness(arms[name]),
            _verdict(name, _difference(scores, draws, name)),
        )
        for name in order
    ]
    head = ("arm", "idea", "difference, validated", "macro AUC", "without STEMI, RVH", "all", "ECE")
    text = _head(arms, tables[BASE])
    text += table((*head, "CPU-seconds an epoch", *STEADY, "kept"), rows)
    text += _remains(read_json(HIGH_PASS))
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")


def _head(arms: dict[str, dict], answers: pd.DataFrame) -> str:
    base = arms[BASE]["arm"]
    return HEAD.format(
        n=len(answers),
        validated=int(answers["validated"].sum()),
        epochs=base["epochs"],
        seed_words="two seeds of the baseline show the scale"
        if "seed2" in arms
        else "one seed each",
    )


def _answers(file: Path) -> pd.DataFrame:
    """Return the answers of an arm as a table of predictions."""
    answers = pd.read_parquet(file).assign(part="validation")
    labels = answers[[f"y_{code}" for code in CODES]].astype(float)
    answers = answers.assign(**labels.where(labels >= 0))
    return with_probabilities(answers, CODES, "multilabel")


def _scores(answers: pd.DataFrame, name: str, validated: bool) -> Scores:
    rows = answers[answers["validated"]] if validated else answers
    return Scores.from_predictions(rows, CODES, "multilabel", run=name, part="validation")


def _macro(scores: Scores, without: tuple[str, ...] = ()) -> float:
    classes = per_class_metrics(scores)
    kept = {code: metrics for code, metrics in classes.items() if code not in without}
    return averages(kept)["macro"]["auc"]


def _difference(scores: dict[str, Scores], draws: dict, name: str) -> dict:
    return difference_interval(
        _macro(scores[BASE]),
        _macro(scores[name]),
        draws[BASE].macro_auc,
        draws[name].macro_auc,
        draws[BASE].metric_basis("macro_auc"),
    )


def _steadiness(arm: dict) -> list[str]:
    """Return the share of records of which any call changes, in percent, for each column."""
    shares = arm.get("steadiness") or {}
    found = [[v for k, v in shares.items() if k.startswith(start)] for start in STEADY.values()]
    return [f"{100 * values[0]:.0f} %" if values else "" for values in found]


def _verdict(name: str, difference: dict) -> str:
    if name in VERDICTS:
        return VERDICTS[name]
    if difference["low"] > 0:
        return "yes"
    return "no" if difference["high"] < 0 else "open"
