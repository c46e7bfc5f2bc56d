"""A study: the trainings it requests, their execution, and the page that reports them.

Each finished training is a small committed file: a study that was interrupted, or cloned, trains
only what is missing, and its page is written again without training.
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
from ecgcore.studies.trial import TrialConfig, TrialResult, store_trial
from ecgcore.training.distillation import Teacher
from ecgcore.training.distributed import SINGLE_PROCESS, Team
from ecgcore.training.loop import Progress
from ecgcore.training.prepare import prepare
from ecgcore.training.pretrained import Parent, is_unchanged
from ecgcore.training.trainer import train_as_worker
from ecgcore.workspace import Workspace

PAGE = "README.md"
MARK = "study"
"""File in a run's folder that names the study and trial that it belongs to."""


@dataclass(frozen=True)
class Study:
    """A study, as the functions that define its trainings and its texts.

    Attributes
    ----------
    name, title
        Name of its folder, and its question.
    trials
        Name of the cohort and finished trials → the trials requested. A later round may depend on
        the results of an earlier one.
    page
        Finished trials → Markdown.
    scored
        Whether test records are scored; their predictions are then stored.
    validated
        A finished trial → its macro AUC on validation, for a study that scores no test record; by
        default that of the last epoch.
    claims
        Finished trials → the papers' claims with their verdicts, as far as they are tested.
    figures
        Finished trials → the SVG files of the page.
    summary
        Finished trials → the outcome in a paragraph; empty where the claims are the outcome.
    """

    name: str
    title: str
    trials: Callable[[str, Sequence[TrialResult]], list[TrialConfig]]
    page: Callable[[Sequence[TrialResult]], str]
    scored: bool = True
    validated: Callable[[TrialResult], float] = lambda trial: float(
        trial.history["val_macro_auc"].iloc[-1]
    )
    claims: Callable[[Sequence[TrialResult]], list[Claim]] = lambda finished: []
    figures: Callable[[Sequence[TrialResult]], dict[str, Figure]] = lambda finished: {}
    summary: Callable[[Sequence[TrialResult]], str] = lambda finished: ""

    def finished(self, folder: Path, cohort: str | None = None) -> list[TrialResult]:
        """Return the finished trials, by name.

        Parameters
        ----------
        folder
            Folder of all studies.
        cohort
            Cohort that they are requested for; by default that of the first one.

        Raises
        ------
        RequestError
            A trial differs from the one requested, or they are of two states of a cohort.
        """
        files = sorted((folder / self.name / "cells").glob("*.json"))
        results = [TrialResult.read(file) for file in files]
        if results:
            requested = {trial.name: trial for trial in self.requested(results, cohort)}
            _check_consistent(results, requested, folder / self.name)
        return results

    def requested(
        self, finished: Sequence[TrialResult], cohort: str | None = None
    ) -> list[TrialConfig]:
        """Return the trials requested, by default for the cohort of the finished ones."""
        return self.trials(cohort or finished[0].config.cohort, finished)

    def missing(self, cohort: str, folder: Path, only: str = "*") -> list[TrialConfig]:
        """Return the unfinished trials that match ``only`` (a pattern such as ``alexnet_gap-*``).

        Raises
        ------
        RequestError
            No trial matches, or a finished one was trained with other settings.
        """
        finished = self.finished(folder, cohort)
        trials = self.trials(cohort, finished)
        matching = [trial for trial in trials if fnmatch(trial.name, only)]
        if not matching:
            some = ", ".join(trial.name for trial in trials[:3])
            raise RequestError(
                f"No trial of study '{self.name}' matches '{only}'; there are {some} and so on."
            )
        names = {trial.name for trial in finished}
        return [trial for trial in matching if trial.name not in names]

    def write_page(self, folder: Path) -> Path:
        """Write the study's page from its finished trials, and return its path."""
        finished = self.finished(folder)
        if not finished:
            raise RequestError(f"Study '{self.name}' has no finished trial in {folder} yet.")
        for name, figure in self.figures(finished).items():
            write_atomic(folder / self.name / name, partial(_write, svg(figure)))
        text = f"# {self.title}\n\n{self.page(finished)}"
        page = folder / self.name / PAGE
        write_atomic(page, lambda path: path.write_text(text, encoding="utf-8"))
        return page


