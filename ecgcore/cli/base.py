"""Application, shared options and output of all commands.

Answers go to stdout (with ``--json``, one object on the last line), progress and errors to stderr.
Exit code 0: success; 1: the work failed; 2: the request was wrong.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from ecgcore.cli.deprecated import translate
from ecgcore.errors import EcgError, RequestError
from ecgcore.version import RESEARCH_USE_ONLY, __version__

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from ecgcore.workspace import Damaged

app = typer.Typer(
    help=f"Clinical-research workplace for 12-lead ECGs. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs_app = typer.Typer(help="List, show, resume and cancel training runs.", no_args_is_help=True)
bench_app = typer.Typer(help="Measure how fast this machine is.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")
app.add_typer(bench_app, name="bench")

_UsageError: Any = typer.BadParameter.__mro__[1]
"""Base of Typer's errors about words of the command line, which it does not export."""

# A pipe has no width, so lines are not cut there.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False)

MOST_WORKERS = 1024
LONGEST_RECORDING_S = 31 * 86_400

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of cohorts and runs. Default: $ECGCORE_HOME or ./workspace."
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")
]
RunOption = Annotated[
    str, typer.Option("--run", help="A run's id or folder, or the name of a shipped model.")
]


def _current_part(name: str) -> str:
    """Return the present name of a part: version 0.1.0 called the holdout part untouched."""
    from ecgcore.runs.run import current_part

    return current_part(name)


PartOption = Annotated[
    str,
    typer.Option(
        parser=_current_part,
        metavar="PART",
        help="Records to score: validation, test or holdout (if the split has one).",
    ),
]
SourceRateOption = Annotated[
    float | None,
    typer.Option(
        "--source-fs-hz",
        min=50,
        max=40_000,
        help="Sampling rate in Hz of files that do not state one.",
    ),
]
AssumeOrderOption = Annotated[
    bool,
    typer.Option(
        "--assume-order",
        help="Read twelve unnamed leads as I, II, III, aVR, aVL, aVF, V1-V6.",
    ),
]
StartOption = Annotated[
    float,
    typer.Option(
        "--start-s",
        min=0,
        max=LONGEST_RECORDING_S,
        help="Second of each recording to start at.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_WORKERS, help="Number of processes. Default: one per core."),
]
ExecutorOption = Annotated[
    str, typer.Option("--executor", help="Where to run: local, ray or ray://HOST:PORT.")
]


def main() -> None:
    """Run the command line; a known error is one line on stderr and an exit code."""
    _end_tidily_when_terminated()
    try:
        arguments = translate(sys.argv[1:], _warn)
        sys.exit(app(arguments, prog_name="ecgcore", standalone_mode=False) or 0)
    except EcgError as error:
        err.print(f"{error}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except _UsageError as error:
        err.print(_usage_line(error), style="red", markup=False, soft_wrap=True)
        sys.exit(RequestError.exit_code)
    except typer.Abort:
        err.print("Stopped.")
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("Stopped.")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)


def _end_tidily_when_terminated() -> None:
    """On SIGTERM leave by an exception: worker processes, semaphores, temporary files go, too."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _usage_line(error: Any) -> str:
    """Return a wrong option or argument in one line; the help where nothing was given."""
    message = error.format_message()
    if "\n" in message:  # a command of several that was called alone
        return message
    command = error.ctx.command_path if error.ctx else "ecgcore"
    return f"{message.rstrip('.')}. `{command} --help` shows what is accepted."


def _warn(message: str) -> None:
    err.print(message, markup=False, soft_wrap=True)


def print_json(answer: Any) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False), flush=True)


def print_answers(
    answers: Iterable[dict[str, Any]],
    format_line: Callable[[dict[str, Any]], str],
    as_json: bool,
    paths: list[str],
    footer: str,
) -> None:
    """Print one line per record as answers arrive; exit 2 if no record is found or readable.

    Parameters
    ----------
    answers
        One dictionary per record; ``error`` is None if the record could be read.
    format_line
        Returns an answer's text line; unused with ``as_json``.
    paths
        Paths that were searched, for the error message.
    footer
        Line on stderr below text answers.
    """
    n_answers = n_read = 0
    for answer in answers:
        n_answers += 1
        n_read += answer["error"] is None
        if as_json:
            print_json(answer)
        else:
            out.print(format_line(answer), markup=False)
    if not n_answers:
        raise RequestError(f"No ECG record in {', '.join(paths)}.")
    if not as_json:
        err.print(footer)
    if not n_read:
        raise typer.Exit(RequestError.exit_code)


def print_damaged(damaged: "Iterable[Damaged]") -> None:
    """Print one line on stderr for each cohort or run that cannot be opened."""
    for one in damaged:
        err.print(one.reason, style="red", markup=False, soft_wrap=True)


def progress_bar() -> "Progress":
    """Return a transient progress bar on stderr."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True)


def table(*headings: str) -> "Table":
    """Return a plain table; columns whose heading ends in '>' are right-aligned."""
    from rich.table import Table

    plain = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading.endswith(">") else "left"
        plain.add_column(heading.rstrip(">"), justify=justify, overflow="fold")
    return plain


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Read, label, draw, train, compare and explain 12-lead ECGs."""
    if show:
        out.print(__version__)
        raise typer.Exit
