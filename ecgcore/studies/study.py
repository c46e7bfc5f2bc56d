"""A study: the cells it asks for, the work on those that are not there yet, and its page.

Each finished cell is a small committed file: a study that was cut off, or cloned, does only what
is missing, and its page is written again without training.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from matplotlib.figure import Figure

from ecgcore.engines.tally import Tally
from ecgcore.errors import RequestError
from ecgcore.home import Home, write_whole
from ecgcore.report.drawings import svg
from ecgcore.studies.cell import Cell, Finished, keep
from ecgcore.studies.claims import Claim
from ecgcore.training.config import TrainConfig
from ecgcore.training.loop import Progress
from ecgcore.training.preparing import prepare
from ecgcore.training.run import Run, list_runs
from ecgcore.training.team import ALONE, Team
from ecgcore.training.work import work_together

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
    claims
        Finished cells → what a paper says and whether it holds, as far as it is tried.
    figures
        Finished cells → the SVG files that the page shows.
    summary
        Finished cells → what came out, in a paragraph; empty where the claims say it all.
    """

    name: str
    title: str
    cells: Callable[[str, Sequence[Finished]], list[Cell]]
    page: Callable[[Sequence[Finished]], str]
    scored: bool = True
    claims: Callable[[Sequence[Finished]], list[Claim]] = lambda finished: []
    figures: Callable[[Sequence[Finished]], dict[str, Figure]] = lambda finished: {}
    summary: Callable[[Sequence[Finished]], str] = lambda finished: ""

    def finished(self, folder: Path) -> list[Finished]:
        """Return the cells that are there, by name."""
        files = sorted((folder / self.name / "cells").glob("*.json"))
        return [Finished.read(file) for file in files]

    def missing(self, cohort: str, folder: Path, only: str = "*") -> list[Cell]:
        """Return the cells that match ``only`` (a pattern such as ``alexnet_gap-*``) and lack.

        Raises
        ------
        RequestError
            No cell matches, or one that is there was trained in another way.
        """
        finished = self.finished(folder)
        cells = self.cells(cohort, finished)
        asked = [cell for cell in cells if fnmatch(cell.name, only)]
        if not asked:
            some = ", ".join(cell.name for cell in cells[:3])
            raise RequestError(
                f"No cell of study '{self.name}' matches '{only}'; there are {some} and so on."
            )
        there = {cell.name: cell for cell in finished}
        for cell in asked:
            if cell.name in there and there[cell.name].config != cell.recipe:
                raise RequestError(
                    f"Cell {cell.name} in {folder / self.name} was trained with other settings; "
                    "delete its files to train it again."
                )
        return [cell for cell in asked if cell.name not in there]

    def write_page(self, folder: Path) -> Path:
        """Write the study's page from the cells that are there, and return its file."""
        finished = self.finished(folder)
        if not finished:
            raise RequestError(f"Study '{self.name}' has no finished cell in {folder} yet.")
        for name, figure in self.figures(finished).items():
            write_whole(folder / self.name / name, partial(_write, svg(figure)))
        text = f"# {self.title}\n\n{self.page(finished)}"
        page = folder / self.name / PAGE
        write_whole(page, lambda path: path.write_text(text, encoding="utf-8"))
        return page


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def train_missing(
    study: Study, cohort: str, home: Home, folder: Path, only: str, on_progress: Progress
) -> Iterator[Cell]:
    """Train what lacks, one cell after another, and yield each when it is finished.

    A cell that another process works on is left to it.
    """
    shelf, tried = _Shelf.of(study, cohort, home, folder), set[str]()
    while lacking := [c for c in study.missing(cohort, folder, only) if c.name not in tried]:
        cell = lacking[0]
        tried.add(cell.name)
        if _train(shelf, cell, on_progress):
            yield cell


