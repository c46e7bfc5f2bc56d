"""Study ``shipped``: the networks that come with the product, evaluated out of fold.

A shipped network is trained on all records of its cohort, so that none is left to test it. Instead,
networks of the same recipe, one for each two published folds, each answer the folds that they were
not trained on; together they answer every record once. The shipped network's temperature,
thresholds, referral band and figures are those of these answers. The recipe was chosen on fold 7
with networks trained on folds 1 to 3 (docs/studies/ideas).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ecgcore.calibration.calibration import OUT_OF_FOLD, with_probabilities
from ecgcore.calibration.cross_fitting import cross_fitted
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import ThresholdRule
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.card_figures import macro_auc_without
from ecgcore.evaluation.evaluate import evaluate_scores
from ecgcore.evaluation.fit_calibration import fit_calibration
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.ranked_classes import PPV_FLOOR
from ecgcore.evaluation.subgroups import BY_A_HUMAN, VALIDATED
from ecgcore.evaluation.text import number, with_range
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.recipes import recipe_settings
from ecgcore.studies.study import Study
from ecgcore.studies.trial import TrialConfig, TrialResult

FOLDS = ("1+2", "3+4", "5+6", "7+8")
"""Those of PTB-XL's ten folds on which the shipped networks are trained, as they are left out."""

TEACHER = "resnet1d_scaled"
DISTILLED = ("alexnet_m_se_gap", "alexnet_gap")
"""Networks also trained on the teacher's answers (see ``training.distillation``): out of fold, on
those of its network of the same folds."""


def _steady(model: str, label_set: str = "paper10") -> TrainConfig:
    """Return the recipe ``steady`` of a network (see ``runs.recipes``)."""
    settings = recipe_settings("steady", model)
    return TrainConfig(cohort="", model=model, label_set=label_set, **settings)


