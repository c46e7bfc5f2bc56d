"""Benchmark commands: speed of this machine, and errors of measurements and labels."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ecgcore.cli.base import (
    JsonOption,
    WorkspaceOption,
    bench_app,
    err,
    out,
    print_json,
    progress_bar,
)


def _print_answer(answer: dict[str, Any], as_json: bool) -> None:
    """Print an answer, with ``--json`` on one line."""
    if as_json:
        print_json(answer)
    else:
        out.print_json(data=answer)


@bench_app.command("imaging")
def bench_imaging(
    full: Annotated[bool, typer.Option("--full", help="All series; takes minutes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the images a second drawn from signals in memory.

    Example: ecgcore bench imaging --json
    """
    from ecgcore.bench.imaging import bench_imaging as measure

    with err.status("Drawing for up to 50 seconds ..."):
        answer = measure(full)
    _print_answer(answer, as_json)


@bench_app.command("training")
def bench_training(
    full: Annotated[
        bool, typer.Option("--full", help="Also memory at 440 and 20,000 records; takes minutes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the training loop against a bare loop on batches in memory.

    Example: ecgcore bench training --json
    """
    from ecgcore.bench.training import bench_training as measure

    with err.status("Training for about 45 seconds ..."):
        answer = measure(full)
    _print_answer(answer, as_json)


@bench_app.command("ingest")
def bench_ingest(
    data: Annotated[
        Path | None, typer.Option(help="Folder of WFDB records. Default: the examples, repeated.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also memory at 1,000 and 10,896 records; takes minutes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the recordings a second that are ingested, and the memory used.

    Example: ecgcore bench ingest --json
    """
    from ecgcore.bench.ingest import bench_ingest as measure

    with err.status("Ingesting ..."):
        answer = measure(data, full)
    _print_answer(answer, as_json)


@bench_app.command("measurements")
def bench_measurements(
    data: Annotated[Path, typer.Option(help="LUDB as published, or a subset.")] = Path("data/ludb"),
    as_json: JsonOption = False,
) -> None:
    """Compare intervals (ms) and rates with a cardiologist's annotations of LUDB.

    Example: ecgcore bench measurements --data data/ludb --json
    """
    from ecgcore.bench.measurements import bench_measurements as compare

    with err.status("Measuring ..."):
        answer = compare(data)
    _print_answer(answer, as_json)


@bench_app.command("labels")
def bench_labels(
    cohort: Annotated[str, typer.Option(help="A cohort of PTB-XL.")] = "ptbxl",
    to: Annotated[Path | None, typer.Option(help="File for the results (.md).")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare criteria labels with expert labels on PTB-XL, class by class.

    Example: ecgcore bench labels --cohort ptbxl --to docs/labels.md
    """
    from ecgcore.atomic import write_atomic
    from ecgcore.bench.labels import bench_labels as compare
    from ecgcore.bench.labels import document
    from ecgcore.cohort.measure_job import ensure_measured
    from ecgcore.workspace import Workspace

    with err.status("Measuring records that lack measurements, and comparing ..."):
        answer = compare(ensure_measured(cohort, Workspace.find(workspace)))
    if to is not None:
        write_atomic(to, lambda path: path.write_text(document(answer), encoding="utf-8"))
    if as_json:
        print_json(answer)
    elif to is None:
        out.print(document(answer), markup=False)


@bench_app.command("robustness")
def bench_robustness(
    data: Annotated[Path, typer.Option(help="PTB-XL as published, or a subset.")] = Path(
        "data/ptb-xl"
    ),
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Shipped model or run, or NAME=RUN: a run in place of a shipped model that was "
            "trained on these records; repeatable. Default: all shipped models."
        ),
    ] = None,
    fold: Annotated[int, typer.Option(help="Fold that the records come from.")] = 8,
    records: Annotated[int, typer.Option(min=1, help="Number of records.")] = 200,
    to: Annotated[
        Path | None, typer.Option(help="File for the results (.md); a .json is written beside it.")
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(help="Earlier results (.json) to show beside, where a network is another."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how far answers move when an ECG is shifted, scaled, noisy or its leads exchanged.

    Example: ecgcore bench robustness --model resnet1d_scaled --records 50
    """
    from ecgcore.atomic import read_json, write_atomic
    from ecgcore.bench.robustness import bench_robustness as compare
    from ecgcore.bench.robustness_page import document, with_figures_before
    from ecgcore.runs.run import shipped_models
    from ecgcore.workspace import Workspace

    with progress_bar() as progress:
        task = progress.add_task("Changing records", total=None, note="")
        answer = compare(
            data,
            model or [run.id for run in shipped_models()],
            fold,
            records,
            workspace=Workspace.find(workspace),
            on_done=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if before is not None:
        answer = with_figures_before(answer, read_json(before))
    if to is not None:
        compact = json.dumps(answer, ensure_ascii=False, allow_nan=False) + "\n"
        json_file = to.with_suffix(".json")
        write_atomic(json_file, lambda path: path.write_text(compact, encoding="utf-8"))
        write_atomic(to, lambda path: path.write_text(document(answer), encoding="utf-8"))
    if as_json:
        print_json(answer)
    elif to is None:
        out.print(document(answer), markup=False)
