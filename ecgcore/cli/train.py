"""``ecgcore train``."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ecgcore.cli.base import (
    MOST_WORKERS,
    ExecutorOption,
    JsonOption,
    WorkspaceOption,
    app,
    err,
    out,
    print_json,
    progress_bar,
)
from ecgcore.cli.setting_options import GroupedCommand, with_settings
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors.select import LOCAL, check_executor
from ecgcore.runs.config import TrainConfig, train_settings
from ecgcore.runs.recipes import DEFAULT, RECIPES, make_config, recipe_settings
from ecgcore.workspace import Workspace

WorkersOption = Annotated[
    int,
    typer.Option(
        "--workers",
        min=1,
        max=MOST_WORKERS,
        help="Processes that share each batch, each with a GPU.",
    ),
]
FILE_GROUP = "Recipe and settings file"


@app.command(cls=GroupedCommand)
@with_settings(train_settings())
def train(
    recipe: Annotated[
        str,
        typer.Option(
            help="Named set of settings, which options override; --list-recipes shows all. "
            f"[default: {DEFAULT}]",
            show_default=False,
            rich_help_panel=FILE_GROUP,
        ),
    ] = DEFAULT,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file in TOML, as printed by `ecgcore runs show RUN --config`. Options "
            "override it; it overrides the recipe.",
            rich_help_panel=FILE_GROUP,
        ),
    ] = None,
    list_recipes: Annotated[
        bool, typer.Option("--list-recipes", help="List the recipes.", rich_help_panel=FILE_GROUP)
    ] = False,
    workers: WorkersOption = 1,
    executor: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    **settings: Any,
) -> None:
    """Train a network on a cohort. Ctrl-C stops it; `ecgcore runs resume` continues it.

    With --workers several processes share each batch. The command may also be started by
    torchrun, on one machine or many.

    Example: ecgcore train --cohort examples --model alexnet_m_se_gap --epochs 2
    """
    if list_recipes:
        _print_recipes(settings["model"], as_json)
        return
    request, home = make_config(settings, config, recipe), Workspace.find(workspace)
    from ecgcore.training.launch import find_or_prepare_run  # torch: not to refuse a request

    with join_team(workers, executor) as team:
        run = find_or_prepare_run(team, request, home, executor)
        if team.is_rank_zero:
            err.print(f"Run {run.id}")
            for note in run.meta["split"]["notes"]:
                err.print(note, markup=False, soft_wrap=True)
        work_on(run, home, as_json, team, workers, executor)


def _print_recipes(model: str | None, as_json: bool) -> None:
    """Print each recipe and its settings for a network, by default for that of a training."""
    model = model or TrainConfig.model
    settings = {name: recipe_settings(name, model) for name in RECIPES}
    if as_json:
        print_json({"model": model, "recipes": settings})
        return
    for name, recipe in RECIPES.items():
        values = ", ".join(f"{key} {value}" for key, value in settings[name].items())
        out.print(f"{name}: {recipe.title}", markup=False)
        out.print(f"  {model}: {values or 'the defaults'}", markup=False)


@contextmanager
def join_team(workers: int, executor: str) -> Iterator[Any]:
    """Yield the team that torchrun started this process for; rank 0 alone prints."""
    from ecgcore.training import distributed

    check_executor(executor)
    if distributed.launched_by_torchrun() and (executor != LOCAL or workers > 1):
        raise RequestError("torchrun has started the workers: leave --workers and --executor away.")
    try:
        with distributed.join_team() as team:
            yield team
    except EcgError as error:
        if distributed.FORWARDED in getattr(error, "__notes__", ()):
            raise typer.Exit(error.exit_code) from None
        raise


def work_on(
    run: Any, workspace: Workspace, as_json: bool, team: Any, workers: int, executor: str
) -> None:
    """Train a prepared run with a progress bar, then print how it ended."""
    from ecgcore.training.launch import launch_training

    if not team.is_rank_zero:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 handles it and tells the others
        launch_training(workers, executor, team, run, workspace, lambda run, status: None)
        return
    with progress_bar() as progress:
        task = progress.add_task("Training", total=None, note="")

        def show(run: Any, status: dict[str, Any]) -> None:
            note = f"epoch {status['epoch']}"
            progress.update(task, completed=status["step"], total=status["steps"], note=note)
            if row := status["row"]:
                err.print(epoch_line(row))

        with _graceful_interrupt(run):
            launch_training(workers, executor, team, run, workspace, show)
    status, metrics = run.status, run.evaluation
    if as_json:
        best = status.get("best_epoch")
        answer = {"run": run.id, "status": status["state"], "best_epoch": best, "metrics": metrics}
        print_json(answer)
        return
    out.print(f"Run {run.id}: {status['message']}", markup=False)
    if metrics:
        from ecgcore.evaluation.text import report_text

        out.print(report_text(metrics), markup=False)


@contextmanager
def _graceful_interrupt(run: Any) -> Iterator[None]:
    """Make Ctrl-C end a training after its batch, with a checkpoint; a second one kills it."""

    def cancel(_number: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run.cancel()
        err.print("Stopping after this batch; Ctrl-C again stops at once.")

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def epoch_line(row: dict[str, Any]) -> str:
    """Return losses and validation score of an epoch."""
    trained = f"epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}"
    if row["val_loss"] is None:
        return trained
    auc = "n/a" if row["val_macro_auc"] is None else f"{row['val_macro_auc']:.3f}"
    best = "  (best)" if row["best"] else ""
    return f"{trained}  validation: loss {row['val_loss']:.4f}, macro AUC {auc}{best}"
