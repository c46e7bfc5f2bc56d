"""Published data sets, brought here."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ecgcore.cli.base import JsonOption, app, err, out, print_json, progress_bar


@app.command()
def download(
    dataset: Annotated[
        str, typer.Argument(help="ptb-xl, ecg-arrhythmia, ludb or code-15.", metavar="DATASET")
    ],
    to: Annotated[Path | None, typer.Option(help="Its folder. Default: data/DATASET.")] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="Address of a mirror, http(s). Default: the publisher's."),
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Files at a time, 1 to 16.")] = 6,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it begins.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download a published data set as it is published; go on where an earlier download stopped.

    Each file is checked against the published sum: SHA-256 (PhysioNet) or, for code-15, MD5
    (Zenodo). What is needed and free on the disk is told first. A mirror offers the same files
    and the same list: SHA256SUMS.txt beside them, or a copy of Zenodo's record.

    Example: ecgcore download ludb --to data/ludb
    """
    from ecgcore.download.download import Progress, plan
    from ecgcore.download.download import download as fetch

    err.print("Asking for the list of files, and looking at what is there …")
    made = plan(dataset, to, base_url)
    there = len(made.files) - len(made.missing)
    err.print(
        f"{made.source.title} {made.source.version} ({made.source.licence}) to {made.folder}: "
        f"{len(made.missing):,} of {len(made.files):,} files to fetch, about "
        f"{_amount(made.needed_bytes)}; {_amount(made.free_bytes)} are free.",
        markup=False,
        soft_wrap=True,
    )
    if made.missing and not yes and sys.stdin.isatty() and not as_json:
        typer.confirm("Go on?", default=True, abort=True, err=True)
    with progress_bar() as shown:
        task = shown.add_task("Downloading", total=len(made.files), completed=there, note="")

        def show(progress: Progress) -> None:
            note = f"{progress.files_done:,}/{progress.files:,}, {_amount(progress.bytes_come)}"
            failed = f", {len(progress.failed)} failed" if progress.failed else ""
            shown.update(task, completed=progress.files_done, note=note + failed)

        answer = fetch(made, parallel, show)
    if as_json:
        print_json(answer)
    else:
        out.print(
            f"{answer['files']:,} files in {answer['to']} are as published ({answer['fetched']:,} "
            f"fetched, {answer['already_there']:,} were there). "
            f"Next: ecgcore ingest {answer['to']} --cohort {answer['dataset']}",
            markup=False,
        )


def _amount(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"
