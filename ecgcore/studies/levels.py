"""Does AlexNet-M-SE read better than AlexNet at the paper's levels (paper 001), and how sure is it?

Each level is trained with several seeds a network: the seed decides the draw, the split, the first
weights and the order. Every run is scored on its own 15 %, as in the paper, and on an untouched
fold of other patients, which is the same for all; conclusions rest on that.
"""

from collections.abc import Sequence

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.seeds import METRICS, difference_over_seeds, over_seeds
from ecgcore.evaluation.baseline import naive_baseline
from ecgcore.evaluation.text import number, with_range
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.claims import Claim
from ecgcore.studies.levels_vs_paper import beside_the_paper, figures
from ecgcore.studies.markdown import span, table
from ecgcore.studies.study import Study
from ecgcore.studies.trial import Cell, TrialResult

PAIRS = (("alexnet", "alexnet_m_se"), ("alexnet_gap", "alexnet_m_se_gap"))
HEADS = (("alexnet", "alexnet_gap"), ("alexnet_m_se", "alexnet_m_se_gap"))
"""The paper's head (FC6 to FC8) and its own remedy, global average pooling."""
LEVELS = ("204", "440")
QUESTIONS = (
    *((level, "expert") for level in LEVELS),
    *((level, "criteria") for level in LEVELS),
    ("all", "expert"),
)
"""(level, label source), those that matter most first."""
SEEDS = (1, 2, 3, 4, 5)
PARTS = {"test": "own 15 %", "untouched": "untouched fold"}
INTERVALS = ("patients", "seeds", "both")
NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "macro_auc": "macro AUC"}

HEAD = """\
Cohort `{cohort}`, labels `exclusive` by expert statements, or by the paper's own criteria where a
section says so (measurements against its thresholds, [labels](../../labels.md)), {epochs} epochs of
batches of 16. Each network trains at its own rate, found by the same search on validation (study
`rates`; the `_gap` nets take their siblings'): {rates}.

Every interval is at 95 % and says what it lets vary: *patients* (the same trained networks, other
patients; bootstrap), *seeds* (other draws and starts, of the own 15 % also other records; Student's
t over the seeds' own figures), *both* (seeds and patients drawn anew; hierarchical bootstrap).
Differences are paired: the same seed, draw, split and records on both sides. The baseline always
answers the most frequent class of the records scored: on the untouched fold, where normal ECGs are
by far the most, it is right more often than many networks here, which learnt from as many records
of each class. Macro-F1 and macro AUC, which count all classes alike, tell more.

"""


def cells(cohort: str, _finished: Sequence[TrialResult]) -> list[Cell]:
    """Return the trainings, those that matter most first."""
    return [
        _cell(cohort, model, level, label_source, seed)
        for level, label_source in QUESTIONS
        for pair in PAIRS
        for seed in SEEDS
        for model in pair
    ]


def _cell(cohort: str, model: str, level: str, label_source: str, seed: int) -> Cell:
    name = (
        f"{model}-{level}-s{seed}"
        if label_source == "expert"
        else f"{model}-{level}-{label_source}-s{seed}"
    )
    asked = TrainConfig(cohort, model, level, "exclusive", label_source=label_source, seed=seed)
    return Cell(name, asked)


def page(finished: Sequence[TrialResult]) -> str:
    """Return the tables: a section for each pair of networks and level."""
    first = finished[0].content
    of_models = {
        c.config.model: f"{c.config.optimizer} {c.config.learning_rate:g}" for c in finished
    }
    rates = "; ".join(f"`{model}` {rate}" for model, rate in of_models.items())
    parts = [
        HEAD.format(cohort=first["cohort"]["name"], epochs=first["config"]["epochs"], rates=rates)
    ]
    for pair in (*PAIRS, *HEADS):
        for level, label_source in QUESTIONS:
            parts.append(_section(pair, level, label_source, finished))
    return "".join(parts) + beside_the_paper(_by(finished, "expert"))


def _by(finished: Sequence[TrialResult], label_source: str) -> list[TrialResult]:
    """Return the cells whose labels come from one policy."""
    return [cell for cell in finished if cell.config.label_source == label_source]


def claims(finished: Sequence[TrialResult]) -> list[Claim]:
    """Return the paper's claims for each pair and level, on the untouched fold."""
    found = []
    for pair in (*PAIRS, *HEADS):
        for level, label_source in QUESTIONS:
            if len((of := _paired(pair, level, _by(finished, label_source)))[0]) < 2:
                continue
            a, b = ([cell.scores("untouched") for cell in side] for side in of)
            apart = difference_over_seeds(a, b)["macro_auc"]["both"]
            says = f"`{pair[1]}` reads better than `{pair[0]}` {_question(level, label_source)}"
            what = f"macro AUC on {len(a[0]):,} untouched records, {len(a)} seeds (both vary)"
            found.append(Claim(says, apart, what))
    return found


def _paired(
    pair: tuple[str, str], level: str, finished: Sequence[TrialResult]
) -> tuple[list[TrialResult], list[TrialResult]]:
    """Return the cells of both networks, seed by seed."""
    of = [
        {c.config.seed: c for c in finished if (c.config.model, c.config.level) == (name, level)}
        for name in pair
    ]
    seeds = sorted(set(of[0]) & set(of[1]))
    return [of[0][seed] for seed in seeds], [of[1][seed] for seed in seeds]


def _question(level: str, label_source: str) -> str:
    """Return a level and label source in words."""
    return f"at level {level}" + (", labels by criteria" if label_source == "criteria" else "")


def _section(
    pair: tuple[str, str], level: str, label_source: str, finished: Sequence[TrialResult]
) -> str:
    """Return the tables of both parts, over the seeds that both networks have."""
    sides = _paired(pair, level, _by(finished, label_source))
    if not sides[0]:
        return ""
    notes = " ".join(sides[0][0].content["split"]["notes"])
    text = (
        f"## `{pair[0]}` and `{pair[1]}`, {_question(level, label_source).removeprefix('at ')}\n\n"
        f"{len(sides[0])} seeds. {notes}\n\n"
    )
    for part, name in PARTS.items():
        a, b = ([cell.scores(part) for cell in side] for side in sides)
        n = span(len(scores) for scores in a)
        text += f"On the {name} ({n} records a seed):\n\n{_table(pair, a, b)}\n"
    return text


def _table(pair: tuple[str, str], a: list[Scores], b: list[Scores]) -> str:
    found = {
        f"`{pair[0]}`": over_seeds(a),
        f"`{pair[1]}`": over_seeds(b),
        "difference": difference_over_seeds(a, b),
    }
    naive = [naive_baseline(scores) for scores in a]
    rows = []
    for metric in METRICS:
        by_chance = number(sum(one[metric] for one in naive) / len(naive))
        for who, spreads in found.items():
            spread, signed = spreads[metric], who == "difference"
            ranges = (with_range(spread[unit], 3, signed) for unit in INTERVALS)
            each = ", ".join(number(value) for value in spread["values"])
            rows.append((NAMES[metric], who, *ranges, each, "" if signed else by_chance))
    return table(("", "", *INTERVALS, "each seed", "baseline"), rows)


STUDY = Study(
    "levels",
    "AlexNet against AlexNet-M-SE at the paper's levels",
    cells,
    page,
    claims=claims,
    figures=lambda finished: figures(_by(finished, "expert")),
)
