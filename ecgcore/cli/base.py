"""What all commands share: the application, its options, and how answers are shown.

Answers go to stdout (with ``--json``, one object on the last line), progress and errors to stderr.
Exit code 0: done; 1: the work failed; 2: the request was wrong.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ecgcore import RESEARCH_USE_ONLY, __version__
from ecgcore.errors import EcgError, RequestError

app = typer.Typer(
    help=f"Clinical-research workplace for 12-lead ECGs. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs_app = typer.Typer(help="List, show, resume and cancel trainings.", no_args_is_help=True)
bench_app = typer.Typer(help="Measure how fast this machine is.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")
app.add_typer(bench_app, name="bench")

# A pipe has no width: nothing is cut there.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False)

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of cohorts and runs. Default: $ECGCORE_HOME or ./workspace."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout's last line.")]
RunOption = Annotated[
    str, typer.Option("--run", help="A run's id, a run's folder, or a shipped model's name.")
]
PartOption = Annotated[
    str, typer.Option(help="Which records: validation, test or untouched (where there are any).")
]
FileHzOption = Annotated[
    float | None,
    typer.Option(min=50, max=40_000, help="Rate in Hz of files that do not say theirs."),
]
AssumeOrderOption = Annotated[
    bool,
    typer.Option(
        "--assume-order", help="Take twelve unnamed leads for I, II, III, aVR, aVL, aVF, V1-V6."
    ),
]
FromOption = Annotated[
    float, typer.Option("--from-s", min=0, help="Second of each recording to begin at.")
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a core.")]
OnOption = Annotated[
    str, typer.Option("--on", help="Where to work: local, ray or ray://HOST:PORT.")
]


def main() -> None:
    """Run the command line; a known error is one line on stderr and an exit code."""
    try:
        app()
    except EcgError as error:
        err.print(f"{error}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("Stopped.")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)


def say_json(answer: Any) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False), flush=True)


def say_answers(
    answers: Iterable[dict[str, Any]],
    line: Callable[[dict[str, Any]], str],
    as_json: bool,
    paths: list[str],
    below: str,
) -> None:
    """Print one line a record as they come; exit 2 where there is none, or none could be read.

    Parameters
    ----------
    line
        What people read of an answer.
    paths
        Where records were looked for.
    below
        What stands below for people.
    """
    asked = answered = 0
    for answer in answers:
        asked += 1
        answered += answer["error"] is None
        if as_json:
            say_json(answer)
        else:
            out.print(line(answer), markup=False)
    if not asked:
        raise RequestError(f"No ECG record in {', '.join(paths)}.")
    if not as_json:
        err.print(below)
    if not answered:
        raise typer.Exit(RequestError.exit_code)


def bar() -> Progress:
    """Return a progress bar on stderr that leaves nothing behind."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True)


def table(*heads: str) -> Table:
    """Return a plain table; heads that end in '>' are right-aligned numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        justify: Literal["left", "right"] = "right" if head.endswith(">") else "left"
        made.add_column(head.rstrip(">"), justify=justify, overflow="fold")
    return made


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Read, label, draw, train, compare and explain 12-lead ECGs."""
    if show:
        out.print(__version__)
        raise typer.Exit
