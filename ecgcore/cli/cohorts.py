"""The cohorts that there are, and bringing one to where others read it."""

from dataclasses import asdict
from typing import Annotated

import typer

from ecgcore.cli.base import JsonOption, WorkspaceOption, app, out, print_json, progress_bar, table
from ecgcore.workspace import Workspace

cohorts_app = typer.Typer()
app.add_typer(cohorts_app, name="cohorts")


@cohorts_app.callback(invoke_without_command=True)
def cohorts(
    asked: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List the cohorts of the home folder, or push one elsewhere.

    Example: ecgcore cohorts
    """
    if asked.invoked_subcommand:
        return
    from ecgcore.cohort.store import list_cohorts

    found = list_cohorts(Workspace.find(workspace))
    if as_json:
        print_json({"cohorts": [asdict(cohort) for cohort in found]})
        return
    if not found:
        out.print("No cohort yet: ecgcore ingest examples/ptb-xl --cohort examples")
        return
    shown = table("cohort", "records>", "Hz>", "sources")
    for cohort in found:
        shown.add_row(
            cohort.name, str(cohort.records), f"{cohort.fs_hz:g}", ", ".join(cohort.sources)
        )
    out.print(shown)


@cohorts_app.command()
def push(
    name: Annotated[str, typer.Argument(help="A cohort of the home folder.")],
    url: Annotated[
        str, typer.Argument(help="Its place: s3://BUCKET/NAME, gs://…, file:///FOLDER or a folder.")
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a cohort to object storage or a shared folder: what is new there, cohort.json last.

    File names and the patients' key stay here. Elsewhere `--cohort URL` reads it.

    Example: ecgcore cohorts push examples /tmp/shared/examples
    """
    from ecgcore.cohort import remote_push

    with progress_bar() as progress:
        task = progress.add_task("Sending", total=None, note="")

        def show(done: int, total: int) -> None:
            note = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
            progress.update(task, completed=done, total=total, note=note)

        answer = remote_push.push(name, url, Workspace.find(workspace), show)
    if as_json:
        print_json(answer)
        return
    out.print(
        f"Cohort '{name}' is at {answer['url']}: {answer['sent']} of {answer['files']} files were "
        f"new ({answer['sent_bytes'] / 1e6:,.1f} of {answer['bytes'] / 1e6:,.1f} MB).",
        markup=False,
    )
