"""Command ``ecgcore ingest``: read folders of recordings into cohorts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgcore.cli.base import (
    AssumeOrderOption,
    ExecutorOption,
    JsonOption,
    SourceRateOption,
    StartOption,
    WorkersOption,
    WorkspaceOption,
    app,
    out,
    print_json,
    progress_bar,
    table,
)
from ecgcore.errors import RequestError
from ecgcore.executors.select import LOCAL
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.summary import IngestResult

_MAX_DUPLICATES = 20
"""Duplicates listed without ``--json``."""
_MAX_COUNTS = 20
"""Notes, and roles of files, listed without ``--json``."""


@app.command()
def ingest(
    folder: Annotated[
        Path, typer.Argument(help="Folder (or zip file) with ECG records, searched recursively.")
    ],
    cohort: Annotated[str, typer.Option(help="Name of the cohort to create or update.")],
    store_fs_hz: Annotated[
        int | None,
        typer.Option(
            help="Stored rate, 100 or 500 Hz. Default: the highest that 90 % of records have."
        ),
    ] = None,
    duration_s: Annotated[
        float | None,
        typer.Option(min=1, max=600, help="Stored length in s. Default: 10, or the cohort's."),
    ] = None,
    upsample: Annotated[
        bool, typer.Option("--upsample", help="Also accept records of a lower rate, upsampled.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option("--measure/--no-measure", help="Measure each record and detect its beats."),
    ] = True,
    list_files: Annotated[
        bool,
        typer.Option("--list-files", help="Also list every file of the folder and its role."),
    ] = False,
    patient_from: Annotated[
        str | None,
        typer.Option(
            help="Regular expression whose group is the patient's id in a record's path, such as "
            "'p(\\d+)/', for files that state none."
        ),
    ] = None,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
    start_s: StartOption = 0,
    workers: WorkersOption = None,
    executor: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a folder of ECGs into a cohort; rejected files are listed with the reason.

    A second ingest into the same cohort reads new and changed files and adds missing measurements.

    Example: ecgcore ingest examples/ptb-xl --cohort examples
    """
    from ecgcore.cohort import ingest_job

    request = ingest_job.IngestRequest(
        str(folder),
        cohort,
        store_fs_hz,
        duration_s,
        upsample,
        measure,
        source_fs_hz,
        assume_order,
        start_s,
        workers,
        executor,
        patient_from,
    )
    with progress_bar() as progress:
        task = progress.add_task("Reading", total=None, note="")

        def show(status: dict[str, Any]) -> None:
            done, total = status["done"], status["found"]
            note = ingest_job.progress_text(status)
            progress.update(task, completed=done, total=total, note=note)

        result = ingest_job.run(request, Workspace.find(workspace), show)
    files: list[dict[str, str]] = []
    if list_files:
        from ecgcore.cohort.exclusions import describe_ingested_files

        files = describe_ingested_files(folder, result)
    if as_json:
        print_json(result.as_json() | ({"files": files} if list_files else {}))
    else:
        _print_result(result, files)
    if not result.read:
        raise typer.Exit(RequestError.exit_code)


def _unexplained(others: dict[str, int]) -> dict[str, int]:
    """Return the files whose role a user may not expect: no companions, licences or containers."""
    expected = ("companion", "licence or readme", "container of records", "hidden file")
    return {role: n for role, n in others.items() if role not in expected}


def _print_counts(title: str, counted: str, counts: dict[str, int]) -> None:
    """Print one line per text with its number, most frequent first, and how many are left out."""
    for text, n in list(counts.items())[:_MAX_COUNTS]:
        out.print(f"  {title}: {text}: {n:,} {counted[:-1] if n == 1 else counted}", markup=False)
    if (n_more := len(counts) - _MAX_COUNTS) > 0:
        out.print(f"  and {n_more} more of this kind (--json lists all)")


def _print_result(result: "IngestResult", files: list[dict[str, str]]) -> None:
    out.print(
        f"Cohort '{result.cohort}' at {result.fs_hz} Hz: {result.found} found = "
        f"{result.read} read + {len(result.rejected)} rejected + "
        f"{len(result.duplicates)} duplicates, in {result.seconds:.1f} s."
    )
    for rejected in result.rejected:
        out.print(f"  rejected {rejected.path}: {rejected.reason}", markup=False)
    for duplicate in result.duplicates[:_MAX_DUPLICATES]:
        out.print(f"  duplicate {duplicate.path}: is {duplicate.of}", markup=False)
    if (n_more := len(result.duplicates) - _MAX_DUPLICATES) > 0:
        out.print(f"  and {n_more} more duplicates (--json lists all)")
    _print_counts("note", "records", result.notes)
    _print_counts("not read", "files", _unexplained(result.others))
    for file in files:
        out.print(f"  {file['path']}: {file['what']}", markup=False)
    if not result.read:
        return
    counts = table("class", "core>", "broad>", "exclusive>")
    exclusive = result.targets["exclusive"]["classes"]
    for code, n in result.classes["core"].items():
        counts.add_row(code, str(n), str(result.classes["broad"][code]), str(exclusive[code]))
    out.print(counts)
