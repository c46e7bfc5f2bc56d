"""Write docs/coverage.md: how often our 95 % intervals hold the truth, in simulated experiments.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/coverage.py

What is done is kept in docs/coverage.jsonl, a line a batch; a run that was stopped goes on there.
About ten minutes of one core in all.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.evaluation.bootstrap import (
    Basis,
    Resampled,
    difference_interval,
    interval,
    resample,
    weighted_auc,
)
from ecgcore.labels.classes import CODES
from ecgcore.studies.markdown import table

HERE = Path(__file__).resolve().parents[1] / "docs"
KEPT, PAGE = HERE / "coverage.jsonl", HERE / "coverage.md"
EXPERIMENTS, BATCH = 1000, 100
FIRST = CODES[0]
METRICS = ("accuracy", "macro_f1", "macro_auc", f"AUC of {FIRST}")
FORMS = ("ours", "percentile")
NAMES = {"macro_f1": "macro-F1", "macro_auc": "macro AUC"}


@dataclass(frozen=True)
class Population:
    """Patients with one to four records each, read by two models.

    A patient's records share how hard they are (spread of the true class's logit), part of the
    noise in every logit and, every second record, the class.
    """

    name: str
    skills: tuple[float, float]  # of A and B: how far the true class's logit stands out
    resamples: dict[int, int]  # records in an experiment → resamples of each
    hardness: float = 0.8
    shared_class: float = 0.5


POPULATIONS = (
    Population("middling", (2.0, 2.5), {66: 500, 2000: 100}),
    Population("good", (3.2, 3.7), {66: 500, 2000: 300}),
    Population("near perfect", (4.5, 5.0), {66: 500}),
)
HEAD = """# How often the intervals hold the truth

Simulated experiments with a known truth (that of a million records): ten classes alike frequent,
one to four records a patient, whose difficulty, noise and, every second record, class go together.
Two models of different skill read the same records; differences are B − A. {experiments:,}
experiments a line; a 95 % interval should hold the truth in 95 % of them (give or take 1.4).
*Ours* is what every answer of this program gives (`"bootstrap": {{"form": …}}`): Student's t around
asin √value with the standard error of the bootstrap over patients, one record added; for
differences Student's t with that of the paired draws. *Percentile* is the usual interval from the
same resamples: 500 at 66 records, 100 at 2,000 (which costs percentiles about one in a hundred;
answers rest on 1,000).
Written by `python benchmarks/coverage.py`.

"""


def drawn(population: Population, n: int, rng: np.random.Generator) -> list[Scores]:
    """Return n records of new patients, as both models score them."""
    patient = np.repeat(np.arange(n), rng.integers(1, 5, n))[:n]
    patients, classes = patient[-1] + 1, len(CODES)
    own, theirs = rng.integers(classes, size=n), rng.integers(classes, size=patients)[patient]
    truth = np.where(rng.random(n) < population.shared_class, theirs, own)
    y = np.eye(classes)[truth]
    hard = rng.normal(0, population.hardness, patients)[patient, None]
    noise = rng.normal(0, 0.7, (n, classes)) + rng.normal(0, 0.5, (patients, classes))[patient]
    return [
        _scores(patient, y, noise + rng.normal(0, 0.7, (n, classes)) + (skill + hard) * y)
        for skill in population.skills
    ]


def _scores(patient: np.ndarray, y: np.ndarray, logits: np.ndarray) -> Scores:
    odds = np.exp(logits)
    return Scores(
        run="",
        part="test",
        target_mode="exclusive",
        classes=CODES,
        record=np.arange(len(y)).astype(str),
        patient=patient.astype(str),
        y=y,
        p=odds / odds.sum(axis=1, keepdims=True),
        thresholds=np.full(len(CODES), 0.5),
    )


def truth(population: Population, records: int = 1_000_000, at_once: int = 50_000) -> np.ndarray:
    """Return (2, metrics) of both models over very many records."""
    rng = np.random.default_rng(0)
    pieces = [
        [figures(scores) for scores in drawn(population, at_once, rng)]
        for _ in range(records // at_once)
    ]
    return np.mean(pieces, axis=0)


def figures(scores: Scores) -> list[float]:
    """Return the metrics of some records."""
    positive, called = scores.positive, scores.predicted
    there = positive.any(axis=0)
    hits = (positive & called).sum(axis=0)
    f1 = 2 * hits[there] / (positive.sum(axis=0) + called.sum(axis=0))[there]
    once = np.ones((1, len(scores)))
    auc = [weighted_auc(y, p, once)[0] for y, p in zip(positive.T, scores.p.T, strict=True)]
    return [hits.sum() / len(scores), f1.mean(), float(np.nanmean(auc)), auc[0]]


def basis_of(metric: str, resampled: Resampled) -> Basis:
    """Return what a metric's interval rests on, as in ``ecgcore.evaluation.evaluate``."""
    if metric.startswith("AUC"):
        return resampled.class_basis[0].for_area
    return resampled.basis.for_area if metric == "macro_auc" else resampled.basis