def train_missing_on_ray(
    study: Study,
    cohort: str,
    home: Home,
    folder: Path,
    only: str,
    on_done: Callable[[int, int], None] = lambda done, asked: None,
) -> Iterator[Cell]:
    """Train what lacks on the Ray cluster that this process is connected to, many cells at once.

    Each has a GPU or a machine's processors for itself; Ray says when and where, not the home's
    queue. Home and ``folder`` must be such that all machines share them. ``on_done`` is told how
    many cells are done, of how many that were asked for so far.
    """
    from ecgcore.engines import on_ray

    alone = Team(has_queue=False)
    shelf, tried = _Shelf.of(study, cohort, home, folder.absolute(), alone), set[str]()
    while lacking := [c for c in study.missing(cohort, folder, only) if c.name not in tried]:
        tried |= {cell.name for cell in lacking}
        done_before, asked = len(tried) - len(lacking), len(tried)
        tally = Tally(partial(_told_of, on_done, done_before, asked), lambda refused: None)
        share = on_ray.share_of_training(any(c.config.device != "cpu" for c in lacking))
        jobs = [(shelf, cell) for cell in lacking]
        for cell in on_ray.results_of(
            _train_there, jobs, None, tally, share, needs=("torch",), shared=shelf.folder
        ):
            if cell is not None:
                yield cell


def _told_of(on_done: Callable[[int, int], None], before: int, asked: int, done: int) -> None:
    on_done(before + done, asked)


@dataclass(frozen=True)
class _Shelf:
    """Where trained cells are kept, and in what way they are trained; told to every worker.

    ``parents`` are cells that others need: their runs stay in the home.
    """

    study: str
    scored: bool
    home: Home
    folder: Path
    team: Team = ALONE
    parents: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, study: Study, cohort: str, home: Home, folder: Path, team: Team = ALONE
    ) -> "_Shelf":
        cells = study.cells(cohort, study.finished(folder))
        parents = frozenset(cell.parent.name for cell in cells if cell.parent is not None)
        return cls(study.name, study.scored, home, folder, team, parents)

    @property
    def cells(self) -> Path:
        """The folder of finished cells."""
        return self.folder / self.study / "cells"

    def lock(self, cell: Cell) -> FileLock:
        """Return what a cell is held by while it is trained."""
        self.home.runs.mkdir(parents=True, exist_ok=True)
        return FileLock(self.home.runs / f".study-{self.study}-{cell.name}.lock")

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
            is_kept = (shelf.cells / f"{cell.name}.json").exists()
            if not is_kept or _marked(shelf.mark(cell), shelf.home):
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
    keep(cell, run, shelf.cells, shelf.scored, parent)
    if cell.name in shelf.parents:
        return
    gone = shelf.home.runs / f".study-{shelf.study}-{cell.name}.gone"
    shutil.rmtree(gone, ignore_errors=True)  # of a process that was killed while it did the same
    os.replace(run.folder, gone)
    shutil.rmtree(gone)


def _trained(shelf: _Shelf, cell: Cell, on_progress: Progress | None) -> Run:
    """Return a cell's run when it is done."""
    run = begun(shelf.mark(cell), cell.config, shelf.home)
    if run.status["state"] != "done":
        run.need_idle()
        work_together(shelf.team, run, shelf.home, on_progress)
    if run.status["state"] != "done":
        raise RequestError(f"Cell {cell.name}: {run.status['message']}")
    return run


def begun(mark: str, config: TrainConfig, home: Home) -> Run:
    """Return the run of a cell that was begun before (or finished since), else a new one.

    ``mark`` says which cell of which study it is.
    """
    for run in _marked(mark, home):
        if run.config == config.filled():
            return run
    run = prepare(config, home)
    (run.folder / MARK).write_text(mark, "utf-8")
    return run


def _marked(mark: str, home: Home) -> list[Run]:
    """Return the runs of a cell, whatever their configuration."""
    files = ((run, run.folder / MARK) for run in list_runs(home))
    return [run for run, file in files if file.exists() and file.read_text("utf-8") == mark]
