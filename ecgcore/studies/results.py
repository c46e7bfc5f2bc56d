"""Results page docs/RESULTS.md: the studies, their cohorts, and the verdicts on their claims."""

import os
from pathlib import Path

from ecgcore.atomic import write_atomic
from ecgcore.errors import RequestError
from ecgcore.studies.claims import claims_text
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
HEAD = f"""# Results

{RESEARCH_USE_ONLY}

The claims of the three papers, tested again on real recordings. Written by `ecgcore study results`
from the finished trainings in `docs/studies/`; each study's page has all figures and describes how
they were obtained. A claim *holds* if the whole 95 % interval of the difference supports it, *does
not hold* if the whole interval contradicts it, and *is not shown* if the interval includes zero.
Each interval is for its claim alone: of twenty claims without any effect, one would be expected to
appear to hold, or not to hold, by chance.

"""


def write_results(studies: Path, to: Path) -> Path:
    """Write the results of all studies with finished trials, and return the path."""
    sections = []
    for name, study in STUDIES.items():
        if finished := study.finished(studies):
            sections.append(_section(study, finished, studies / name / PAGE, to.parent))
    if not sections:
        raise RequestError(f"No study has a finished trial in {studies} yet.")
    text = HEAD + "".join(sections)
    write_atomic(to, lambda path: path.write_text(text, encoding="utf-8"))
    return to


def _section(study: Study, finished: list[TrialResult], page: Path, folder: Path) -> str:
    n_requested = len(study.requested(finished))
    paper = f" (paper {PAPERS[study.name]})" if PAPERS[study.name] else ""
    cohorts = sorted({trial.content["cohort"]["name"] for trial in finished})
    hours = sum(trial.history["seconds"].sum() for trial in finished) / 3600
    devices = sorted({trial.content["device"] for trial in finished})
    link = Path(os.path.relpath(page, folder)).as_posix()
    figures = f" [All figures]({link})." if page.exists() else ""
    summary, claims = study.summary(finished), study.claims(finished)
    return (
        f"## {study.title}{paper}\n\n{len(finished):,} of {n_requested:,} trainings on "
        f"{' and '.join(cohorts)}, {hours:.1f} hours on {' and '.join(devices)}.{figures}\n\n"
        + (f"{summary}\n\n" if summary else "")
        + (f"{claims_text(claims)}\n" if claims else "")
    )
