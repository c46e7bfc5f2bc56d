"""From folders of recordings to cohorts."""

from pathlib import Path
from typing import Annotated, Any

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

_SHOWN = 20


@app.command()
def ingest(
    folder: Annotated[
        Path, typer.Argument(help="Folder (or zip file) with ECG records, searched throughout.")
    ],
    cohort: Annotated[str, typer.Option(help="Name of the cohort to make or bring up to date.")],
    store_fs_hz: Annotated[
        int | None,
        typer.Option(
            help="Rate to store, 100 or 500 Hz. Default: the highest 90 % of records have."
        ),
    ] = None,
    duration_s: Annotated[
        float | None,
        typer.Option(min=1, max=600, help="Length to store in s. Default: 10, or the cohort's."),
    ] = None,
    upsample: Annotated[
        bool, typer.Option("--upsample", help="Also take records of a lower rate, raised.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure each record, find its beats.")
    ] = True,
    list_files: Annotated[
        bool,
        typer.Option("--list-files", help="Also list every file of the folder and what it is."),
    ] = False,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
    start_s: StartOption = 0,
    workers: WorkersOption = None,
    executor: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a folder of ECGs into a cohort; what cannot be read is listed with its reason.

    Again into the same cohort it reads what is new or changed, and measures what was not measured.

    Example: ecgcore ingest examples/ptb-xl --cohort examples
    """
    from ecgcore.cohort import ingest_job

    request = ingest_job.Request(
        str(folder), cohort, store_fs_hz, duration_s, upsample, measure, source_fs_hz, assume_order, start_s,
        workers, executor,
    )  # fmt: skip
    with progress_bar() as progress:
        task = progress.add_task("Reading", total=None, note="")

        def show(status: dict[str, Any]) -> None:
            done, total = status["done"], status["found"]
            progress.update(task, completed=done, total=total, note=ingest_job.in_words(status))

        answer = ingest_job.run(request, Workspace.find(workspace), show)
    if list_files:
        from ecgcore.cohort.file_report import files

        answer["files"] = files(folder, answer)
    if as_json:
        print_json(answer)
    else:
        _show_ingest(answer)
    if not answer["read"]:
        raise typer.Exit(RequestError.exit_code)


def _show_ingest(answer: dict[str, Any]) -> None:
    out.print(
        f"Cohort '{answer['cohort']}' at {answer['fs_hz']} Hz: {answer['found']} found = "
        f"{answer['read']} read + {len(answer['rejected'])} rejected + "
        f"{len(answer['duplicates'])} duplicates, in {answer['seconds']:.1f} s."
    )
    for refused in answer["rejected"]:
        out.print(f"  rejected {refused['path']}: {refused['reason']}", markup=False)
    for twin in answer["duplicates"][:_SHOWN]:
        out.print(f"  duplicate {twin['path']}: is {twin['of']}", markup=False)
    if len(answer["duplicates"]) > _SHOWN:
        out.print(f"  and {len(answer['duplicates']) - _SHOWN} more duplicates (--json lists all)")
    for file in answer.get("files", ()):
        out.print(f"  {file['path']}: {file['what']}", markup=False)
    if not answer["read"]:
        return
    counts = table("class", "core>", "broad>", "exclusive>")
    exclusive = answer["targets"]["exclusive"]["classes"]
    for code, n in answer["classes"]["core"].items():
        counts.add_row(code, str(n), str(answer["classes"]["broad"][code]), str(exclusive[code]))
    out.print(counts)
