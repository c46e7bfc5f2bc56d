"""Examination of ECG files: why a file reads as it does, or does not."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ecgcore.cli.base import (
    AssumeOrderOption,
    JsonOption,
    SourceRateOption,
    StartOption,
    WorkspaceOption,
    app,
    print_answers,
)
from ecgcore.cli.doctor_workspace import examine_workspace
from ecgcore.errors import RequestError
from ecgcore.version import RESEARCH_USE_ONLY
from ecgcore.workspace import Workspace

_WIDTH = 10


@app.command()
def doctor(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="ECG files, folders, zip files or globs. Default: the home folder."),
    ] = None,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
    start_s: StartOption = 0,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Without PATHS: move damaged files into the home folder's set-aside/; nothing is "
            "deleted.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine ECG files: format, reader, what rate, leads and unit rest on, notes, quality; or the
    refusal. Without PATHS examine the home folder: which cohorts and runs are whole or damaged.

    The last line of each answer, "report", holds no names and no text of the file: paste it into a
    bug report.

    Example: ecgcore doctor examples/ptb-xl/records100/00000/00147_lr.hea
    """
    if not paths:
        examine_workspace(Workspace.find(workspace), repair, as_json)
        return
    if repair:
        raise RequestError("--repair is for the home folder: leave PATHS away.")
    from ecgcore.measurement.examine_files import examine_files
    from ecgcore.records.read import ReadOptions

    answers = examine_files(map(Path, paths), ReadOptions(source_fs_hz, assume_order, start_s))
    print_answers(answers, _text, as_json, paths, RESEARCH_USE_ONLY)


def _text(answer: dict[str, Any]) -> str:
    """Return an answer as lines of a word and its finding."""
    rows = [("format", _format(answer))]
    rows += [("refused", answer["error"])] if answer["error"] else _findings(answer)
    rows += [("versions", ", ".join(f"{k} {v}" for k, v in answer["versions"].items()))]
    rows += [("report", answer["report"])]
    return "\n".join([answer["path"], *(f"  {word:{_WIDTH}}{text}" for word, text in rows)])


def _format(answer: dict[str, Any]) -> str:
    reader = answer["reader"]
    return f"{answer['format']}, " + (f"read by records/formats/{reader}" if reader else "not read")


def _findings(answer: dict[str, Any]) -> list[tuple[str, str]]:
    signal = (
        f"{len(answer['leads'])} leads, {answer['samples']:,} samples at {answer['fs_hz']:g} Hz "
        f"({answer['duration_s']:g} s)"
    )
    reasons = [("because", reason) for reason in answer["reasons"]]
    return [
        ("signal", signal),
        *((key, f"from {text}") for key, text in answer["evidence"].items()),
        *(("note", note) for note in answer["notes"]),
        ("gate", answer["gate"]),
        *reasons,
    ]
