"""The studies by name."""

from ecgcore.errors import NotFound
from ecgcore.studies import levels, rates, shipped
from ecgcore.studies.study import Study

STUDIES = {study.name: study for study in (rates.STUDY, levels.STUDY, shipped.STUDY)}


def find_study(name: str) -> Study:
    """Return the study of that name, or say which there are."""
    if name not in STUDIES:
        raise NotFound.among("study", name, STUDIES)
    return STUDIES[name]
