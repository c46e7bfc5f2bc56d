"""Study ``shipped``: the networks that come with the product, evaluated out of fold.

A shipped network is trained on all records of its cohort, so that none is left to test it. Instead,
networks of the same recipe, one for each published fold, each answer the fold that they were not
trained on; together they answer every record once. The shipped network's temperature, thresholds,
referral band and figures are those of these answers. The number of epochs belongs to the recipe,
which was selected on fold 4 with networks trained on folds 1 to 3.
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
from ecgcore.studies.trial import TrialConfig, TrialResult

FOLDS = (1, 2, 3, 4, 5)
"""Those of PTB-XL's ten folds on which the shipped networks are trained."""

TEACHER = "resnet1d_scaled"
DISTILLED = ("alexnet_m_se_gap", "alexnet_gap")
"""Networks also trained on the teacher's answers (see ``training.distillation``): out of fold, on
those of its network of the same folds."""


def _strong(model: str, label_set: str = "paper10") -> TrainConfig:
    """Return the recipe ``strong`` of a network (see ``runs.recipes``)."""
    settings = recipe_settings("strong", model)
    return TrainConfig(cohort="", model=model, label_set=label_set, **settings)


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
# predictions of fold 10, grouped into these classes. The fold differs: compare, do not subtract.
BENCHMARK = {
    "NSR": 0.909,
    "STACH": 0.994,
    "SBRAD": 0.946,
    "LBBB": 0.998,
    "RBBB": 0.997,
    "LVH": 0.951,
    "RVH": 0.949,
    "STEMI": 0.855,
    "STD": 0.939,
    "ECT": 0.982,
}
BENCHMARK_MACRO = {"paper10": 0.952, "ptbxl71": 0.925}

HEAD = """\
Each recipe was trained once for each published fold, on all other folds of cohort `{cohort}`, and
answered the fold that it was not trained on: out of fold, every record is answered once, by a
network that was trained neither on it nor on its patient. `ecgcore release` trains the same recipe
on all records; these figures are the best estimate of that network's. Labels are expert statements,
core tier, several a record. Intervals are at 95 %, over patients.

Two things make the figures slightly optimistic: the recipes were selected on fold 4, one of those
answered; and F1 uses thresholds selected on these same answers, which for a class with some sixty
positives is worth a few hundredths. An area under the curve needs no threshold.

The benchmark is xresnet1d101 (Strodthoff et al. 2021, doi:10.1109/JBHI.2020.3022989): its released
predictions of PTB-XL's fold 10, in these classes. The records differ: compare, do not subtract.

"""


def recipe(name: str) -> TrainConfig:
    """Return the configuration of a shipped network, which is trained on all records."""
    if name not in RECIPES:
        raise NotFound.among("shipped network", name, RECIPES)
    return replace(RECIPES[name], split="none", teacher=TEACHER if name in DISTILLED else None)


def trials(cohort: str, _finished: Sequence[TrialResult]) -> list[TrialConfig]:
    """Return a trial for each recipe and fold."""
    return [_trial(cohort, name, fold) for name in RECIPES for fold in FOLDS]


def _trial(cohort: str, name: str, fold: int) -> TrialConfig:
    config = replace(RECIPES[name], cohort=cohort, split=f"fold:{fold}")
    teacher = _trial(cohort, TEACHER, fold) if name in DISTILLED else None
    return TrialConfig(f"{name}-fold{fold}", config, teacher, "teacher")


def trials_of_recipe(name: str, finished: Sequence[TrialResult]) -> list[TrialResult]:
    """Return the trials of a recipe, fold by fold."""
    return [trial for trial in finished if trial.name.startswith(f"{name}-fold")]


def out_of_fold(name: str, finished: Sequence[TrialResult]) -> pd.DataFrame:
    """Return the out-of-fold answers of a recipe's networks, as in ``predictions.parquet``.

    Raises
    ------
    RequestError
        A fold is not finished yet.
    """
    by_name = {trial.name: trial for trial in finished}
    names = [f"{name}-fold{fold}" for fold in FOLDS]
    if missing := [name for name in names if name not in by_name]:
        raise RequestError(f"Not finished yet: {', '.join(missing)}; run `ecgcore study shipped`.")
    answers = pd.concat([by_name[name].predictions for name in names], ignore_index=True)
    first = by_name[names[0]].content
    return with_probabilities(answers, first["classes"], first["target_mode"])


