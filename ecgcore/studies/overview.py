"""The studies at a glance: what each asks, how much of it is done, and a figure a training."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecgcore import resources
from ecgcore.evaluation.metrics import averages, class_metrics
from ecgcore.studies.registry import STUDIES
from ecgcore.studies.study import PAGE, Study
from ecgcore.studies.trial import TrialResult

KEPT = resources.STUDIES
"""Where the finished cells of the product's own studies are kept."""
RESULTS = "RESULTS.md"
PARTS = ("untouched", "test")


_PICTURE = re.compile(r"^!\[(.*)\]\((.*)\)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True)
class State:
    """A study, what came out, its page, and how many of its trainings are finished.

    ``came_out`` is Markdown from the results, empty where they do not tell of it. ``page`` is text,
    then what a picture shows and its SVG, then text again, and so on.
    """

    name: str
    title: str
    came_out: str
    page: tuple[str | tuple[str, str], ...]
    finished: int
    asked: int


def states(folder: Path = KEPT) -> list[State]:
    """Return the studies of which something is finished.

    Raises
    ------
    RequestError
        Cells of a study do not belong together.
    """
    found = []
    for name, study in STUDIES.items():
        cells = study.finished(folder)
        if not cells:
            continue
        asked = len(study.asked(cells))
        page = _pieces(_page_of(folder / name), folder / name)
        told = _came_out(study.title, folder.parent / RESULTS)
        found.append(State(name, study.title, told, page, len(cells), asked))
    return found


def _came_out(title: str, results: Path) -> str:
    """Return what the results say of a study, without the line on what was run."""
    text = results.read_text("utf-8") if results.exists() else ""
    section = text.partition(f"\n## {title}")[2].partition("\n## ")[0]
    return section.partition("\n\n")[2].partition("\n\n")[2].strip()


def _page_of(folder: Path) -> str:
    """Return a study's page; until it is written, how that is done."""
    file = folder / PAGE
    if file.exists():
        return file.read_text("utf-8")
    return f"\nIts page is not written yet: `ecgcore study {folder.name} --no-train` does it."


def _pieces(text: str, folder: Path) -> tuple[str | tuple[str, str], ...]:
    """Return a page without its title, cut at its pictures; links become their words."""
    body = _LINK.sub(
        lambda link: link[0] if _is_picture(link) else link[1], text.partition("\n")[2]
    )
    told = _PICTURE.split(body)
    found: list[str | tuple[str, str]] = [told[0]]
    for words, file, after in zip(told[1::3], told[2::3], told[3::3], strict=True):
        found += [(words, (folder / file).read_text("utf-8")), after]
    return tuple(found)


def _is_picture(link: re.Match) -> bool:
    return link.string[max(0, link.start() - 1) : link.start()] == "!"


def points(name: str, folder: Path = KEPT) -> pd.DataFrame:
    """Return a row a finished training: ``group``, ``cell``, ``part`` and its ``macro_auc``.

    In the order in which they are asked for. ``group`` is the cell's name without seed or fold.
    ``part`` is the untouched fold where there is one, else the test records; ``validation`` where
    none was looked at.
    """
    study = STUDIES[name]
    finished = study.finished(folder)
    there = {cell.name: cell for cell in finished}
    cells = [there[cell.name] for cell in study.asked(finished) if cell.name in there]
    rows = [(_group(c.name), c.name, *_auc(c, study)) for c in cells]
    return pd.DataFrame(rows, columns=["group", "cell", "part", "macro_auc"])


def _group(cell: str) -> str:
    return cell.rpartition("-")[0]


def _auc(cell: TrialResult, study: Study) -> tuple[str, float | None]:
    if not study.scored:
        return "validation", study.validated(cell)
    part = next(p for p in PARTS if p in cell.content["split"]["records"])
    return part, macro_auc(cell, part)


def macro_auc(cell: TrialResult, part: str) -> float | None:
    """Return the mean AUC over the classes that have positives."""
    scores = cell.scores(part)
    classes = {code: class_metrics(scores, i) for i, code in enumerate(scores.classes)}
    return averages(classes)["macro"]["auc"]
