"""Write docs/coverage.md: how often our 95 % intervals hold the truth, in simulated experiments.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/coverage.py

Finished batches are stored in docs/coverage.jsonl, one a line; an interrupted run resumes from
them. Takes about ten minutes on one core.
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
from ecgcore.evaluation.markdown import table
from ecgcore.labels.classes import CODES

DOCS = Path(__file__).resolve().parents[1] / "docs"
BATCHES, PAGE = DOCS / "coverage.jsonl", DOCS / "coverage.md"
EXPERIMENTS, BATCH = 1000, 100
FIRST = CODES[0]
METRICS = ("accuracy", "macro_f1", "macro_auc", f"AUC of {FIRST}")
FORMS = ("ours", "percentile")
NAMES = {"macro_f1": "macro-F1", "macro_auc": "macro AUC"}


@dataclass(frozen=True)
class Population:
    """Patients with one to four records each, read by two models.

    A patient's records share their difficulty (spread of the true class's logit), part of the noise
    in every logit and, every second record, the class.
    """

    name: str
    skills: tuple[float, float]  # of A and B: how far the true class's logit stands out
    resamples: dict[int, int]  # records in an experiment → resamples of each
    difficulty: float = 0.8
    shared_class: float = 0.5


POPULATIONS = (
    Population("middling", (2.0, 2.5), {66: 500, 2000: 100}),
    Population("good", (3.2, 3.7), {66: 500, 2000: 300}),
    Population("near perfect", (4.5, 5.0), {66: 500}),
)
HEAD = """# Coverage of the intervals

Simulated experiments with a known truth (that of a million records): ten equally frequent classes,
one to four records per patient, which share difficulty, noise and, in every second record, class.
Two models of different skill read the same records; differences are B − A. {experiments:,}
experiments per line; a 95 % interval should contain the truth in 95 % of them (± 1.4).
*Ours* is the interval of every answer of this program (`"bootstrap": {{"form": …}}`): Student's t
around asin √value with the standard error of the bootstrap over patients, one record added; for
differences Student's t with that of the paired draws. *Percentile* is the usual interval from the
same resamples: 500 at 66 records, 100 at 2,000 (which costs percentiles about one in a hundred;
answers rest on 1,000).
Written by `python benchmarks/coverage.py`.

"""


def simulate_scores(population: Population, n: int, rng: np.random.Generator) -> list[Scores]:
    """Return n records of new patients, as scored by both models."""
    patient = np.repeat(np.arange(n), rng.integers(1, 5, n))[:n]
    n_patients, n_classes = patient[-1] + 1, len(CODES)
    own_class = rng.integers(n_classes, size=n)
    patient_class = rng.integers(n_classes, size=n_patients)[patient]
    true_class = np.where(rng.random(n) < population.shared_class, patient_class, own_class)
    y = np.eye(n_classes)[true_class]
    difficulty = rng.normal(0, population.difficulty, n_patients)[patient, None]
    noise = (
        rng.normal(0, 0.7, (n, n_classes)) + rng.normal(0, 0.5, (n_patients, n_classes))[patient]
    )
    return [
        _scores(patient, y, noise + rng.normal(0, 0.7, (n, n_classes)) + (skill + difficulty) * y)
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


def true_metrics(
    population: Population, records: int = 1_000_000, chunk: int = 50_000
) -> np.ndarray:
    """Return (2, metrics) of both models over very many records."""
    rng = np.random.default_rng(0)
    chunks = [
        [metrics_of(scores) for scores in simulate_scores(population, chunk, rng)]
        for _ in range(records // chunk)
    ]
    return np.mean(chunks, axis=0)


def metrics_of(scores: Scores) -> list[float]:
    """Return the values of METRICS for some records."""
    positive, predicted = scores.positive, scores.predicted
    present = positive.any(axis=0)
    hits = (positive & predicted).sum(axis=0)
    f1 = 2 * hits[present] / (positive.sum(axis=0) + predicted.sum(axis=0))[present]
    weights = np.ones((1, len(scores)))
    auc = [weighted_auc(y, p, weights)[0] for y, p in zip(positive.T, scores.p.T, strict=True)]
    return [hits.sum() / len(scores), f1.mean(), float(np.nanmean(auc)), auc[0]]


def basis_of(metric: str, resampled: Resampled) -> Basis:
    """Return the basis of a metric's interval, as in ``ecgcore.evaluation.evaluate``."""
    if metric.startswith("AUC"):
        return resampled.class_basis[0].for_area
    return resampled.basis.for_area if metric == "macro_auc" else resampled.basis


def experiment(population: Population, n: int, seed: int) -> dict[str, np.ndarray]:
    """Return the intervals of one experiment, by form.

    Returns
    -------
    dict
        form → (3, metrics, 2): of A, B and B − A, low and high.
    """
    rng = np.random.default_rng([seed, n])
    models = simulate_scores(population, n, rng)
    resampled = resample(models, population.resamples[n], seed)
    metrics = np.array([metrics_of(scores) for scores in models])
    intervals = {form: np.full((3, len(METRICS), 2), np.nan) for form in FORMS}
    for m, metric in enumerate(METRICS):
        draws = [(r.accuracy, r.macro_f1, r.macro_auc, r.auc[:, 0])[m] for r in resampled]
        bases = [basis_of(metric, r) for r in resampled]
        values = [None if np.isnan(value) else float(value) for value in metrics[:, m]]
        ours = [interval(v, d, b) for v, d, b in zip(values, draws, bases, strict=True)]
        percentile = [interval(v, d) for v, d in zip(values, draws, strict=True)]
        if None in values:
            continue
        ours.append(difference_interval(*values, *draws, bases[0]))
        percentile.append(interval(values[1] - values[0], draws[1] - draws[0]))
        for form, of_form in zip(FORMS, (ours, percentile), strict=True):
            intervals[form][:, m] = [(one["low"], one["high"]) for one in of_form]
    return intervals


