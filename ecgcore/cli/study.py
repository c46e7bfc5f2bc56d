"""Studies: many trainings that answer one question, and the networks that are released."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ecgcore.cli.base import (
    ExecutorOption,
    JsonOption,
    WorkspaceOption,
    app,
    err,
    out,
    print_json,
    progress_bar,
)
from ecgcore.cli.evaluate import evaluate_on_cohort
from ecgcore.executors.select import LOCAL, check_executor, open_executor
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.studies.study import Study
    from ecgcore.studies.trial import TrialConfig


PTB_XL = "ptbxl"
STUDIES = Path("docs/studies")


class _StudyGroup(TyperGroup):
    """Commands of ``study``; ``study NAME`` is short for ``study run NAME``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


study_app = typer.Typer(
    cls=_StudyGroup,
    help="Train a study's networks and write its page: `ecgcore study NAME`.",
    no_args_is_help=True,
)
app.add_typer(study_app, name="study")


@study_app.command("run")
def study_run(
    name: Annotated[
        str, typer.Argument(help="rates, levels, ablation, finetune, scale or shipped.")
    ],
    cohort: Annotated[str, typer.Option(help="The cohort to train on.")] = PTB_XL,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Folder of finished trainings and pages; existing ones are kept. Default: "
            "docs/studies, and docs/studies-COHORT for another cohort than ptbxl."
        ),
    ] = None,
    only: Annotated[
        str, typer.Option(help="Pattern of trainings, such as 'alexnet_gap-204-*'.")
    ] = "*",
    train: Annotated[
        bool,
        typer.Option("--train/--no-train", help="Train what is missing, or only write the page."),
    ] = True,
    executor: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train what is missing of a study, one configuration at a time, and write its page.

    `ecgcore study NAME` is short for it. It can be stopped at any time and resumes with the next
    call; several processes may run at once. With --executor ray configurations are trained in
    parallel, each with a GPU or a machine's processors to itself.

    Example: ecgcore study run levels --no-train
    """
    from ecgcore.studies.registry import find_study

    check_executor(executor)
    to = to or (STUDIES if cohort == PTB_XL else STUDIES.with_name(f"{STUDIES.name}-{cohort}"))
    study, home, n_trained = find_study(name), Workspace.find(workspace), 0
    if train:
        for trial in _train_missing(study, cohort, home, to, only, executor):
            n_trained += 1
            err.print(f"{trial.name} done", markup=False)
    with progress_bar() as progress:
        progress.add_task(f"Writing the page of {name}", total=None, note="")
        page, n_missing = study.write_page(to), len(study.missing(cohort, to, only))
    if as_json:
        print_json({"study": name, "trained": n_trained, "left": n_missing, "page": str(page)})
    else:
        out.print(f"{n_trained} trained, {n_missing} missing; {page} written.", markup=False)


def _train_missing(
    study: "Study", cohort: str, workspace: Workspace, to: Path, only: str, executor: str
) -> Iterator["TrialConfig"]:
    """Yield configurations as they are trained, locally or on a cluster, with a progress bar."""
    from ecgcore.studies.study import train_missing, train_missing_on_ray

    if executor == LOCAL:
        with _training_progress(study.name) as show:
            yield from train_missing(study, cohort, workspace, to, only, show)
        return
    study.missing(cohort, to, only)  # refuses a wrong request before a cluster is started
    with open_executor(executor), progress_bar() as progress:
        task = progress.add_task(study.name, total=None, note="")

        def show_count(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note=f"{done} of {total} trained")

        yield from train_missing_on_ray(study, cohort, workspace, to, only, show_count)


@study_app.command("results")
def study_results(
    studies: Annotated[Path, typer.Option(help="Folder of the studies.")] = STUDIES,
    to: Annotated[Path, typer.Option(help="File to write.")] = Path("docs/RESULTS.md"),
    as_json: JsonOption = False,
) -> None:
    """Write which of the papers' claims hold, from all finished trainings of the studies.

    Example: ecgcore study results --to my_results.md
    """
    from ecgcore.studies.results import write_results

    with progress_bar() as progress:
        progress.add_task("Reading the studies", total=None, note="")
        file = write_results(studies, to)
    if as_json:
        print_json({"file": str(file)})
    else:
        out.print(f"{file} written.", markup=False)


@app.command()
def release(
    name: Annotated[
        str, typer.Argument(help="Network to release: alexnet_m_se_gap or another recipe.")
    ],
    cohort: Annotated[str, typer.Option(help="The cohort to train on.")] = "ptbxl",
    studies: Annotated[
        Path,
        typer.Option(help="Folder of the study 'shipped', whose folds measure the network."),
    ] = Path("docs/studies"),
    to: Annotated[
        Path | None, typer.Option(help="Folder to write. Default: checkpoints/NAME.")
    ] = None,
    card_only: Annotated[
        bool,
        typer.Option(
            "--card-only", help="Train nothing: rewrite the model card from the stored figures."
        ),
    ] = False,
    external: Annotated[
        list[str] | None,
        typer.Option(
            "--external", help="Cohort of other hospitals to score for the card. Repeatable."
        ),
    ] = None,
    robustness: Annotated[
        Path | None,
        typer.Option(help="JSON file of `ecgcore bench robustness`, for the card."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network on all records of a cohort, and write it with its model card.

    Its calibration and figures come from the folds of `ecgcore study shipped`.

    Example: ecgcore release resnet1d_scaled --to my_checkpoint
    """
    folder, home, size = to or Path("checkpoints") / name, Workspace.find(workspace), 0
    if not card_only:
        from ecgcore.studies.release_study import train_and_release

        with _training_progress(name) as show:
            size = train_and_release(name, cohort, home, studies, folder, show)
    if card_only or external or robustness:
        _write_card(folder, external or [], robustness, home)
        out.print(f"{folder / 'README.md'} written.", markup=False)
        return
    if as_json:
        print_json({"model": name, "folder": str(folder), "bytes": size})
    else:
        out.print(f"{folder} written: {size / 1e6:.1f} MB.", markup=False)


def _write_card(
    folder: Path, external: list[str], robustness: Path | None, home: Workspace
) -> None:
    """Write a card with what is given for it, and with what it had before."""
    from ecgcore.inference.card_facts import store_external, store_steadiness
    from ecgcore.inference.model_card import update_card
    from ecgcore.runs.run import find_run

    run = find_run(str(folder), home)
    if external:
        store_external(run, [evaluate_on_cohort(str(folder), name, home) for name in external])
    if robustness:
        store_steadiness(run, robustness)
    update_card(run)


@contextmanager
def _training_progress(name: str) -> Iterator[Callable[[Any, dict[str, Any]], None]]:
    """Show a progress bar for the training in progress."""
    with progress_bar() as progress:
        task = progress.add_task(name, total=None, note="")

        def show(run: Any, status: dict[str, Any]) -> None:
            progress.update(task, completed=status["step"], total=status["steps"], note=run.id)

        yield show
