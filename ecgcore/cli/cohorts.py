"""Command ``ecgcore cohorts``: list cohorts and push one to remote storage."""

from dataclasses import asdict
from typing import Annotated

import typer

from ecgcore.cli.base import (
    JsonOption,
    WorkspaceOption,
    app,
    out,
    print_damaged,
    print_json,
    progress_bar,
    table,
)
from ecgcore.workspace import Workspace

cohorts_app = typer.Typer()
app.add_typer(cohorts_app, name="cohorts")


@cohorts_app.callback(invoke_without_command=True)
def cohorts(
    context: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List the cohorts of the home folder, or push one to remote storage.

    Example: ecgcore cohorts
    """
    if context.invoked_subcommand:
        return
    from ecgcore.cohort.catalogue import damaged_cohorts, list_cohorts

    home = Workspace.find(workspace)
    summaries, damaged = list_cohorts(home), damaged_cohorts(home)
    if as_json:
        listed = [asdict(summary) for summary in summaries]
        print_json({"cohorts": listed, "damaged": [asdict(one) for one in damaged]})
        return
    print_damaged(damaged)
    if not summaries and not damaged:
        out.print("No cohort yet: ecgcore ingest examples/ptb-xl --cohort examples")
        return
    rows = table("cohort", "records>", "Hz>", "sources")
    for summary in summaries:
        rows.add_row(
            summary.name, str(summary.records), f"{summary.fs_hz:g}", ", ".join(summary.sources)
        )
    out.print(rows)


@cohorts_app.command()
def push(
    name: Annotated[str, typer.Argument(help="A cohort of the home folder.")],
    url: Annotated[
        str, typer.Argument(help="Target: s3://BUCKET/NAME, gs://…, file:///FOLDER or a folder.")
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a cohort to object storage or a shared folder; only new files are sent.

    File names and the key of patient hashes stay here. On other machines `--cohort URL` reads it.

    Example: ecgcore cohorts push examples /tmp/shared/examples
    """
    from ecgcore.cohort import remote_push

    with progress_bar() as progress:
        task = progress.add_task("Sending", total=None, note="")

        def show(done: int, total: int) -> None:
            note = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
            progress.update(task, completed=done, total=total, note=note)

        result = remote_push.push(name, url, Workspace.find(workspace), show)
    if as_json:
        print_json(result.as_json())
        return
    out.print(
        f"Cohort '{name}' is at {result.url}: {result.sent} of {result.files} files were new "
        f"({result.sent_bytes / 1e6:,.1f} of {result.bytes / 1e6:,.1f} MB).",
        markup=False,
    )
