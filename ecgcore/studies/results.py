"""docs/RESULTS.md: what was run, on what, and which of the papers' claims hold."""

import os
from pathlib import Path

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.atomic import write_atomic
from ecgcore.errors import RequestError
from ecgcore.studies.claims import told
from ecgcore.studies.registry import STUDIES
from ecgcore.studies.study import PAGE, Study
from ecgcore.studies.trial import TrialResult

PAPERS = {
    "rates": "001", "levels": "001", "ablation": "001", "finetune": "002", "scale": "003",
    "shipped": "",
}  # fmt: skip
HEAD = f"""# Results

{RESEARCH_USE_ONLY}

What the three papers claim, tried again on real recordings. Written by `ecgcore study results` from the
finished trainings below `docs/studies/`; each study's page has all figures and says how they were
made. A claim *holds* where the whole 95 % interval of the difference speaks for it, *does not hold*
where it speaks against it, and *is not shown* where the interval includes zero. Each interval is
for its claim alone: of twenty claims with nothing behind them one would seem to hold, or not to.

"""


def write_results(studies: Path, to: Path) -> Path:
    """Write the results of all studies with finished cells, and return the file."""
    text, any_there = HEAD, False
    for name, study in STUDIES.items():
        if finished := study.finished(studies):
            any_there = True
            text += _section(study, finished, studies / name / PAGE, to.parent)
    if not any_there:
        raise RequestError(f"No study has a finished cell in {studies} yet.")
    write_atomic(to, lambda path: path.write_text(text, encoding="utf-8"))
    return to


def _section(study: Study, finished: list[TrialResult], page: Path, beside: Path) -> str:
    asked = len(study.asked(finished))
    paper = f" (paper {PAPERS[study.name]})" if PAPERS[study.name] else ""
    cohorts = sorted({cell.content["cohort"]["name"] for cell in finished})
    hours = sum(cell.history["seconds"].sum() for cell in finished) / 3600
    devices = sorted({cell.content["device"] for cell in finished})
    link = Path(os.path.relpath(page, beside)).as_posix()
    figures = f" [All figures]({link})." if page.exists() else ""
    summary, claims = study.summary(finished), study.claims(finished)
    return (
        f"## {study.title}{paper}\n\n{len(finished):,} of {asked:,} trainings on "
        f"{' and '.join(cohorts)}, {hours:.1f} hours on {' and '.join(devices)}.{figures}\n\n"
        + (f"{summary}\n\n" if summary else "")
        + (f"{told(claims)}\n" if claims else "")
    )
