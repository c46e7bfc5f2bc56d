"""The studies by name."""

from ecgcore.errors import NotFound
from ecgcore.studies import ablation, finetune, levels, rates, scale, shipped
from ecgcore.studies.study import Study

_ALL = (rates, levels, ablation, finetune, scale, shipped)
STUDIES = {study.STUDY.name: study.STUDY for study in _ALL}


def find_study(name: str) -> Study:
    """Return the study of that name, or say which there are."""
    if name not in STUDIES:
        raise NotFound.among("study", name, STUDIES)
    return STUDIES[name]
