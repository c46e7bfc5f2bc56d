"""A study: the cells it asks for, the work on those that are not there yet, and its page.

Each finished cell is a small committed file: a study that was cut off, or cloned, does only what
is missing, and its page is written again without training.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from matplotlib.figure import Figure

from ecgcore.atomic import write_atomic
from ecgcore.cohort.store import Cohort
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors.progress import ProgressCounter
from ecgcore.report.figures import svg
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run, find_run, list_runs
from ecgcore.studies.claims import Claim
from ecgcore.studies.trial import Cell, TrialResult, keep
from ecgcore.training.distillation import Teacher
from ecgcore.training.distributed import SINGLE_PROCESS, Team
from ecgcore.training.loop import Progress
from ecgcore.training.prepare import prepare
from ecgcore.training.pretrained import Parent, is_unchanged
from ecgcore.training.trainer import train_as_worker
from ecgcore.workspace import Workspace

PAGE = "README.md"
MARK = "study"
"""File in a run's folder: the study and cell that it belongs to."""


@dataclass(frozen=True)
class Study:
    """What a study asks, trains and says.

    Attributes
    ----------
    name, title
        Its folder's name, and what it asks.
    cells
        Cohort's name and the cells that are there → the trainings asked for. A later round may
        follow from what an earlier one found.
    page
        Finished cells → Markdown.
    scored
        Whether test records are looked at; their predictions are then kept.
    validated
        A finished cell → its macro AUC on validation, as a study judges by it that looks at no test
        record; by default that of the last epoch.
    claims
        Finished cells → what a paper says and whether it holds, as far as it is tried.
    figures
        Finished cells → the SVG files that the page shows.
    summary
        Finished cells → what came out, in a paragraph; empty where the claims say it all.
    """

    name: str
    title: str
    cells: Callable[[str, Sequence[TrialResult]], list[Cell]]
    page: Callable[[Sequence[TrialResult]], str]
    scored: bool = True
    validated: Callable[[TrialResult], float] = lambda cell: float(
        cell.history["val_macro_auc"].iloc[-1]
    )
    claims: Callable[[Sequence[TrialResult]], list[Claim]] = lambda finished: []
    figures: Callable[[Sequence[TrialResult]], dict[str, Figure]] = lambda finished: {}
    summary: Callable[[Sequence[TrialResult]], str] = lambda finished: ""

    def finished(self, folder: Path, cohort: str | None = None) -> list[TrialResult]:
        """Return the cells that are there, by name.

        Parameters
        ----------
        cohort
            The one that they were asked of; by default what the first one says.

        Raises
        ------
        RequestError
            One is not as the study asks for it, or they are of two states of a cohort.
        """
        files = sorted((folder / self.name / "cells").glob("*.json"))
        found = [TrialResult.read(file) for file in files]
        if found:
            asked = {cell.name: cell for cell in self.asked(found, cohort)}
            _check(found, asked, folder / self.name)
        return found

    def asked(self, finished: Sequence[TrialResult], cohort: str | None = None) -> list[Cell]:
        """Return the trainings asked for, by default of the cohort of those that are finished."""
        return self.cells(cohort or finished[0].config.cohort, finished)

    def missing(self, cohort: str, folder: Path, only: str = "*") -> list[Cell]:
        """Return the cells that match ``only`` (a pattern such as ``alexnet_gap-*``) and lack.

        Raises
        ------
        RequestError
            No cell matches, or one that is there was trained in another way.
        """
        finished = self.finished(folder, cohort)
        cells = self.cells(cohort, finished)
        asked = [cell for cell in cells if fnmatch(cell.name, only)]
        if not asked:
            some = ", ".join(cell.name for cell in cells[:3])
            raise RequestError(
                f"No cell of study '{self.name}' matches '{only}'; there are {some} and so on."
            )
        there = {cell.name for cell in finished}
        return [cell for cell in asked if cell.name not in there]

    def write_page(self, folder: Path) -> Path:
        """Write the study's page from the cells that are there, and return its file."""
        finished = self.finished(folder)
        if not finished:
            raise RequestError(f"Study '{self.name}' has no finished cell in {folder} yet.")
        for name, figure in self.figures(finished).items():
            write_atomic(folder / self.name / name, partial(_write, svg(figure)))
        text = f"# {self.title}\n\n{self.page(finished)}"
        page = folder / self.name / PAGE
        write_atomic(page, lambda path: path.write_text(text, encoding="utf-8"))
        return page


