"""Coverage that referral reaches: asked, and reached on records of five kinds.

    ecgcore ingest data/ptb-xl --cohort ptbxl --home HOME
    ecgcore ingest FOLDER_OF_OTHER_SOURCES --cohort others --home HOME
    python benchmarks/refer.py resnet1d_scaled alexnet_m_se_gap --home HOME \\
        --cohort ptbxl --cohort others

Writes docs/referral.md. Each network's own out-of-fold answers are cross-fitted by patient:
thresholds and band of each fifth of the patients come from the other four. Of a cohort all labelled
records are answered that the network was not trained on, at its stored thresholds and band. Where
it was trained on all of them, each published fold is left out of everything in turn.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.calibration.calibration import FITTED_ON, OUT_OF_FOLD, with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.evaluation.evaluate import run_scores
from ecgcore.evaluation.external import evaluate_cohort
from ecgcore.evaluation.fit_calibration import fit_calibration
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.referral_coverage import referral_section
from ecgcore.evaluation.subgroups import run_traits
from ecgcore.evaluation.text import share_text
from ecgcore.inference.model import Classifier, load_model
from ecgcore.inference.predict import row_predictor
from ecgcore.runs.provenance import training_sources
from ecgcore.runs.run import Run
from ecgcore.workspace import Workspace

PAGE = Path("docs/referral.md")
TRAITS = ("records", "validated", "age", "source")
"""Traits by which coverage is listed; a source only where a cohort has several."""
RESAMPLES = 200
"""Resamples of patients: enough for a standard error."""
HEADS = ("records", "n", "no certain class wrong", "answered", "every class right, of those")
INTRO = """\
# Referral: asked and reached

"Uncertain: refer" ([evaluation.md](evaluation.md#referral)) aims at no wrong certain class in 80 %
of records. That share is reached among records like those that fitted the band. It is no promise:
it is lower among the oldest, and far lower in other hospitals' recordings. Therefore the dashboard
states a share only for recordings of a source that the network was trained on.

Made by `{command}`. Intervals are at 95 %, over patients. *Answered*: not referred. A certain class
is one outside its band, above or below its threshold.

"""


def section(classifier: Classifier, cohorts: list[str], workspace: Workspace) -> str:
    """Return the tables of one network."""
    run, band = classifier.run, classifier.refer
    if band is None:
        return f"## `{run.id}`\n\nThis network has no referral band.\n\n"
    own = referral_section(
        run_scores(run), run.calibration, run_traits(run, "test", None), RESAMPLES
    )
    sources = ", ".join(sorted(training_sources(run)))
    parts = [
        f"## `{run.id}`\n\nTrained on {sources}; band fitted on {band['n']:,} {band.get('of')}, "
        f"asked {1 - band['alpha']:g}.\n",
        f"**Out of fold**, cross-fitted by patient:\n\n{table(HEADS, rows(own))}",
        *(cohort_table(classifier, name, workspace) for name in cohorts),
    ]
    return "\n".join(parts) + "\n"


def cohort_table(classifier: Classifier, name: str, workspace: Workspace) -> str:
    """Return the table of one cohort's records that the network was not trained on."""
    cohort = Cohort.open(name, workspace)
    try:
        found = evaluate_cohort(
            classifier.run, cohort, row_predictor(classifier), workspace, resamples=RESAMPLES
        ).as_json()
    except RequestError:  # it was trained on all of them: each fold is left out in turn instead
        return folds_table(classifier.run, cohort)
    sources = ", ".join(f"{source} {n:,}" for source, n in found["cohort"]["sources"].items())
    folds = "" if len(found["cohort"]["sources"]) > 1 else " left out of everything"
    return f"**Cohort {name}**{folds} ({sources}):\n\n{table(HEADS, rows(found['refer']))}"


def folds_table(run: Run, cohort: Cohort) -> str:
    """Return the table of each published fold, judged by what the other folds' answers fitted."""
    fold_of = cohort.index.set_index("record")["fold"]
    answers = run.predictions
    fold, parts = answers["record"].map(fold_of), []
    classes, mode = run.meta["classes"], run.meta["target_mode"]
    for number in sorted(fold.dropna().unique()):
        others, own = answers[fold != number], answers[fold == number]
        fitted = fit_calibration(others, classes, mode, source=OUT_OF_FOLD)
        table_of_fold = with_probabilities(own, classes, mode, fitted["temperature"])
        scores = Scores.from_predictions(table_of_fold, classes, mode, fitted["thresholds"])
        judged = referral_section(scores, fitted | {"from": FITTED_ON}, own, RESAMPLES)
        parts += [(f"fold {number:g}, {label}", *cells) for label, *cells in rows(judged)]
    shown = [row for row in parts if row[0].endswith((", all", "by a human"))]
    return (
        f"**Folds of cohort {run.meta['cohort']['name']}, each left out of everything**: its "
        "network was not trained on it, and temperature, thresholds and band come from the other "
        f"folds' answers:\n\n{table(HEADS, shown)}"
    )


def rows(refer: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each group of records."""
    for trait in TRAITS:
        groups = refer["groups"].get(trait, {})
        if trait == "source" and len(groups) < 2:
            continue
        for name, group in groups.items():
            label = {"records": "all", "validated": f"validated: {name}"}.get(trait, name)
            few = " (few)" if group["few"] else ""
            covered, right = (share_text(group[key]) for key in ("covered", "right_answered"))
            yield label + few, f"{group['n']:,}", covered, f"{group['answered']:.2f}", right


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="+", help="runs or shipped models")
    parser.add_argument("--home", type=Path, help="workspace with the cohorts")
    parser.add_argument("--cohort", action="append", default=[], help="cohort; repeatable")
    parser.add_argument("--to", type=Path, default=PAGE)
    args = parser.parse_args()
    workspace = Workspace.find(args.home)
    cohorts = "".join(f" --cohort {name}" for name in args.cohort)
    command = f"python benchmarks/refer.py {' '.join(args.networks)} --home HOME{cohorts}"
    text = INTRO.format(command=command)
    for name in args.networks:
        text += section(load_model(name, workspace), args.cohort, workspace)
    args.to.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(f"{args.to} written. {RESEARCH_USE_ONLY}")


if __name__ == "__main__":
    main()
