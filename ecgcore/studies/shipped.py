"""The networks that come with the product: their recipes, and how good each is out of fold.

A shipped network learns from all records of its cohort, so none is left to test it. In its place
networks of the same recipe, one a published fold, each answer the fold that they have not learnt
from; together they answer every record once. The shipped network's temperature, thresholds, refer
band and figures are those of these answers. The number of epochs belongs to the recipe, which was
chosen on fold 4 by networks that had learnt from folds 1 to 3.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from ecgcore.calibration.calibration import OUT_OF_FOLD, with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.evaluate import evaluate_scores
from ecgcore.evaluation.fit_calibration import fit_calibration
from ecgcore.evaluation.subgroups import BY_A_HUMAN, VALIDATED
from ecgcore.evaluation.text import number, with_range
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.recipes import recipe_settings
from ecgcore.studies.markdown import table
from ecgcore.studies.study import Study
from ecgcore.studies.trial import Cell, TrialResult

FOLDS = (1, 2, 3, 4, 5)
"""Of PTB-XL's ten those whose records the shipped networks learnt from."""

TEACHER = "resnet1d_scaled"
TAUGHT = ("alexnet_m_se_gap", "alexnet_gap")
"""They learn from the teacher's answers, too (see ``training.distillation``): out of fold from
those of its network of the same folds."""


def _strong(model: str, **settings: str) -> TrainConfig:
    """Return the recipe ``strong`` of a network (see ``runs.recipes``)."""
    return TrainConfig(cohort="", model=model, **recipe_settings("strong", model), **settings)


RECIPES = {
    "resnet1d_scaled": _strong("resnet1d_scaled"),
    "resnet1d_ptbxl71": _strong("resnet1d_scaled", label_set="ptbxl71"),
    "alexnet_m_se_gap": _strong("alexnet_m_se_gap"),
    "alexnet_gap": _strong("alexnet_gap"),
}
ATTRIBUTION = (
    "Trained on PTB-XL (Wagner et al. 2020, https://doi.org/10.13026/kfzx-aw45, CC BY 4.0); "
    "weights and predictions here derive from it and carry the same licence."
)

# The benchmark's xresnet1d101 (Strodthoff et al. 2021, doi:10.1109/JBHI.2020.3022989): its released
# predictions of fold 10, grouped into these classes. Another fold: to stand beside, not to be
# subtracted.
BENCHMARK = {
    "NSR": 0.909, "STACH": 0.994, "SBRAD": 0.946, "LBBB": 0.998, "RBBB": 0.997, "LVH": 0.951,
    "RVH": 0.949, "STEMI": 0.855, "STD": 0.939, "ECT": 0.982,
}  # fmt: skip
BENCHMARK_MACRO = {"paper10": 0.952, "ptbxl71": 0.925}

HEAD = """\
Each recipe was trained once a published fold, on all other folds of cohort `{cohort}`, and answered
the fold that it had not learnt from: out of fold, every record is answered once, by a network that
knew neither it nor its patient. What `ecgcore release` makes is of the same recipe and learns from
all records; these figures are the best estimate of theirs. Labels are expert statements, core
tier, several a record. Intervals are at 95 %, over patients.

Two things flatter a little: the recipes were chosen on fold 4, one of those that are answered; and
F1 is at thresholds chosen on these same answers, which of a class with some sixty positives is
worth a few hundredths. An area under the curve needs no threshold.

The benchmark is xresnet1d101 (Strodthoff et al. 2021, doi:10.1109/JBHI.2020.3022989): its released
predictions of PTB-XL's fold 10, in these classes. Other records: to stand beside, not to subtract.

"""


def recipe(name: str) -> TrainConfig:
    """Return the recipe by which a shipped network learns from all, or say which there are."""
    if name not in RECIPES:
        raise NotFound.among("shipped network", name, RECIPES)
    return replace(RECIPES[name], split="none", teacher=TEACHER if name in TAUGHT else None)


def cells(cohort: str, _finished: Sequence[TrialResult]) -> list[Cell]:
    """Return a training a recipe and fold."""
    return [_cell(cohort, name, fold) for name in RECIPES for fold in FOLDS]


def _cell(cohort: str, name: str, fold: int) -> Cell:
    asked = replace(RECIPES[name], cohort=cohort, split=f"fold:{fold}")
    teacher = _cell(cohort, TEACHER, fold) if name in TAUGHT else None
    return Cell(f"{name}-fold{fold}", asked, teacher, "teacher")