def _check(found: Sequence[TrialResult], asked: dict[str, Cell], folder: Path) -> None:
    """Refuse cells that the study does not ask for so, or that do not belong together."""
    states: dict[str, TrialResult] = {}
    for one in found:
        if one.name not in asked:
            raise RequestError(
                f"Cell {one.name} in {folder} is none that the study asks for; delete its files."
            )
        if not one.is_of(asked[one.name]):
            raise RequestError(
                f"Cell {one.name} in {folder} was trained with other settings; delete its files "
                "to train it again."
            )
        first = states.setdefault(one.content["cohort"]["name"], one)
        if one.state != first.state:
            raise RequestError(
                f"Cells {first.name} and {one.name} in {folder} are of two states of cohort "
                f"'{one.content['cohort']['name']}' or of its labels; delete the files of those "
                "that are out of date."
            )


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def train_missing(
    study: Study, cohort: str, workspace: Workspace, folder: Path, only: str, on_progress: Progress
) -> Iterator[Cell]:
    """Train what lacks, one cell after another, and yield each when it is finished.

    A cell that another process works on is left to it.
    """
    shelf, tried = _Shelf.of(study, cohort, workspace, folder), set[str]()
    while lacking := [c for c in study.missing(cohort, folder, only) if c.name not in tried]:
        _need_cohorts(lacking, workspace)
        cell = lacking[0]
        tried.add(cell.name)
        if _train(shelf, cell, on_progress):
            yield cell


def train_missing_on_ray(
    study: Study,
    cohort: str,
    workspace: Workspace,
    folder: Path,
    only: str,
    on_done: Callable[[int, int], None] = lambda done, asked: None,
) -> Iterator[Cell]:
    """Train what lacks on the Ray cluster that this process is connected to, many cells at once.

    Each has a GPU or a machine's processors for itself; Ray says when and where, not the home's
    queue. Home and ``folder`` must be such that all machines share them. ``on_done`` is told how
    many cells are done, of how many that were asked for so far.
    """
    from ecgcore.executors import ray_cluster

    alone = Team(uses_queue=False)
    shelf, tried = _Shelf.of(study, cohort, workspace, folder.absolute(), alone), set[str]()
    while lacking := [c for c in study.missing(cohort, folder, only) if c.name not in tried]:
        _need_cohorts(lacking, workspace)
        tried |= {cell.name for cell in lacking}
        done_before, asked = len(tried) - len(lacking), len(tried)
        progress = ProgressCounter(
            partial(_told_of, on_done, done_before, asked), lambda refused: None
        )
        resources = ray_cluster.training_resources(any(c.config.device != "cpu" for c in lacking))
        jobs = [(shelf, cell) for cell in lacking]
        for cell in ray_cluster.iter_results(
            _train_there,
            jobs,
            None,
            progress,
            resources,
            preload=("torch",),
            shared_folder=shelf.folder,
        ):
            if cell is not None:
                yield cell


def _need_cohorts(cells: Sequence[Cell], workspace: Workspace) -> None:
    """Refuse, before hours of training, cells of a cohort that is not there."""
    for name in sorted({cell.config.cohort for cell in cells}):
        Cohort.open(name, workspace)


def _told_of(on_done: Callable[[int, int], None], before: int, asked: int, done: int) -> None:
    on_done(before + done, asked)


