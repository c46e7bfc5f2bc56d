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
    """Download a published data set in its published layout; resumes after an interruption.

    Each file is verified by its published checksum: SHA-256 (PhysioNet) or, for code-15, MD5
    (Zenodo). The space needed and available is printed first. A mirror must offer the same files
    and the same list: SHA256SUMS.txt next to them, or a copy of Zenodo's record.

    Example: ecgcore download ludb --to data/ludb
    """
    from ecgcore.download.download import Progress, plan_download
    from ecgcore.download.download import download as run_download

    err.print("Fetching the list of files and checking those already downloaded …")
    plan = plan_download(dataset, to, base_url)
    n_present = len(plan.files) - len(plan.missing)
    err.print(
        f"{plan.source.title} {plan.source.version} ({plan.source.licence}) to {plan.folder}: "
        f"{len(plan.missing):,} of {len(plan.files):,} files to fetch, about "
        f"{_amount(plan.needed_bytes)}; {_amount(plan.free_bytes)} are free.",
        markup=False,
        soft_wrap=True,
    )
    if plan.missing and not yes and sys.stdin.isatty() and not as_json:
        typer.confirm("Download?", default=True, abort=True, err=True)
    with progress_bar() as bar:
        task = bar.add_task("Downloading", total=len(plan.files), completed=n_present, note="")

        def show(progress: Progress) -> None:
            received = _amount(progress.bytes_received)
            note = f"{progress.files_done:,}/{progress.files:,}, {received}"
            failed = f", {len(progress.failed)} failed" if progress.failed else ""
            bar.update(task, completed=progress.files_done, note=note + failed)

        answer = run_download(plan, parallel, show)
    if as_json:
        print_json(answer)
    else:
        out.print(
            f"{answer['files']:,} files in {answer['to']} are as published ({answer['fetched']:,} "
            f"fetched, {answer['already_there']:,} already there). "
            f"Next: ecgcore ingest {answer['to']} --cohort {answer['dataset']}",
            markup=False,
        )


def _amount(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"
