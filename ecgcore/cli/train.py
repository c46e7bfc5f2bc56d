"""Training, and the runs that come of it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from ecgcore.cli.base import (
    ExecutorOption,
    JsonOption,
    WorkspaceOption,
    app,
    err,
    out,
    print_json,
    progress_bar,
    runs_app,
    table,
)
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors.select import LOCAL, check
from ecgcore.workspace import Workspace

TeamOption = Annotated[
    int, typer.Option("--workers", min=1, help="Processes that share each batch; a GPU each.")
]


@app.command()
def train(
    cohort: Annotated[str, typer.Option(help="The cohort to train on.")],
    model: Annotated[str, typer.Option(help="The network; an unknown name lists all.")] = (
        "alexnet_m_se"
    ),
    level: Annotated[
        str, typer.Option(help="204, 440 or another number of records (balanced draw), or all.")
    ] = "204",
    target_mode: Annotated[
        str | None,
        typer.Option(
            help="exclusive (default at a number), multilabel (default at all), priority."
        ),
    ] = None,
    label_tier: Annotated[str, typer.Option(help="core or broad statements.")] = "core",
    label_set: Annotated[
        str, typer.Option(help="Classes: paper10, ptbxl5 or ptbxl71 (what PTB-XL states).")
    ] = "paper10",
    label_source: Annotated[
        str, typer.Option(help="Labels: expert (statements) or criteria (measurements).")
    ] = "expert",
    thresholds: Annotated[
        str, typer.Option(help="Of criteria: paper, aha2009 or udmi2018.")
    ] = "paper",
    layout: Annotated[str, typer.Option(help="stacked, clinical or panels.")] = "stacked",
    size: Annotated[
        str, typer.Option(help="Image in pixels: its side, 67 or more, or height x width: 224x448.")
    ] = "224",
    rhythm: Annotated[
        str, typer.Option(help="Lead of the rhythm strip in clinical and panels.")
    ] = "II",
    augmentation: Annotated[
        str,
        typer.Option(help="Change training records: none, standard, or targeted (mixed as well)."),
    ] = "none",
    epochs: Annotated[int, typer.Option(help="Passes over the training records, 1 or more.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Records a step, 2 or more.")] = 16,
    optimizer: Annotated[str, typer.Option(help="adamw or sgd (momentum 0.9).")] = "adamw",
    learning_rate: Annotated[
        float | None, typer.Option(help="Default: the one found for the network.")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Default: 0.01 for adamw, 0.0005 for sgd.")
    ] = None,
    schedule: Annotated[
        str, typer.Option(help="cosine, step (a tenth at 1/2 and 3/4) or constant.")
    ] = "cosine",
    warmup_fraction: Annotated[
        float, typer.Option(help="Share of all steps in which the rate rises, 0 to 0.5.")
    ] = 0.05,
    class_balance: Annotated[
        str,
        typer.Option(help="Rare classes: none, weights (in the loss) or sampling (more often)."),
    ] = "none",
    label_smoothing: Annotated[
        float, typer.Option(help="Share of a target that is spread evenly, 0 to 0.5.")
    ] = 0.0,
    dropout: Annotated[
        float | None, typer.Option(help="Share, 0 to 0.95; default: the network's own.")
    ] = None,
    grad_clip: Annotated[
        float | None, typer.Option(help="Longest gradient, above 0; default: any.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after so many epochs without a better validation AUC, 1 or more."),
    ] = None,
    ema_decay: Annotated[
        float, typer.Option(help="Keep a running average of the weights: decay a step, 0 = none.")
    ] = 0.0,
    depth: Annotated[
        int | None, typer.Option(help="resnet1d: residual blocks, 4 or more; default 8.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="resnet1d: channels of the first stage; default 64.")
    ] = None,
    kernel: Annotated[
        int | None, typer.Option(help="resnet1d: samples a convolution spans, odd; default 5.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Start from the weights of this run or shipped model.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Learn from this run's or shipped model's answers beside the labels."),
    ] = None,
    backbone_lr_factor: Annotated[
        float,
        typer.Option(help="Share of the rate for all but the head, 0 to 1; 0 freezes it."),
    ] = 1.0,
    deterministic: Annotated[
        bool, typer.Option(help="On a GPU, too, only algorithms that give the same twice.")
    ] = False,
    split: Annotated[
        str,
        typer.Option(
            help="patient (70/15/15 beside an untouched fold), folds (published), source:NAME "
            "(that source tests, the others train), fold:K (that fold tests, all others train), "
            "rest (what a level leaves tests) or none (all train)."
        ),
    ] = "patient",
    where: Annotated[
        str | None,
        typer.Option(
            help="Records that take part, such as 'site=2' or 'source=georgia,device!=CS-12'."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draw, split, start and order follow from it.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda (any free GPU) or cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    workers: TeamOption = 1,
    on: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network on a cohort. Ctrl-C stops it; `ecgcore runs resume` goes on from there.

    With --workers several processes share each batch; torchrun may start this command, too, on
    one machine or many.

    Example: ecgcore train --cohort examples --model alexnet_m_se_gap --epochs 2
    """
    from ecgcore.imaging.geometry import square_or_sides
    from ecgcore.runs.config import TrainConfig
    from ecgcore.training.launch import find_or_prepare_run

    found = Workspace.find(workspace)
    config = TrainConfig(
        cohort=cohort, model=model, level=level, target_mode=target_mode, label_tier=label_tier,
        label_set=label_set, label_source=label_source, thresholds=thresholds,
        layout=layout, size=square_or_sides(size), rhythm=rhythm, augmentation=augmentation, epochs=epochs,
        batch_size=batch_size, optimizer=optimizer, learning_rate=learning_rate, weight_decay=weight_decay,
        schedule=schedule, warmup_fraction=warmup_fraction, class_balance=class_balance, label_smoothing=label_smoothing,
        dropout=dropout, grad_clip=grad_clip, patience=patience, ema_decay=ema_decay, depth=depth,
        width=width, kernel=kernel, pretrained=pretrained, teacher=teacher, backbone_lr_factor=backbone_lr_factor,
        deterministic=deterministic, split=split, where=where, seed=seed, device=device,
        precision=precision,
    )  # fmt: skip
    with _team(workers, on) as team:
        run = find_or_prepare_run(team, config, found)
        if team.is_rank_zero:
            err.print(f"Run {run.id}")
            for note in run.meta["split"]["notes"]:
                err.print(note, markup=False, soft_wrap=True)
        _work(run, found, as_json, team, workers, on)