@dataclass(frozen=True)
class _Shelf:
    """Where trained cells are kept, and in what way they are trained; told to every worker.

    ``parents`` are cells that others need: their runs stay in the home.
    """

    study: str
    scored: bool
    workspace: Workspace
    folder: Path
    team: Team = SINGLE_PROCESS
    parents: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        study: Study,
        cohort: str,
        workspace: Workspace,
        folder: Path,
        team: Team = SINGLE_PROCESS,
    ) -> "_Shelf":
        cells = study.cells(cohort, study.finished(folder, cohort))
        parents = frozenset(cell.parent.name for cell in cells if cell.parent is not None)
        shelf = cls(study.name, study.scored, workspace, folder, team, parents)
        shelf.sweep(cells)
        return shelf

    @property
    def cells(self) -> Path:
        """The folder of finished cells."""
        return self.folder / self.study / "cells"

    def lock(self, cell: Cell) -> FileLock:
        """Return what a cell is held by while it is trained, whatever the home."""
        self.cells.mkdir(parents=True, exist_ok=True)
        return FileLock(self.cells / f".{cell.name}.lock")

    def has(self, cell: Cell) -> bool:
        """Whether the cell is finished."""
        return (self.cells / f"{cell.name}.json").exists()

    def sweep(self, cells: Sequence[Cell]) -> None:
        """Remove runs that are kept as cells; a process was killed before it did."""
        runs = [(run, mark) for run in list_runs(self.workspace) if (mark := _mark_of(run))]
        for cell in cells:
            left = [run for run, mark in runs if mark == self.mark(cell)]
            if left and self.has(cell) and cell.name not in self.parents:
                with suppress(Timeout), self.lock(cell).acquire(blocking=False):
                    for run in left:
                        _remove(run)

    def mark(self, cell: Cell) -> str:
        """Return what stands in the run's folder of a cell."""
        return f"{self.study}/{cell.name}"


def _train_there(shelf: _Shelf, cell: Cell, on_record: Callable[[], None]) -> Cell | None:
    """On a machine of a cluster: train a cell; return it unless another process is at it."""
    is_trained = _train(shelf, cell, None)
    on_record()
    return cell if is_trained else None


def _train(shelf: _Shelf, cell: Cell, on_progress: Progress | None) -> bool:
    """Train a cell unless another process is at it, keep what is small, and delete its run.

    The run of a parent stays in the home, where other cells need it. What a killed process
    had finished is not trained again.
    """
    try:
        with shelf.lock(cell).acquire(blocking=False):
            if not shelf.has(cell):
                _train_alone(shelf, cell, on_progress)
    except Timeout:
        return False
    return True


def _train_alone(shelf: _Shelf, cell: Cell, on_progress: Progress | None) -> None:
    parent, begins = None, cell
    if cell.parent is not None:
        with shelf.lock(cell.parent):
            parent = _trained(shelf, cell.parent, on_progress)
        begins = cell.after(parent.id)
    run = _trained(shelf, begins, on_progress)
    keep(cell, run, shelf.cells, shelf.workspace, shelf.scored, parent)
    if cell.name not in shelf.parents:
        _remove(run)


def _remove(run: Run) -> None:
    """Remove a run; nobody sees half of one."""
    gone = run.folder.with_name(f".{run.id}.gone")
    os.replace(run.folder, gone)
    shutil.rmtree(gone)


def _trained(shelf: _Shelf, cell: Cell, on_progress: Progress | None) -> Run:
    """Return a cell's run when it is done."""
    run = begun(shelf.mark(cell), cell.config, shelf.workspace)
    if run.status["state"] != "done":
        run.require_idle()
        train_as_worker(shelf.team, run, shelf.workspace, on_progress)
    if run.status["state"] != "done":
        raise EcgError(f"Cell {cell.name}: {run.status['message']}")
    return run


def begun(mark: str, config: TrainConfig, workspace: Workspace) -> Run:
    """Return the run of a cell that was begun before (or finished since), else a new one.

    ``mark`` says which cell of which study it is. A run of another state of the cohort, or that
    took something from weights which have changed, is none of it.
    """
    for run in list_runs(workspace):
        if _mark_of(run) == mark and run.config == config.resolve() and _is_current(run, workspace):
            return run
    run = prepare(config, workspace)
    write_atomic(run.folder / MARK, partial(_write, mark.encode()))
    return run


def _mark_of(run: Run) -> str | None:
    """Return the cell that a run belongs to, None where it is nobody's but the user's."""
    file = run.folder / MARK
    return file.read_text("utf-8") if file.exists() else None


def _is_current(run: Run, workspace: Workspace) -> bool:
    meta, config = run.meta, run.config
    if meta["cohort"]["hash"] != Cohort.open(config.cohort, workspace).hash:
        return False
    elders = ((Parent.role, config.pretrained), (Teacher.role, config.teacher))
    return all(
        is_unchanged(find_run(name, workspace), role, meta)
        for role, name in elders
        if name is not None
    )
