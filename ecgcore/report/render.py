"""Write a report as one HTML file that loads nothing from elsewhere."""

import base64
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ecgcore.atomic import write_atomic
from ecgcore.errors import RequestError
from ecgcore.report.facts import Facts, gather
from ecgcore.report.figures import FIGURES, svg
from ecgcore.report.sections import sections
from ecgcore.report.statements import title
from ecgcore.runs.run import Run
from ecgcore.version import RESEARCH_USE_ONLY
from ecgcore.workspace import Workspace

_NUMBER = re.compile(r"[−+<]? ?[\d.,]+.*|n/a.*")


def write_report(run_a: Run, run_b: Run, workspace: Workspace, to: Path, part: str = "test") -> int:
    """Write the report of a comparison; return its size in bytes.

    Raises
    ------
    RequestError
        ``to`` does not end in .html, or the runs cannot be compared.
    """
    if to.suffix.lower() not in (".html", ".htm"):
        raise RequestError(f"{to.name} does not end in .html; a report is one HTML file.")
    page = report_page(gather(run_a, run_b, workspace, part))
    write_atomic(to, lambda path: path.write_text(page, encoding="utf-8"))
    return to.stat().st_size


def report_page(facts: Facts) -> str:
    """Return the page: HTML with embedded figures."""
    a, b = facts.sides
    bootstrap = a.evaluation["bootstrap"]
    return _template().render(
        title=title(facts),
        notice=RESEARCH_USE_ONLY,
        finding=facts.finding,
        a=a,
        b=b,
        n=f"{facts.comparison['n_common']:,}",
        patients=f"{facts.comparison['patients']:,}",
        part=facts.part,
        out_of_fold=_out_of_fold(facts),
        interval_words=f"95 %, {bootstrap['form']} bootstrap over patients, "
        f"{bootstrap['resamples']:,} resamples",
        written=facts.written,
        version=facts.version,
        sections=sections(facts),
        figures={name: _base64(svg(draw(facts))) for name, draw in FIGURES.items()},
    )


def _out_of_fold(facts: Facts) -> str:
    """Return in brackets the runs predicted out of fold, empty where there are none."""
    letters = [side.letter for side in facts.sides if side.is_out_of_fold]
    return f" (of {' and '.join(letters)} out of fold)" if letters else ""


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["base64"] = _base64
    environment.tests["figure"] = lambda cell: bool(_NUMBER.fullmatch(str(cell)))
    return environment.get_template("page.html")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