def run_batch(
    population: Population, n: int, true: np.ndarray, first: int, experiments: int
) -> dict:
    """Return how often truth lay below, within and above the intervals, and their widths' sum.

    Returns
    -------
    dict
        form → figure → [below, within, above, sum of widths].
    """
    targets = np.vstack([true, true[1] - true[0]])  # (3, metrics)
    by_experiment = [experiment(population, n, first + i) for i in range(experiments)]
    counts: dict = {form: {} for form in FORMS}
    for form in FORMS:
        intervals = np.array([one[form] for one in by_experiment])  # (experiments, 3, metrics, 2)
        low, high = intervals[..., 0], intervals[..., 1]
        below, above = targets < low, targets > high
        within = (targets >= low) & (targets <= high)
        for row, model in enumerate(("A", "B", "B − A")):
            for m, metric in enumerate(METRICS):
                sums = [int(x[:, row, m].sum()) for x in (below, within, above)]
                width = float(np.nansum((high - low)[:, row, m]))
                counts[form][f"{metric}, {model}"] = [*sums, width]
    return counts


def simulate() -> None:
    """Run the batches that are not finished yet."""
    finished = {(b["population"], b["n"], b["batch"]) for b in finished_batches()}
    for n in (66, 2000):
        for population in POPULATIONS:
            if n not in population.resamples:
                continue
            numbers = range(EXPERIMENTS // BATCH)
            missing = [b for b in numbers if (population.name, n, b) not in finished]
            true = true_metrics(population) if missing else np.empty(0)
            for number in missing:
                counts = run_batch(population, n, true, number * BATCH, BATCH)
                key = {"population": population.name, "n": n, "batch": number}
                line = key | {"truth": true.tolist(), "counts": counts}
                with BATCHES.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def finished_batches() -> list[dict]:
    """Return the finished batches."""
    text = BATCHES.read_text("utf-8") if BATCHES.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def page() -> str:
    """Return the page of the finished batches."""
    batches = finished_batches()
    summaries = [_summary(batches, n) for n in (66, 2000)]
    parts = [HEAD.format(experiments=EXPERIMENTS), *summaries, "\n"]
    for n, name in dict.fromkeys((b["n"], b["population"]) for b in batches):
        lines = [b for b in batches if (b["n"], b["population"]) == (n, name)]
        model_a, model_b = lines[0]["truth"]
        truths = ", ".join(
            f"{NAMES.get(m, m)} {x:.3f} and {y:.3f}"
            for m, x, y in zip(METRICS, model_a, model_b, strict=True)
        )
        parts.append(f"## {n:,} records, models {name}\n\nTruth of A and B: {truths}.\n\n")
        parts.append(_table(lines) + "\n")
    return "".join(parts)


def coverages(batches: list[dict], n: int, form: str = "ours") -> dict[tuple[str, str], float]:
    """Return (population, figure) → the share of experiments whose interval held the truth."""
    sums: dict = {}
    for one in (b for b in batches if b["n"] == n):
        for figure, counts in one["counts"][form].items():
            key = (one["population"], figure)
            sums[key] = np.add(sums.get(key, 0), counts[:3])
    return {key: float(counts[1] / counts.sum()) for key, counts in sums.items()}


def _summary(batches: list[dict], n: int) -> str:
    """Return a line on the coverage of accuracy, macro-F1, macro AUC and their differences."""
    ranges = []
    for form in FORMS:
        of_form = coverages(batches, n, form).items()
        shares = [share for (_, figure), share in of_form if "NSR" not in figure]
        ranges.append(f"{form} {min(shares):.1%} to {max(shares):.1%}")
    return (
        f"* At {n:,} records, accuracy, macro-F1, macro AUC and differences: {'; '.join(ranges)}.\n"
    )


def _table(lines: list[dict]) -> str:
    rows = []
    for figure in lines[0]["counts"][FORMS[0]]:
        metric, model = figure.split(", ")
        cells = []
        for form in FORMS:
            sums = np.sum([line["counts"][form][figure] for line in lines], axis=0)
            n = sums[:3].sum()
            cells += [f"{sums[1] / n:.1%}", f"{sums[0] / n:.1%}, {sums[2] / n:.1%}"]
            cells.append(f"{sums[3] / n:.3f}")
        rows.append((NAMES.get(metric, metric), model, *cells))
    columns = ["", ""]
    for form in FORMS:
        columns += [f"{form}: coverage", "truth below, above", "width"]
    return table(columns, rows)


if __name__ == "__main__":
    simulate()
    PAGE.write_text(page(), encoding="utf-8")
