"""Studies: many trainings that answer one question."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgcore.cli.base import HomeOption, JsonOption, OnOption, app, bar, err, out, say_json
from ecgcore.executors.select import LOCAL, check, engine
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.studies.study import Study
    from ecgcore.studies.trial import Cell


@app.command()
def study(
    name: Annotated[
        str, typer.Argument(help="rates, levels, ablation, finetune, scale or shipped.")
    ],
    cohort: Annotated[str, typer.Option(help="The cohort to train on.")] = "ptbxl",
    to: Annotated[
        Path, typer.Option(help="Folder of finished cells and pages; what is there is kept.")
    ] = Path("docs/studies"),
    only: Annotated[str, typer.Option(help="Pattern of cells, such as 'alexnet_gap-204-*'.")] = "*",
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Train what lacks, or only write the page.")
    ] = True,
    on: OnOption = LOCAL,
    workspace: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train what a study still lacks, cell by cell, and write its page.

    It can be stopped at any time and goes on where it was; several may run at once. With --on ray
    cells are trained side by side, each with a GPU or a machine's processors for itself.

    Example: ecgcore study levels --no-train
    """
    from ecgcore.studies.registry import find_study

    check(on)
    chosen, found, trained = find_study(name), Workspace.find(workspace), 0
    if train:
        for cell in _cells_trained(chosen, cohort, found, to, only, on):
            trained += 1
            err.print(f"{cell.name} done", markup=False)
    with bar() as progress:
        progress.add_task(f"Writing the page of {name}", total=None, note="")
        page, left = chosen.write_page(to), len(chosen.missing(cohort, to, only))
    if as_json:
        say_json({"study": name, "trained": trained, "left": left, "page": str(page)})
    else:
        out.print(f"{trained} cells trained, {left} left; {page} written.", markup=False)


def _cells_trained(
    study: "Study", cohort: str, workspace: Workspace, to: Path, only: str, on: str
) -> Iterator["Cell"]:
    """Yield the cells as they are trained, here or on a cluster, and show how far that is."""
    from ecgcore.studies.study import train_missing, train_missing_on_ray

    if on == LOCAL:
        with _progress_of(study.name) as show:
            yield from train_missing(study, cohort, workspace, to, only, show)
        return
    study.missing(cohort, to, only)  # a wrong request is refused before a cluster is started
    with engine(on), bar() as progress:
        task = progress.add_task(study.name, total=None, note="")

        def cells(done: int, asked: int) -> None:
            progress.update(task, completed=done, total=asked, note=f"{done} of {asked} cells")

        yield from train_missing_on_ray(study, cohort, workspace, to, only, cells)


@app.command()
def results(
    studies: Annotated[Path, typer.Option(help="Folder of the studies.")] = Path("docs/studies"),
    to: Annotated[Path, typer.Option(help="File to write.")] = Path("docs/RESULTS.md"),
    as_json: JsonOption = False,
) -> None:
    """Write which of the papers' claims hold, from all finished trainings of the studies.

    Example: ecgcore results --to my_results.md
    """
    from ecgcore.studies.results import write_results

    with bar() as progress:
        progress.add_task("Reading the studies", total=None, note="")
        file = write_results(studies, to)
    if as_json:
        say_json({"file": str(file)})
    else:
        out.print(f"{file} written.", markup=False)


@app.command()
def ship(
    name: Annotated[str, typer.Argument(help="A shipped network, such as alexnet_m_se_gap.")],
    cohort: Annotated[str, typer.Option(help="The cohort to train on.")] = "ptbxl",
    studies: Annotated[
        Path, typer.Option(help="Folder of the study 'shipped', whose folds say how good it is.")
    ] = Path("docs/studies"),
    to: Annotated[
        Path | None, typer.Option(help="Folder to write; by default checkpoints/NAME.")
    ] = None,
    workspace: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a shipped network on all records of a cohort and write it.

    Its calibration and figures come from the folds of `ecgcore study shipped`.

    Example: ecgcore ship resnet1d_scaled --to my_checkpoint
    """
    from ecgcore.studies.release_study import make_shipped

    folder = to or Path("checkpoints") / name
    with _progress_of(name) as show:
        size = make_shipped(name, cohort, Workspace.find(workspace), studies, folder, show)
    if as_json:
        say_json({"model": name, "folder": str(folder), "bytes": size})
    else:
        out.print(f"{folder} written: {size / 1e6:.1f} MB.", markup=False)


@contextmanager
def _progress_of(name: str) -> Iterator[Callable[[Any, dict[str, Any]], None]]:
    """Show a bar for the training under way."""
    with bar() as progress:
        task = progress.add_task(name, total=None, note="")

        def show(run: Any, now: dict[str, Any]) -> None:
            progress.update(task, completed=now["step"], total=now["steps"], note=run.id)

        yield show