def of_recipe(name: str, finished: Sequence[TrialResult]) -> list[TrialResult]:
    """Return the cells of a recipe, fold by fold."""
    return [cell for cell in finished if cell.name.startswith(f"{name}-fold")]


def out_of_fold(name: str, finished: Sequence[TrialResult]) -> pd.DataFrame:
    """Return what a recipe's networks answered out of fold, as ``predictions.parquet`` has it.

    Raises
    ------
    RequestError
        A fold is not finished yet.
    """
    there = {cell.name: cell for cell in finished}
    asked = [f"{name}-fold{fold}" for fold in FOLDS]
    if lacking := [one for one in asked if one not in there]:
        raise RequestError(f"Not finished yet: {', '.join(lacking)}; run `ecgcore study shipped`.")
    answers = pd.concat([there[one].predictions for one in asked], ignore_index=True)
    first = there[asked[0]].content
    return with_probabilities(answers, first["classes"], first["target_mode"])


def page(finished: Sequence[TrialResult]) -> str:
    """Return a section for each recipe whose folds are all there."""
    text = HEAD.format(cohort=finished[0].content["cohort"]["name"])
    for name in RECIPES:
        of = of_recipe(name, finished)
        if len(of) == len(FOLDS):
            text += _section(name, of)
    return text


def _section(name: str, of: Sequence[TrialResult]) -> str:
    """Return a recipe's words, its macro AUC, and its classes."""
    content, config = of[0].content, of[0].config
    scores, temperature = _scores(name, of)
    sides = [evaluate_scores(scores), evaluate_scores(_scores(name, of, checked=True)[0])]
    minutes = sum(cell.history["seconds"].sum() for cell in of) / 60
    beside = BENCHMARK_MACRO[config.label_set]
    return (
        f"## `{name}`\n\n`{config.model}`, {content['parameters']:,} parameters, "
        f"{config.epochs} epochs of batches of {config.batch_size}, "
        f"augmentation {config.augmentation}"
        f"{f', taught by `{TEACHER}`' if name in TAUGHT else ''}; "
        f"{minutes:.0f} minutes for {len(of)} folds. Temperature {temperature:.3f}.\n\n"
        + table(
            ("records", "n", "macro AUC", "over classes", "macro-F1", "benchmark, fold 10"),
            [
                (who, f"{e['n']:,}", with_range(e["macro_auc"]), len(e["macro_auc"]["over"]),
                 number(e["macro_f1"]), number(beside) if who == "all" else "")
                for who, e in zip(("all", "validated by a human"), sides, strict=True)
            ],
        )
        + "\n"
        + (_classes(sides) if config.label_set == "paper10" else "")
    )  # fmt: skip


def _scores(name: str, of: Sequence[TrialResult], checked: bool = False) -> tuple[Scores, float]:
    """Return what was answered out of fold, at thresholds from it, and its temperature.

    ``checked``: of the records that a human validated alone.
    """
    classes, mode = of[0].content["classes"], of[0].content["target_mode"]
    answers = out_of_fold(name, of)
    fitted = fit_calibration(answers, classes, mode, source=OUT_OF_FOLD)
    answers = with_probabilities(answers, classes, mode, fitted["temperature"])
    rows = answers[answers[VALIDATED] == BY_A_HUMAN] if checked else answers
    return Scores.from_predictions(rows, classes, mode, fitted["thresholds"], name), fitted[
        "temperature"
    ]


def _classes(sides: Sequence[dict]) -> str:
    rows = []
    for code, beside in BENCHMARK.items():
        figures = [
            text
            for e in sides
            for text in (f"{e['classes'][code]['n']:,}", number(e["classes"][code]["auc"]))
        ]
        rows.append((code, *figures, number(sides[0]["classes"][code]["f1"]), number(beside)))
    head = ("class", "n", "AUC", "n validated", "AUC, validated", "F1", "benchmark, fold 10")
    return table(head, rows) + "\n"


def summary(finished: Sequence[TrialResult]) -> str:
    """Return each recipe's macro AUC, once all its folds are there."""
    told = []
    for name in RECIPES:
        of = of_recipe(name, finished)
        if len(of) == len(FOLDS):
            found = evaluate_scores(_scores(name, of)[0])
            auc = found["macro_auc"]
            told.append(
                f"`{name}` {with_range(auc)} over {len(auc['over'])} classes of {found['n']:,} "
                "records"
            )
    return f"Macro AUC out of fold: {'; '.join(told)}." if told else ""


STUDY = Study("shipped", "The shipped networks, out of fold", cells, page, summary=summary)
