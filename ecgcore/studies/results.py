"""Results page docs/RESULTS.md: the studies, their cohorts, and the verdicts on their claims."""

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from ecgcore.atomic import write_atomic
from ecgcore.errors import RequestError
from ecgcore.studies.claims import Claim, claims_text, with_holm
from ecgcore.studies.registry import STUDIES
from ecgcore.studies.study import PAGE, Study
from ecgcore.studies.trial import TrialResult
from ecgcore.version import RESEARCH_USE_ONLY

PAPERS = {
    "rates": "001",
    "levels": "001",
    "ablation": "001",
    "finetune": "002",
    "scale": "003",
    "shipped": "",
}
PAPER_DATA = {"001": "Chapman–Ningbo"}
"""Data that a paper names as its own, where it names one."""
HEAD = f"""# Results

{RESEARCH_USE_ONLY}

The claims of the three papers, tested again on real recordings. Written by `ecgcore study results`
from the finished trainings in `docs/studies/`; each study's page has all figures and describes how
they were obtained. Each paper has one **primary** claim. A claim *holds*, or *does not hold*, only
if its p survives Holm's correction for all claims of its paper here (p < 0.05), by the sign of the
difference; otherwise it *is not shown*. Intervals are at 95 %, each for its claim alone.

**These are not the papers' data.** Paper 001 was trained on Chapman–Ningbo; the trainings here are
on the cohorts that each section names, and `ptbxl` is PTB-XL. `ecgcore study levels --cohort OTHER`
runs the same on another cohort.

"""


def write_results(studies: Path, to: Path) -> Path:
    """Write the results of all studies with finished trials, and return the path."""
    finished = {name: study.finished(studies) for name, study in STUDIES.items()}
    finished = {name: trials for name, trials in finished.items() if trials}
    if not finished:
        raise RequestError(f"No study has a finished trial in {studies} yet.")
    claims = _corrected_claims(finished)
    sections = [
        _section(STUDIES[name], trials, claims[name], studies / name / PAGE, to.parent)
        for name, trials in finished.items()
    ]
    text = HEAD + "".join(sections)
    write_atomic(to, lambda path: path.write_text(text, encoding="utf-8"))
    return to


def _corrected_claims(finished: Mapping[str, list[TrialResult]]) -> dict[str, list[Claim]]:
    """Return the claims by study, their p corrected for all claims of the same paper."""
    claims = {name: list(STUDIES[name].claims(trials)) for name, trials in finished.items()}
    for paper in sorted(set(PAPERS.values())):
        names = [name for name in claims if PAPERS[name] == paper]
        corrected = iter(with_holm([claim for name in names for claim in claims[name]]))
        for name in names:
            claims[name] = list(islice(corrected, len(claims[name])))
    return claims


def _section(
    study: Study, finished: list[TrialResult], claims: list[Claim], page: Path, folder: Path
) -> str:
    n_requested = len(study.requested(finished))
    paper = f" (paper {PAPERS[study.name]})" if PAPERS[study.name] else ""
    cohorts = sorted({trial.content["cohort"]["name"] for trial in finished})
    hours = sum(trial.history["seconds"].sum() for trial in finished) / 3600
    devices = sorted({trial.content["device"] for trial in finished})
    link = Path(os.path.relpath(page, folder)).as_posix()
    figures = f" [All figures]({link})." if page.exists() else ""
    summary = study.summary(finished)
    own_data = PAPER_DATA.get(PAPERS[study.name])
    elsewhere = f" The paper's own data are {own_data}." if own_data else ""
    return (
        f"## {study.title}{paper}\n\n{len(finished):,} of {n_requested:,} trainings on "
        f"{' and '.join(cohorts)}, {hours:.1f} hours on {' and '.join(devices)}."
        f"{elsewhere}{figures}\n\n"
        + (f"{summary}\n\n" if summary else "")
        + (f"{claims_text(claims)}\n" if claims else "")
    )
