"""From a configuration to a scored run: prepare, wait for a device, train, score, report."""

import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import torch

from ecgcore.atomic import clean_temp
from ecgcore.errors import EcgError, NotWritten
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import acquire, enqueue, skip_queue
from ecgcore.runs.run import ALIVE, Cancelled, Run, find_run
from ecgcore.runs.split import ensure_split, read_split
from ecgcore.training.checkpoint import find_checkpoint, remove_checkpoints
from ecgcore.training.device import find_devices, find_precision, use_device
from ecgcore.training.distillation import soft_targets
from ecgcore.training.distributed import SINGLE_PROCESS, Team
from ecgcore.training.loop import Progress, run_epochs
from ecgcore.training.prepare import prepare
from ecgcore.training.pretrained import load_pretrained
from ecgcore.training.scoring import score_run
from ecgcore.training.state import TrainContext
from ecgcore.training.tracking import track
from ecgcore.workspace import Workspace

STOPPED = "Stopped from the terminal. `ecgcore runs resume {id}` continues the training."
BROKEN = "An error of the program; see the log."
LOST = "A worker was lost, or an error of the program (see the log); the workers start again."
NOT_WRITTEN = (
    "{reason} What was saved before is intact. Make room on the disk and resume: ecgcore runs "
    "resume {id}."
)


def train(config: TrainConfig, workspace: Workspace, on_progress: Progress | None = None) -> Run:
    """Prepare a run, train it until it is done, and return it."""
    return train_run(prepare(config, workspace), workspace, on_progress)


def train_run(run: Run, workspace: Workspace, on_progress: Progress | None = None) -> Run:
    """Train a prepared or interrupted run from its last checkpoint, and score it."""
    run.require_idle()
    return train_as_worker(SINGLE_PROCESS, run, workspace, on_progress)


def train_as_worker(
    team: Team, run: Run, workspace: Workspace, on_progress: Progress | None = None
) -> Run:
    """Train a run as one of a team of workers, of which rank 0 alone writes the run's folder."""
    with _reported_end(run, team) if team.is_rank_zero else suppress(Cancelled):
        config, devices = run.config, find_devices(run.config.device)
        team.check_resources(config.batch_size, devices)
        if team.is_rank_zero:
            _begin(team, run, workspace, devices)
        team.on_rank_zero(partial(ensure_split, run, workspace))
        cohort, split = read_split(run, workspace)
        with (
            _acquired_device(team, run, workspace, devices) as device,
            _progress_callback(team, run, on_progress) as progress,
        ):
            precision = team.on_rank_zero(partial(find_precision, config.precision, device))
            _report(
                team,
                run,
                state="running",
                message="Training.",
                device=str(device),
                precision=str(precision).removeprefix("torch."),
                workers=team.size,
            )
            targets = soft_targets(split, run, workspace, cohort, device, team)
            context = TrainContext(run, config, cohort, split, device, precision, team, targets)
            _load_initial_weights(context, workspace)
            best_epoch = run_epochs(context, progress)
            _report(team, run, message="Scoring the test records.")
            score_run(context)
        _report(team, run, state="done", eta_s=0, message="Done.", best_epoch=best_epoch)
        if team.is_rank_zero:
            remove_checkpoints(run.folder)
    return run


def _report(team: Team, run: Run, **changes: Any) -> None:
    """Update the run's status, on rank 0."""
    if team.is_rank_zero:
        run.update_status(**changes)


def _begin(team: Team, run: Run, workspace: Workspace, devices: list[str]) -> None:
    """Mark the run as active, and queue it unless a scheduler has assigned devices."""
    if team.uses_queue:
        enqueue(run, workspace, devices, team.launcher["pid"] if team.launcher else None)
    else:
        skip_queue(run, team.launcher)
    run.update_status(message="Preparing.", team=team.launch)


@contextmanager
def _acquired_device(
    team: Team, run: Run, workspace: Workspace, devices: list[str]
) -> Iterator[torch.device]:
    """Wait for the devices of all workers and yield this one's: each has its own GPU."""
    count = 1 if devices == ["cpu"] else team.local_size
    with ExitStack() as stack:
        if team.uses_queue:
            acquisition = acquire(run, workspace, devices, count)
            devices = team.on_rank_zero(lambda: stack.enter_context(acquisition))
        yield use_device(team.device or devices[team.local_rank % len(devices)])


@contextmanager
def _progress_callback(team: Team, run: Run, on_progress: Progress | None) -> Iterator[Progress]:
    """Yield the callback of the training's progress; on rank 0 it informs the trackers as well."""
    if team.is_rank_zero:
        with track(run) as trackers:
            yield trackers.with_callback(on_progress)
    else:
        yield lambda run, progress: None


def _load_initial_weights(context: TrainContext, workspace: Workspace) -> None:
    """Load the pretrained weights of a run that has them, unless it resumes from a checkpoint."""
    run, source = context.run, context.config.pretrained
    if source and not context.team.on_rank_zero(lambda: find_checkpoint(run.folder)):
        load_pretrained(context.model, find_run(source, workspace), run.meta)


@contextmanager
def _reported_end(run: Run, team: Team) -> Iterator[None]:
    """Write into status.json how the training ended, however it ends."""
    clean_temp(run.folder)
    try:
        yield
    except Cancelled:
        run.update_status(state="cancelled", eta_s=None, message=run.cancelled_message)
    except (NotWritten, OSError) as error:
        reason = error if isinstance(error, NotWritten) else f"{error.strerror or error}."
        message = NOT_WRITTEN.format(reason=reason, id=run.id)
        run.update_status(state="failed", eta_s=None, message=message)
        raise NotWritten(message) from error
    except EcgError as error:
        run.update_status(state="failed", eta_s=None, message=str(error))
        raise
    except KeyboardInterrupt:
        run.update_status(state="cancelled", eta_s=None, message=STOPPED.format(id=run.id))
        raise
    finally:
        if run.status["state"] in ALIVE:  # a defect of the program, or another worker is gone
            failed = {"state": "failed", "message": BROKEN}
            run.update_status(eta_s=None, **({"message": LOST} if team.size > 1 else failed))
            with (run.folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(traceback.format_exc())
        if run.status["state"] not in ALIVE:
            run.clear_cancel()
