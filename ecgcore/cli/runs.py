"""``ecgcore runs``: list, show, resume and cancel trainings."""

from dataclasses import asdict
from typing import Annotated

import typer

from ecgcore.cli.base import (
    ExecutorOption,
    JsonOption,
    WorkspaceOption,
    out,
    print_damaged,
    print_json,
    runs_app,
    table,
)
from ecgcore.cli.train import WorkersOption, epoch_line, join_team, work_on
from ecgcore.errors import RequestError
from ecgcore.executors.select import LOCAL
from ecgcore.workspace import Workspace


@runs_app.command("list")
def runs_list(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List all runs, the newest first, and the shipped models.

    Example: ecgcore runs list
    """
    from ecgcore.runs.run import damaged_runs, list_runs, shipped_models

    home = Workspace.find(workspace)
    rows, damaged = [], damaged_runs(home)
    for run in (*list_runs(home), *shipped_models()):
        meta, status, metrics = run.meta, run.status, run.evaluation or {}
        rows.append(
            {
                "run": run.id,
                "model": meta["model"],
                "cohort": meta["cohort"]["name"],
                "level": meta["config"]["level"],
                "target_mode": meta["target_mode"],
                "state": status["state"],
                "epoch": status["epoch"],
                "epochs": status["epochs"],
                "accuracy": metrics.get("accuracy"),
                "macro_f1": metrics.get("macro_f1"),
                "macro_auc": (metrics.get("macro_auc") or {}).get("value"),
                "tested": metrics.get("n"),
            }
        )
    if as_json:
        print_json({"runs": rows, "damaged": [asdict(one) for one in damaged]})
        return
    print_damaged(damaged)
    if not rows:
        out.print("No run yet: ecgcore train --cohort examples --epochs 2")
        return
    lines = table(
        "run",
        "cohort",
        "targets",
        "state",
        "epoch>",
        "tested>",
        "accuracy>",
        "macro F1>",
        "macro AUC>",
    )
    for row in rows:
        numbers = (row[name] for name in ("accuracy", "macro_f1", "macro_auc"))
        lines.add_row(
            row["run"],
            row["cohort"],
            row["target_mode"],
            row["state"],
            f"{row['epoch']}/{row['epochs']}",
            "n/a" if row["tested"] is None else f"{row['tested']:,}",
            *("n/a" if n is None else f"{n:.3f}" for n in numbers),
        )
    out.print(lines)


@runs_app.command("show")
def runs_show(
    run: Annotated[str, typer.Argument(help="A run's id or folder, or a shipped model's name.")],
    config: Annotated[
        bool,
        typer.Option("--config", help="Print the settings as a file for `ecgcore train --config`."),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run's settings, state and scores.

    Example: ecgcore runs show alexnet_m_se_gap
    """
    from ecgcore.evaluation.text import report_text
    from ecgcore.runs.recipes import to_toml
    from ecgcore.runs.run import find_run

    if config and as_json:
        raise RequestError("--config prints TOML: leave --json away, or --config.")
    shown = find_run(run, Workspace.find(workspace))
    if config:
        print(to_toml(shown.config, f"Settings of run {shown.id}"), end="")
        return
    history = shown.epochs
    if as_json:
        print_json({"run": shown.meta, "status": shown.status, "history": history})
        return
    meta, status = shown.meta, shown.status
    records = ", ".join(f"{n} {part}" for part, n in meta["split"]["records"].items())
    out.print(
        f"{shown.id}: {status['state']}. {status['message']}\n"
        f"{meta['model']} ({meta['parameters']:,} parameters) on cohort "
        f"{meta['cohort']['name']}, level {meta['config']['level']}, {meta['target_mode']}: "
        f"{records}.",
        markup=False,
    )
    for row in history:
        out.print(epoch_line(row))
    if metrics := shown.evaluation:
        out.print(report_text(metrics), markup=False)


@runs_app.command("resume")
def runs_resume(
    run: Annotated[str | None, typer.Argument(help="A run's id.")] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="All crashed runs, after a power loss for example: queued in their former "
            "order, each in a process of its own.",
        ),
    ] = False,
    workers: WorkersOption = 1,
    executor: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Resume a run that was cancelled or crashed, from its checkpoint.

    Example: ecgcore runs resume 20261121-101500-alexnet-examples-204-s1-0a1b
    """
    from ecgcore.runs.run import find_run

    if (run is None) != every:
        raise RequestError("Name one run (`ecgcore runs list` shows all), or use --all.")
    home = Workspace.find(workspace)
    if run is None:
        _resume_all(home, as_json)
    else:
        with join_team(workers, executor) as team:
            work_on(find_run(run, home), home, as_json, team, workers, executor)


def _resume_all(workspace: Workspace, as_json: bool) -> None:
    from ecgcore.training.run_jobs import resume_all

    runs = resume_all(workspace)
    if as_json:
        print_json({"runs": [{"run": run.id, "state": run.status["state"]} for run in runs]})
        return
    for run in runs:
        out.print(f"{run.id}: {run.status['state']}. {run.status['message']}", markup=False)
    if not runs:
        out.print("No run has crashed.")


@runs_app.command("cancel")
def runs_cancel(
    run: Annotated[str, typer.Argument(help="A run's id.")], workspace: WorkspaceOption = None
) -> None:
    """Cancel a run: it ends after its batch and keeps its best epoch, or leaves the queue.

    Example: ecgcore runs cancel 20261121-101500-alexnet-examples-204-s1-0a1b
    """
    from ecgcore.runs.run import find_run

    chosen = find_run(run, Workspace.find(workspace))
    chosen.cancel()
    out.print(f"Run {chosen.id} was asked to stop.", markup=False)