def experiment(population: Population, n: int, seed: int) -> tuple[np.ndarray, dict]:
    """Return the (2, metrics) figures of one experiment, and intervals by form and metric.

    Returns
    -------
    tuple
        intervals: form → (3, metrics, 2): of A, B and B − A, low and high.
    """
    rng = np.random.default_rng([seed, n])
    sides = drawn(population, n, rng)
    of = resample(sides, population.resamples[n], seed)
    found = np.array([figures(scores) for scores in sides])
    spans: dict = {form: np.full((3, len(METRICS), 2), np.nan) for form in FORMS}
    for m in range(len(METRICS)):
        draws = [(r.accuracy, r.macro_f1, r.macro_auc, r.auc[:, 0])[m] for r in of]
        rests = [basis_of(METRICS[m], r) for r in of]
        values = [None if np.isnan(value) else float(value) for value in found[:, m]]
        ours = [interval(v, d, b) for v, d, b in zip(values, draws, rests, strict=True)]
        usual = [interval(v, d) for v, d in zip(values, draws, strict=True)]
        if None in values:
            continue
        ours.append(difference_interval(*values, *draws, rests[0]))
        usual.append(interval(values[1] - values[0], draws[1] - draws[0]))
        for form, three in zip(FORMS, (ours, usual), strict=True):
            spans[form][:, m] = [(one["low"], one["high"]) for one in three]
    return found, spans


def batch(population: Population, n: int, true: np.ndarray, first: int, experiments: int) -> dict:
    """Return how often truth lay below, within and above the intervals, and their widths' sum.

    Returns
    -------
    dict
        form → figure → [below, within, above, sum of widths].
    """
    aims = np.vstack([true, true[1] - true[0]])  # (3, metrics)
    spans = [experiment(population, n, first + i)[1] for i in range(experiments)]
    counts: dict = {form: {} for form in FORMS}
    for form in FORMS:
        of = np.array([one[form] for one in spans])  # (experiments, 3, metrics, 2)
        low, high = of[..., 0], of[..., 1]
        below, above = aims < low, aims > high
        within = (aims >= low) & (aims <= high)
        for side, who in enumerate(("A", "B", "B − A")):
            for m, metric in enumerate(METRICS):
                cell = [x[:, side, m] for x in (below, within, above)]
                width = float(np.nansum((high - low)[:, side, m]))
                counts[form][f"{metric}, {who}"] = [*(int(c.sum()) for c in cell), width]
    return counts


def simulate() -> None:
    """Do what is not kept yet."""
    there = {(k["population"], k["n"], k["batch"]) for k in kept()}
    for n in (66, 2000):
        for population in POPULATIONS:
            if n not in population.resamples:
                continue
            lacking = [
                b for b in range(EXPERIMENTS // BATCH) if (population.name, n, b) not in there
            ]
            true = truth(population) if lacking else np.empty(0)
            for number in lacking:
                counts = batch(population, n, true, number * BATCH, BATCH)
                told = {"population": population.name, "n": n, "batch": number}
                line = told | {"truth": true.tolist(), "counts": counts}
                with KEPT.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def kept() -> list[dict]:
    """Return the batches that are done."""
    text = KEPT.read_text("utf-8") if KEPT.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def page() -> str:
    """Return the page from what is kept."""
    done = kept()
    parts = [HEAD.format(experiments=EXPERIMENTS), *(_summary(done, n) for n in (66, 2000)), "\n"]
    for n, name in dict.fromkeys((k["n"], k["population"]) for k in done):
        lines = [k for k in done if (k["n"], k["population"]) == (n, name)]
        a, b = lines[0]["truth"]
        pairs = ", ".join(
            f"{NAMES.get(m, m)} {x:.3f} and {y:.3f}" for m, x, y in zip(METRICS, a, b, strict=True)
        )
        parts.append(f"## {n:,} records, models {name}\n\nTruth of A and B: {pairs}.\n\n")
        parts.append(_table(lines) + "\n")
    return "".join(parts)


def coverages(done: list[dict], n: int, form: str = "ours") -> dict[tuple[str, str], float]:
    """Return (population, figure) → the share of experiments that held the truth."""
    sums: dict = {}
    for k in (k for k in done if k["n"] == n):
        for figure, counts in k["counts"][form].items():
            key = (k["population"], figure)
            sums[key] = np.add(sums.get(key, 0), counts[:3])
    return {key: float(counts[1] / counts.sum()) for key, counts in sums.items()}


def _summary(done: list[dict], n: int) -> str:
    """Say what was reached for accuracy, macro-F1, macro AUC and their differences."""
    spans = []
    for form in FORMS:
        of = [v for (_, figure), v in coverages(done, n, form).items() if "NSR" not in figure]
        spans.append(f"{form} {min(of):.1%} to {max(of):.1%}")
    return (
        f"* At {n:,} records, accuracy, macro-F1, macro AUC and differences: {'; '.join(spans)}.\n"
    )


def _table(lines: list[dict]) -> str:
    rows = []
    for figure in lines[0]["counts"][FORMS[0]]:
        metric, who = figure.split(", ")
        cells = []
        for form in FORMS:
            sums = np.sum([k["counts"][form][figure] for k in lines], axis=0)
            n = sums[:3].sum()
            cells += [f"{sums[1] / n:.1%}", f"{sums[0] / n:.1%}, {sums[2] / n:.1%}"]
            cells.append(f"{sums[3] / n:.3f}")
        rows.append((NAMES.get(metric, metric), who, *cells))
    head = ["", ""]
    for form in FORMS:
        head += [f"{form}: coverage", "truth below, above", "width"]
    return table(head, rows)


if __name__ == "__main__":
    simulate()
    PAGE.write_text(page(), encoding="utf-8")