def _check_consistent(
    results: Sequence[TrialResult], requested: dict[str, TrialConfig], folder: Path
) -> None:
    """Refuse trials that the study does not request, or that do not belong together."""
    first_of_cohort: dict[str, TrialResult] = {}
    for result in results:
        trial = requested.get(result.name)
        if trial is None:
            raise RequestError(
                f"Trial {result.name} in {folder} is not one that the study requests; delete its "
                "files."
            )
        if result.config.cohort != trial.config.cohort:
            raise RequestError(
                f"{folder} holds trials of cohort '{result.config.cohort}', not of "
                f"'{trial.config.cohort}'; name another folder: --to FOLDER."
            )
        if not result.matches(trial):
            raise RequestError(
                f"Trial {result.name} in {folder} was trained with other settings; delete its "
                "files to train it again."
            )
        cohort = result.content["cohort"]["name"]
        first = first_of_cohort.setdefault(cohort, result)
        if result.state != first.state:
            raise RequestError(
                f"Trials {first.name} and {result.name} in {folder} are of two states of cohort "
                f"'{cohort}' or of its labels; delete the files of those that are out of date."
            )


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def train_missing(
    study: Study, cohort: str, workspace: Workspace, folder: Path, only: str, on_progress: Progress
) -> Iterator[TrialConfig]:
    """Train the missing trials one after another, and yield each when it is finished.

    A trial that another process is training is left to it.
    """
    store, tried = _TrialStore.of(study, cohort, workspace, folder), set[str]()
    while missing := [t for t in study.missing(cohort, folder, only) if t.name not in tried]:
        _require_cohorts(missing, workspace)
        trial = missing[0]
        tried.add(trial.name)
        if _train(store, trial, on_progress):
            yield trial


