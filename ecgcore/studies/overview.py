"""Overview of the studies: question, progress, outcome, and one score per training."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecgcore import resources
from ecgcore.evaluation.metrics import averages, per_class_metrics
from ecgcore.studies.registry import STUDIES
from ecgcore.studies.study import PAGE, Study
from ecgcore.studies.trial import TrialResult

STUDIES_FOLDER = resources.STUDIES
"""Folder of the product's own studies."""
RESULTS = "RESULTS.md"
PARTS = ("holdout", "test")


_PICTURE = re.compile(r"^!\[(.*)\]\((.*)\)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True)
class StudyOverview:
    """A study with its outcome, its page, and the number of its finished trainings.

    ``outcome`` is Markdown from the results page, or empty. ``page`` alternates between text and
    pictures, each a caption with its SVG.
    """

    name: str
    title: str
    outcome: str
    page: tuple[str | tuple[str, str], ...]
    finished: int
    requested: int


def study_overviews(folder: Path = STUDIES_FOLDER) -> list[StudyOverview]:
    """Return the studies with finished trainings.

    Raises
    ------
    RequestError
        Trials of a study do not belong together.
    """
    overviews = []
    for name, study in STUDIES.items():
        trials = study.finished(folder)
        if not trials:
            continue
        n_requested = len(study.requested(trials))
        page = _split_at_pictures(_page_text(folder / name), folder / name)
        outcome = _outcome(study.title, folder.parent / RESULTS)
        overviews.append(StudyOverview(name, study.title, outcome, page, len(trials), n_requested))
    return overviews


def _outcome(title: str, results: Path) -> str:
    """Return a study's section of the results page, without its first line."""
    text = results.read_text("utf-8") if results.exists() else ""
    section = text.partition(f"\n## {title}")[2].partition("\n## ")[0]
    return section.partition("\n\n")[2].partition("\n\n")[2].strip()


def _page_text(folder: Path) -> str:
    """Return a study's page, or how to write it."""
    file = folder / PAGE
    if file.exists():
        return file.read_text("utf-8")
    return f"\nIts page is not written yet; run `ecgcore study {folder.name} --no-train`."


def _split_at_pictures(text: str, folder: Path) -> tuple[str | tuple[str, str], ...]:
    """Return a page without its title, split at its pictures; links become plain text."""
    body = _LINK.sub(
        lambda link: link[0] if _is_picture(link) else link[1], text.partition("\n")[2]
    )
    parts = _PICTURE.split(body)
    page: list[str | tuple[str, str]] = [parts[0]]
    for caption, file, text_after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        page += [(caption, (folder / file).read_text("utf-8")), text_after]
    return tuple(page)


def _is_picture(link: re.Match) -> bool:
    return link.string[max(0, link.start() - 1) : link.start()] == "!"


def trial_scores(name: str, folder: Path = STUDIES_FOLDER) -> pd.DataFrame:
    """Return one row for each finished training: ``group``, ``trial``, ``part``, ``macro_auc``.

    In the order in which they are requested. ``group`` is the trial's name without seed or fold.
    ``part`` is the holdout fold where there is one, else the test records, or ``validation`` in a
    study that scores neither.
    """
    study = STUDIES[name]
    finished = study.finished(folder)
    by_name = {trial.name: trial for trial in finished}
    trials = [by_name[t.name] for t in study.requested(finished) if t.name in by_name]
    rows = [(t.name.rpartition("-")[0], t.name, *_auc(t, study)) for t in trials]
    return pd.DataFrame(rows, columns=["group", "trial", "part", "macro_auc"])


def _auc(trial: TrialResult, study: Study) -> tuple[str, float | None]:
    if not study.scored:
        return "validation", study.validated(trial)
    part = next(p for p in PARTS if p in trial.content["split"]["records"])
    return part, macro_auc(trial, part)


def macro_auc(trial: TrialResult, part: str) -> float | None:
    """Return the mean AUC over the classes that have positives."""
    scores = trial.scores(part)
    classes = per_class_metrics(scores)
    return averages(classes)["macro"]["auc"]