def page(finished: Sequence[TrialResult]) -> str:
    """Return a section for each recipe whose folds are all finished."""
    text = HEAD.format(cohort=finished[0].content["cohort"]["name"])
    for name in RECIPES:
        folds = trials_of_recipe(name, finished)
        if len(folds) == len(FOLDS):
            text += _section(name, folds)
    return text


def _section(name: str, folds: Sequence[TrialResult]) -> str:
    """Return a recipe's description, its macro AUC, and its classes."""
    content, config = folds[0].content, folds[0].config
    scores, temperature = _scores(name, folds)
    validated, _ = _scores(name, folds, validated_only=True)
    evaluations = [evaluate_scores(of_records).as_json() for of_records in (scores, validated)]
    minutes = sum(trial.history["seconds"].sum() for trial in folds) / 60
    benchmark = BENCHMARK_MACRO[config.label_set]
    rows = [
        (
            records,
            f"{e['n']:,}",
            with_range(e["macro_auc"]),
            len(e["macro_auc"]["over"]),
            number(e["macro_f1"]),
            number(benchmark) if records == "all" else "",
        )
        for records, e in zip(("all", "validated by a human"), evaluations, strict=True)
    ]
    head = ("records", "n", "macro AUC", "over classes", "macro-F1", "benchmark, fold 10")
    return (
        f"## `{name}`\n\n`{config.model}`, {content['parameters']:,} parameters, "
        f"{config.epochs} epochs of batches of {config.batch_size}, "
        f"augmentation {config.augmentation}"
        f"{f', distilled from `{TEACHER}`' if name in DISTILLED else ''}; "
        f"{minutes:.0f} minutes for {len(folds)} folds. Temperature {temperature:.3f}.\n\n"
        + table(head, rows)
        + "\n"
        + (_classes_table(evaluations) if config.label_set == "paper10" else "")
    )


def _scores(
    name: str, folds: Sequence[TrialResult], validated_only: bool = False
) -> tuple[Scores, float]:
    """Return the out-of-fold scores with thresholds fitted on them, and their temperature.

    ``validated_only``: of the records that a human validated.
    """
    classes, mode = folds[0].content["classes"], folds[0].content["target_mode"]
    answers = out_of_fold(name, folds)
    fitted = fit_calibration(answers, classes, mode, source=OUT_OF_FOLD)
    temperature = fitted["temperature"]
    answers = with_probabilities(answers, classes, mode, temperature)
    rows = answers[answers[VALIDATED] == BY_A_HUMAN] if validated_only else answers
    return Scores.from_predictions(rows, classes, mode, fitted["thresholds"], name), temperature


def _classes_table(evaluations: Sequence[dict]) -> str:
    rows = []
    for code, benchmark in BENCHMARK.items():
        of_class = [evaluation["classes"][code] for evaluation in evaluations]
        figures = [text for c in of_class for text in (f"{c['n']:,}", number(c["auc"]))]
        rows.append((code, *figures, number(of_class[0]["f1"]), number(benchmark)))
    head = ("class", "n", "AUC", "n validated", "AUC, validated", "F1", "benchmark, fold 10")
    return table(head, rows) + "\n"


def summary(finished: Sequence[TrialResult]) -> str:
    """Return each recipe's macro AUC, once all its folds are finished."""
    texts = []
    for name in RECIPES:
        folds = trials_of_recipe(name, finished)
        if len(folds) == len(FOLDS):
            evaluation = evaluate_scores(_scores(name, folds)[0]).as_json()
            auc = evaluation["macro_auc"]
            texts.append(
                f"`{name}` {with_range(auc)} over {len(auc['over'])} classes of "
                f"{evaluation['n']:,} records"
            )
    return f"Macro AUC out of fold: {'; '.join(texts)}." if texts else ""


STUDY = Study("shipped", "The shipped networks, out of fold", trials, page, summary=summary)