@contextmanager
def _team(workers: int, on: str) -> Iterator[Any]:
    """Yield the team that torchrun started this process for; of several, the first alone speaks."""
    from ecgcore.training.distributed import FORWARDED, join_team, launched_by_torchrun

    check(on)
    if launched_by_torchrun() and (on != LOCAL or workers > 1):
        raise RequestError("torchrun has started the workers: leave --workers and --executor away.")
    try:
        with join_team() as team:
            yield team
    except EcgError as error:
        if FORWARDED in getattr(error, "__notes__", ()):
            raise typer.Exit(error.exit_code) from None
        raise


def _work(run: Any, workspace: Workspace, as_json: bool, team: Any, workers: int, on: str) -> None:
    """Train a prepared run with a bar, then say how it ended."""
    from ecgcore.training.launch import launch_training

    if not team.is_rank_zero:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first hears it, and tells the others
        launch_training(workers, on, team, run, workspace, lambda run, now: None)
        return
    with progress_bar() as progress:
        task = progress.add_task("Training", total=None, note="")

        def show(run: Any, now: dict[str, Any]) -> None:
            note = f"epoch {now['epoch']}"
            progress.update(task, completed=now["step"], total=now["steps"], note=note)
            if row := now["row"]:
                err.print(_epoch_line(row))

        with _stopped_gently(run):
            launch_training(workers, on, team, run, workspace, show)
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
def _stopped_gently(run: Any) -> Iterator[None]:
    """Let Ctrl-C end a training within a batch and save where it is; a second one ends at once."""

    def ask(_number: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run.cancel()
        err.print("Stopping after this batch; Ctrl-C again stops at once.")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _epoch_line(row: dict[str, Any]) -> str:
    trained = f"epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}"
    if row["val_loss"] is None:
        return trained
    auc = "n/a" if row["val_macro_auc"] is None else f"{row['val_macro_auc']:.3f}"
    best = "  (best)" if row["best"] else ""
    return f"{trained}  validation: loss {row['val_loss']:.4f}, macro AUC {auc}{best}"


@runs_app.command("list")
def runs_list(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List all runs, the newest first, and the shipped models.

    Example: ecgcore runs list
    """
    from ecgcore.runs.run import list_runs, shipped_models

    rows = []
    for run in (*list_runs(Workspace.find(workspace)), *shipped_models()):
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
        print_json({"runs": rows})
        return
    if not rows:
        out.print("No run yet: ecgcore train --cohort examples --epochs 2")
        return
    shown = table(
        "run", "cohort", "targets", "state", "epoch>", "tested>", "accuracy>", "macro F1>",
        "macro AUC>",
    )  # fmt: skip
    for row in rows:
        numbers = (row[name] for name in ("accuracy", "macro_f1", "macro_auc"))
        shown.add_row(
            row["run"],
            row["cohort"],
            row["target_mode"],
            row["state"],
            f"{row['epoch']}/{row['epochs']}",
            "n/a" if row["tested"] is None else f"{row['tested']:,}",
            *("n/a" if n is None else f"{n:.3f}" for n in numbers),
        )
    out.print(shown)


@runs_app.command("show")
def runs_show(
    run: Annotated[str, typer.Argument(help="A run's id or folder, or a shipped model's name.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a run was asked, where it stands and what it scored.

    Example: ecgcore runs show alexnet_m_se_gap
    """
    from ecgcore.evaluation.text import report_text
    from ecgcore.runs.run import find_run

    found = find_run(run, Workspace.find(workspace))
    history = found.history.to_dict("records")
    if as_json:
        print_json({"run": found.meta, "status": found.status, "history": history})
        return
    meta, status = found.meta, found.status
    records = ", ".join(f"{n} {part}" for part, n in meta["split"]["records"].items())
    out.print(
        f"{found.id}: {status['state']}. {status['message']}\n"
        f"{meta['model']} ({meta['parameters']:,} parameters) on cohort "
        f"{meta['cohort']['name']}, level {meta['config']['level']}, {meta['target_mode']}: "
        f"{records}.",
        markup=False,
    )
    for row in history:
        out.print(_epoch_line(row))
    if metrics := found.evaluation:
        out.print(report_text(metrics), markup=False)


@runs_app.command("resume")
def runs_resume(
    run: Annotated[str | None, typer.Argument(help="A run's id.")] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="All whose processes died (power loss, say), queued as they were before, each in "
            "a process of its own.",
        ),
    ] = False,
    workers: TeamOption = 1,
    on: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work on a run that was cancelled or cut off; it goes on where it was saved last.

    Example: ecgcore runs resume 20261121-101500-alexnet-examples-204-s1-0a1b
    """
    from ecgcore.runs.run import find_run

    if (run is None) != every:
        raise RequestError("Name one run (`ecgcore runs list` shows all), or say --all.")
    found = Workspace.find(workspace)
    if run is None:
        _resume_all(found, as_json)
    else:
        with _team(workers, on) as team:
            _work(find_run(run, found), found, as_json, team, workers, on)


def _resume_all(workspace: Workspace, as_json: bool) -> None:
    from ecgcore.training.run_jobs import resume_all

    runs = resume_all(workspace)
    if as_json:
        print_json({"runs": [{"run": run.id, "state": run.status["state"]} for run in runs]})
        return
    for run in runs:
        out.print(f"{run.id}: {run.status['state']}. {run.status['message']}", markup=False)
    if not runs:
        out.print("No run was cut off.")


@runs_app.command("cancel")
def runs_cancel(
    run: Annotated[str, typer.Argument(help="A run's id.")], workspace: WorkspaceOption = None
) -> None:
    """Ask a run to stop: it ends within a batch and keeps its best epoch, or leaves the queue.

    Example: ecgcore runs cancel 20261121-101500-alexnet-examples-204-s1-0a1b
    """
    from ecgcore.runs.run import find_run

    chosen = find_run(run, Workspace.find(workspace))
    chosen.cancel()
    out.print(f"Run {chosen.id} was asked to stop.", markup=False)