RECIPES = {
    "resnet1d_scaled": _steady("resnet1d_scaled"),
    "resnet1d_ptbxl71": _steady("resnet1d_scaled", label_set="ptbxl71"),
    "alexnet_m_se_gap": _steady("alexnet_m_se_gap"),
    "alexnet_gap": _steady("alexnet_gap"),
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
BENCHMARK_MACRO = {"paper10": ("0.952", 10, "0.965"), "ptbxl71": ("0.925", 71, "")}
"""Its macro AUC, over how many classes, and without STEMI and RVH."""

HEAD = """\
Each recipe was trained once for each two published folds, on all other folds of cohort `{cohort}`,
and answered the folds that it was not trained on: out of fold, every record is answered once, by a
network that was trained neither on it nor on its patient. `ecgcore release` trains the same recipe
on all records; these figures are the best estimate of that network's. Labels are expert statements,
core tier, several a record. Intervals are at 95 %, over patients.

Macro-F1, and F1 of a class, are at thresholds that other patients' records chose (five parts), with
at least a quarter of the calls right where that can be reached. The recipe was chosen on fold 7,
with networks trained on folds 1 to 3 ([ideas](../ideas/README.md)): fold 7 is one of eight here.

The benchmark is xresnet1d101 (Strodthoff et al. 2021, doi:10.1109/JBHI.2020.3022989): its released
predictions of PTB-XL's fold 10, in these classes, every record validated by a human. The records
differ, and its figures of STEMI and LVH count infarctions of unknown stadium and voltage criteria
as absent, which are unknown here ([labels](../../labels.md)): compare, do not subtract.

A network that is not listed here was released earlier: its card has its figures.

"""
RULE = ThresholdRule(least_ppv=PPV_FLOOR)
"""Thresholds of a shipped network: the best F1 at which a quarter of a class's calls are right."""
RARE = ("STEMI", "RVH")
"""Classes of fewer than 1 % of the records, on which a macro mean of ten hangs."""


def recipe(name: str) -> TrainConfig:
    """Return the configuration of a shipped network, which is trained on all records."""
    if name not in RECIPES:
        raise NotFound.among("shipped network", name, RECIPES)
    return replace(RECIPES[name], split="none", teacher=TEACHER if name in DISTILLED else None)


def trials(cohort: str, _finished: Sequence[TrialResult]) -> list[TrialConfig]:
    """Return a trial for each recipe and fold."""
    return [_trial(cohort, name, fold) for name in RECIPES for fold in FOLDS]


def _trial(cohort: str, name: str, fold: str) -> TrialConfig:
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
    scores, validated, temperature = _scores(name, folds)
    sets = {"validated by a human": validated, "all": scores}
    evaluations = {name: evaluate_scores(of_records).as_json() for name, of_records in sets.items()}
    minutes = sum(trial.history["seconds"].sum() for trial in folds) / 60
    benchmark = BENCHMARK_MACRO[config.label_set]
    rows = [
        (
            records,
            f"{e['n']:,}",
            with_range(e["macro_auc"]),
            len(e["macro_auc"]["over"]),
            _without_rare(sets[records]),
            with_range(e["intervals"]["macro_f1"]),
        )
        for records, e in evaluations.items()
    ]
    rows.append(("benchmark, fold 10", "2,198", *benchmark, ""))
    head = ("records", "n", "macro AUC", "over classes", "without STEMI, RVH", "macro-F1")
    return (
        f"## `{name}`\n\n`{config.model}`, {content['parameters']:,} parameters, "
        f"{config.epochs} epochs of batches of {config.batch_size}, "
        f"augmentation {config.augmentation}"
        f"{f', distilled from `{TEACHER}`' if name in DISTILLED else ''}; "
        f"{minutes:.0f} minutes for {len(folds)} groups of folds. "
        f"Temperature {temperature:.3f}.\n\n"
        + table(head, rows)
        + "\n"
        + (_classes_table(list(evaluations.values())) if config.label_set == "paper10" else "")
    )


def _without_rare(scores: Scores) -> str:
    """Return the macro AUC without RARE, with its interval; empty for other label sets."""
    if not set(RARE) <= set(scores.classes):
        return ""
    common = macro_auc_without(scores, RARE)
    return "" if common is None else with_range(common)


def _scores(name: str, folds: Sequence[TrialResult]) -> tuple[Scores, Scores, float]:
    """Return the out-of-fold scores at cross-fitted thresholds, and their temperature.

    First those of all records, then those of the records that a human validated.
    """
    classes, mode = folds[0].content["classes"], folds[0].content["target_mode"]
    answers = out_of_fold(name, folds)
    temperature = fit_calibration(answers, classes, mode, RULE, source=OUT_OF_FOLD)["temperature"]
    answers = with_probabilities(answers, classes, mode, temperature)
    scores = cross_fitted(Scores.from_predictions(answers, classes, mode, run=name), RULE)
    by_human = answers.loc[answers[VALIDATED] == BY_A_HUMAN, "record"].to_numpy(str)
    return scores, scores.take(np.isin(scores.record, by_human)), temperature


def _classes_table(evaluations: Sequence[dict]) -> str:
    rows = []
    for code, benchmark in BENCHMARK.items():
        of_class = [evaluation["classes"][code] for evaluation in evaluations]
        figures = [
            text
            for c in of_class
            for text in (f"{c['n']:,}", with_range(c["intervals"]["auc"]), number(c["f1"]))
        ]
        rows.append((code, *figures, number(benchmark)))
    head = ("class", "validated", "AUC", "F1", "all", "AUC", "F1", "benchmark's AUC, fold 10")
    return table(head, rows) + "\n"


def summary(finished: Sequence[TrialResult]) -> str:
    """Return each recipe's macro AUC, once all its folds are finished."""
    texts = []
    for name in RECIPES:
        folds = trials_of_recipe(name, finished)
        if len(folds) == len(FOLDS):
            evaluation = evaluate_scores(_scores(name, folds)[1]).as_json()
            auc = evaluation["macro_auc"]
            texts.append(
                f"`{name}` {with_range(auc)} over {len(auc['over'])} classes of "
                f"{evaluation['n']:,} validated records"
            )
    return f"Macro AUC out of fold: {'; '.join(texts)}." if texts else ""


STUDY = Study("shipped", "The shipped networks, out of fold", trials, page, summary=summary)
