"""Checklist of a report: items of TRIPOD+AI and CLAIM, and how far this report answers each.

checklist.csv gives the section and the best state an item can have. ``needs`` names what the
report must hold for that state: where it does not hold it, an answered item falls to "partly" if
``missing`` says what the author adds, and any other to "for the author".
"""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ecgcore.report.facts import Facts
from ecgcore.runs.run import SHIPPED

_TABLE = Path(__file__).with_name("checklist.csv")
ANSWERED, PARTLY, BY_AUTHOR = "answered", "partly", "for the author"

_CONDITIONS: dict[str, Callable[[Facts], bool]] = {
    "": lambda facts: True,
    "sources": lambda facts: not facts.unknown_sources,
    "dates": lambda facts: (
        not facts.unknown_sources and all(source.dates for source in facts.data_sources)
    ),
    "subgroups": lambda facts: all(side.utility["subgroups"] for side in facts.sides),
    "cohort": lambda facts: facts.cohort is not None,
    "ecgs": lambda facts: facts.cohort is not None,
    "out_of_fold": lambda facts: all(side.is_out_of_fold for side in facts.sides),
    "released": lambda facts: all(side.run.folder.parent == SHIPPED for side in facts.sides),
    "calibrated": lambda facts: all(
        side.run.calibration["temperature"] is not None for side in facts.sides
    ),
    "external": lambda facts: all(side.external for side in facts.sides),
}


class Item(NamedTuple):
    """An item of a guideline, and how this report answers it."""

    name: str
    topic: str
    state: str
    where: str


def checklist(facts: Facts, titles: Mapping[str, str]) -> list[Item]:
    """Return the items of both guidelines; ``titles`` are the sections' by id."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return [_item(row, facts, titles) for row in csv.DictReader(file)]


def _item(row: Mapping[str, str], facts: Facts, titles: Mapping[str, str]) -> Item:
    name, section = f"{row['guideline']} {row['item']}", titles.get(row["section"], "")
    holds = bool(section) and _CONDITIONS[row["needs"]](facts)
    if row["state"] == ANSWERED and holds:
        return Item(name, row["topic"], ANSWERED, section)
    if row["missing"] and (holds or row["state"] == ANSWERED):
        return Item(name, row["topic"], PARTLY, f"{section}; the author adds: {row['missing']}")
    return Item(name, row["topic"], BY_AUTHOR, "")