def train_missing_on_ray(
    study: Study,
    cohort: str,
    workspace: Workspace,
    folder: Path,
    only: str,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[TrialConfig]:
    """Train the missing trials in parallel on the Ray cluster that this process is connected to.

    Each has a GPU or a machine's processors to itself; Ray schedules them instead of the
    workspace's queue. All machines must share the workspace and ``folder``. ``on_done`` receives
    the numbers of finished and of submitted trials.
    """
    from ecgcore.executors import ray_cluster

    team = Team(uses_queue=False)
    store, tried = _TrialStore.of(study, cohort, workspace, folder.absolute(), team), set[str]()
    while missing := [t for t in study.missing(cohort, folder, only) if t.name not in tried]:
        _require_cohorts(missing, workspace)
        n_before = len(tried)
        tried |= {trial.name for trial in missing}
        progress = ProgressCounter(
            partial(_count_done, on_done, n_before, len(tried)), lambda refused: None
        )
        resources = ray_cluster.training_resources(any(t.config.device != "cpu" for t in missing))
        jobs = [(store, trial) for trial in missing]
        for trial in ray_cluster.iter_results(
            _train_on_worker,
            jobs,
            None,
            progress,
            resources,
            preload=("torch",),
            shared_folder=store.folder,
        ):
            if trial is not None:
                yield trial


def _require_cohorts(trials: Sequence[TrialConfig], workspace: Workspace) -> None:
    """Refuse trials of a missing cohort before hours of training."""
    for name in sorted({trial.config.cohort for trial in trials}):
        Cohort.open(name, workspace)


def _count_done(on_done: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    on_done(before + done, total)


@dataclass(frozen=True)
class _TrialStore:
    """Folder of a study's finished trials, and how they are trained; sent to every worker.

    ``parents`` are the trials that others start from: their runs stay in the workspace.
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
    ) -> "_TrialStore":
        trials = study.trials(cohort, study.finished(folder, cohort))
        parents = frozenset(trial.parent.name for trial in trials if trial.parent is not None)
        store = cls(study.name, study.scored, workspace, folder, team, parents)
        store.remove_leftover_runs(trials)
        return store

    @property
    def trials_folder(self) -> Path:
        """Folder of the finished trials."""
        return self.folder / self.study / "cells"

    def lock(self, trial: TrialConfig) -> FileLock:
        """Return the lock of a trial that is being trained, whatever the workspace."""
        self.trials_folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.trials_folder / f".{trial.name}.lock")

    def has(self, trial: TrialConfig) -> bool:
        """Return whether the trial is finished."""
        return (self.trials_folder / f"{trial.name}.json").exists()

    def remove_leftover_runs(self, trials: Sequence[TrialConfig]) -> None:
        """Remove runs of stored trials, which a killed process left behind."""
        runs = [(run, mark) for run in list_runs(self.workspace) if (mark := _mark_of(run))]
        for trial in trials:
            leftover = [run for run, mark in runs if mark == self.mark(trial)]
            if leftover and self.has(trial) and trial.name not in self.parents:
                with suppress(Timeout), self.lock(trial).acquire(blocking=False):
                    for run in leftover:
                        _remove(run)

    def mark(self, trial: TrialConfig) -> str:
        """Return the content of MARK in the run's folder of a trial."""
        return f"{self.study}/{trial.name}"


def _train_on_worker(
    store: _TrialStore, trial: TrialConfig, on_record: Callable[[], None]
) -> TrialConfig | None:
    """Train a trial on a machine of a cluster; return it unless another process is training it."""
    is_trained = _train(store, trial, None)
    on_record()
    return trial if is_trained else None


def _train(store: _TrialStore, trial: TrialConfig, on_progress: Progress | None) -> bool:
    """Train and store a trial, and delete its run; return False if another process is training it.

    The run of a parent stays in the workspace for the trials that start from it. A trial that a
    killed process had finished is not trained again.
    """
    try:
        with store.lock(trial).acquire(blocking=False):
            if not store.has(trial):
                _train_locked(store, trial, on_progress)
    except Timeout:
        return False
    return True


def _train_locked(store: _TrialStore, trial: TrialConfig, on_progress: Progress | None) -> None:
    parent, with_parent = None, trial
    if trial.parent is not None:
        with store.lock(trial.parent):
            parent = _finished_run(store, trial.parent, on_progress)
        with_parent = trial.with_parent_run(parent.id)
    run = _finished_run(store, with_parent, on_progress)
    store_trial(trial, run, store.trials_folder, store.workspace, store.scored, parent)
    if trial.name not in store.parents:
        _remove(run)


def _remove(run: Run) -> None:
    """Remove a run atomically, so that no process reads a partial one."""
    renamed = run.folder.with_name(f".{run.id}.gone")
    os.replace(run.folder, renamed)
    shutil.rmtree(renamed)


def _finished_run(store: _TrialStore, trial: TrialConfig, on_progress: Progress | None) -> Run:
    """Return a trial's run, trained to its end."""
    run = find_or_prepare_run(store.mark(trial), trial.config, store.workspace)
    if run.status["state"] != "done":
        run.require_idle()
        train_as_worker(store.team, run, store.workspace, on_progress)
    if run.status["state"] != "done":
        raise EcgError(f"Trial {trial.name}: {run.status['message']}")
    return run


def find_or_prepare_run(mark: str, config: TrainConfig, workspace: Workspace) -> Run:
    """Return an existing run of a trial, unfinished or finished, else a new one.

    ``mark`` names the study and the trial. A run of another state of the cohort, or of weights that
    have changed since, does not count.
    """
    for run in list_runs(workspace):
        if _mark_of(run) == mark and run.config == config.resolve() and _is_current(run, workspace):
            return run
    run = prepare(config, workspace)
    write_atomic(run.folder / MARK, partial(_write, mark.encode()))
    return run


def _mark_of(run: Run) -> str | None:
    """Return the study and trial that a run belongs to, or None for a user's own run."""
    file = run.folder / MARK
    return file.read_text("utf-8") if file.exists() else None


def _is_current(run: Run, workspace: Workspace) -> bool:
    """Return whether the run's cohort and the weights that it used are unchanged."""
    meta, config = run.meta, run.config
    if meta["cohort"]["hash"] != Cohort.open(config.cohort, workspace).hash:
        return False
    sources = ((Parent.role, config.pretrained), (Teacher.role, config.teacher))
    return all(
        is_unchanged(find_run(name, workspace), role, meta)
        for role, name in sources
        if name is not None
    )
