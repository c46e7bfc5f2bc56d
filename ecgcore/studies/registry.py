"""Registry of the studies by name."""

from ecgcore.errors import NotFound
from ecgcore.studies import ablation, finetune, levels, rates, scale, shipped
from ecgcore.studies.study import Study

_MODULES = (rates, levels, ablation, finetune, scale, shipped)
STUDIES = {module.STUDY.name: module.STUDY for module in _MODULES}


def find_study(name: str) -> Study:
    """Return the study of that name."""
    if name not in STUDIES:
        raise NotFound.among("study", name, STUDIES)
    return STUDIES[name]
