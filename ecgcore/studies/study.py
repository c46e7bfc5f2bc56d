"""A study: the cells it asks for, the work on those that are not there yet, and its page.

Each finished cell is a small committed file: a study that was cut off, or cloned, does only what
is missing, and its page is written again without training.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from matplotlib.figure import Figure

from ecgcore.errors import RequestError
from ecgcore.home import Home, write_whole
from ecgcore.report.drawings import svg
from ecgcore.studies.cell import Cell, Finished, keep
from ecgcore.studies.claims import Claim
from ecgcore.training.config import TrainConfig
from ecgcore.training.loop import Progress
from ecgcore.training.preparing import prepare
from ecgcore.training.run import Run, list_runs
from ecgcore.training.work import work

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
    """

    name: str
    title: str
    cells: Callable[[str, Sequence[Finished]], list[Cell]]
    page: Callable[[Sequence[Finished]], str]
    scored: bool = True
    claims: Callable[[Sequence[Finished]], list[Claim]] = lambda finished: []
    figures: Callable[[Sequence[Finished]], dict[str, Figure]] = lambda finished: {}

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
    tried: set[str] = set()
    while lacking := [c for c in study.missing(cohort, folder, only) if c.name not in tried]:
        cell = lacking[0]
        tried.add(cell.name)
        lock = FileLock(_lock(study, cell, home))
        home.runs.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        try:
            _train(study, cell, home, folder, on_progress)
        finally:
            lock.release()
        yield cell


def _train(study: Study, cell: Cell, home: Home, folder: Path, on_progress: Progress) -> None:
    """Train a cell, keep what is small, and delete its run.

    The run of a parent stays in the home, where other cells start from it.
    """
    parent, begins = None, cell
    if cell.parent is not None:
        with FileLock(_lock(study, cell.parent, home)):
            parent = _trained(study, cell.parent, home, on_progress)
        begins = replace(cell, config=replace(cell.config, init=parent.id))
    run = _trained(study, begins, home, on_progress)
    keep(cell, run, folder / study.name / "cells", study.scored, parent)
    shutil.rmtree(run.folder)


def _trained(study: Study, cell: Cell, home: Home, on_progress: Progress) -> Run:
    """Return a cell's run when it is done."""
    run = begun(f"{study.name}/{cell.name}", cell.config, home)
    if run.status["state"] != "done":
        work(run, home, on_progress)
    if run.status["state"] != "done":
        raise RequestError(f"Cell {cell.name}: {run.status['message']}")
    return run


def _lock(study: Study, cell: Cell, home: Home) -> Path:
    return home.runs / f".study-{study.name}-{cell.name}.lock"


def begun(mark: str, config: TrainConfig, home: Home) -> Run:
    """Return the run of a cell that was begun before (or finished since), else a new one.

    ``mark`` says which cell of which study it is.
    """
    for run in list_runs(home):
        file = run.folder / MARK
        if file.exists() and file.read_text("utf-8") == mark and run.config == config.filled():
            return run
    run = prepare(config, home)
    (run.folder / MARK).write_text(mark, "utf-8")
    return run
