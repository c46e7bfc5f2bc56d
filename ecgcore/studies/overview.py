"""The studies at a glance: what each asks, how much of it is done, and a figure a training."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecgcore.evaluation.metrics import averages, class_metrics
from ecgcore.studies.cell import Finished
from ecgcore.studies.registry import STUDIES
from ecgcore.studies.study import PAGE

KEPT = Path(__file__).resolve().parents[2] / "docs" / "studies"
"""Where the finished cells of the product's own studies are kept."""
PARTS = ("untouched", "test")


_PICTURE = re.compile(r"^!\[(.*)\]\((.*)\)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True)
class State:
    """A study, its page, and how many of its trainings are finished.

    ``page`` is text, then what a picture shows and its SVG, then text again, and so on.
    """

    name: str
    title: str
    page: tuple[str | tuple[str, str], ...]
    finished: int
    asked: int


def states(folder: Path = KEPT) -> list[State]:
    """Return the studies of which something is finished."""
    found = []
    for name, study in STUDIES.items():
        cells = study.finished(folder)
        if not cells:
            continue
        asked = len(study.cells(cells[0].config.cohort, cells))
        page = _pieces((folder / name / PAGE).read_text("utf-8"), folder / name)
        found.append(State(name, study.title, page, len(cells), asked))
    return found


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

    ``group`` is the cell's name without seed or fold. ``part`` is the untouched fold where there is
    one, else the test records; ``validation`` (the last epoch) where none was looked at.
    """
    study = STUDIES[name]
    rows = [(_group(c.name), c.name, *_auc(c, study.scored)) for c in study.finished(folder)]
    return pd.DataFrame(rows, columns=["group", "cell", "part", "macro_auc"])


def _group(cell: str) -> str:
    return cell.rpartition("-")[0]


def _auc(cell: Finished, scored: bool) -> tuple[str, float | None]:
    if not scored:
        return "validation", cell.history["val_macro_auc"].iloc[-1]
    part = next(p for p in PARTS if p in cell.content["split"]["records"])
    return part, macro_auc(cell, part)


def macro_auc(cell: Finished, part: str) -> float | None:
    """Return the mean AUC over the classes that have positives."""
    scores = cell.scores(part)
    classes = {code: class_metrics(scores, i) for i, code in enumerate(scores.classes)}
    return averages(classes)["macro"]["auc"]
