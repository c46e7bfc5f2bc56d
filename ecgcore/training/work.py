"""From a request to a scored run: prepare, wait for the turn, train, score, say how it ended."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from ecgcore.errors import EcgError, NotWritten
from ecgcore.home import Home, remove_leftovers
from ecgcore.training.config import TrainConfig
from ecgcore.training.device import find_devices, find_precision, use
from ecgcore.training.going_on import FILE as RESUME
from ecgcore.training.loop import Progress, run_epochs
from ecgcore.training.preparing import plan_of, prepare
from ecgcore.training.queue import enter, turn
from ecgcore.training.run import ALIVE, CANCELLED, Cancelled, Run, find_run
from ecgcore.training.scoring import score_run
from ecgcore.training.starting import start_from
from ecgcore.training.tracking import tracked
from ecgcore.training.working import Working

STOPPED = "Stopped from the terminal; `ecgcore runs resume {id}` goes on."
NOT_WRITTEN = (
    "{why} What was saved before is intact. Make room on the disk and go on: ecgcore runs resume "
    "{id}."
)


def train(config: TrainConfig, home: Home, on_progress: Progress | None = None) -> Run:
    """Prepare a run and work on it until it is done; return it."""
    return work(prepare(config, home), home, on_progress)


def work(run: Run, home: Home, on_progress: Progress | None = None) -> Run:
    """Train what ``run.json`` asks for, from where it was saved last, and score it."""
    run.need_idle()
    config = run.config
    with _told(run):
        devices = find_devices(config.device)
        enter(run, home, devices)
        run.report(message="Preparing.")
        cohort, plan = plan_of(config, home)
        if plan.hash != run.meta["split"]["hash"]:
            raise EcgError(
                f"Cohort '{cohort.name}' has changed since run {run.id} was prepared; train anew."
            )
        with turn(run, home, devices) as name, tracked(run) as trackers:
            device = use(name)
            precision = find_precision(config.precision, device)
            run.report(
                state="running", message="Training.", device=str(device),
                precision=str(precision).removeprefix("torch."),
            )  # fmt: skip
            working = Working(run, config, cohort, plan, device, precision)
            if config.init and not (run.folder / RESUME).exists():
                start_from(working.model, find_run(config.init, home), run.meta)
            best_epoch = run_epochs(working, trackers.beside(on_progress))
            run.report(message="Scoring the test records.")
            score_run(working)
        run.report(state="done", eta_s=0, message="Done.", best_epoch=best_epoch)
        (run.folder / RESUME).unlink(missing_ok=True)
    return run


@contextmanager
def _told(run: Run) -> Iterator[None]:
    """Keep status.json true however the work ends."""
    remove_leftovers(run.folder)
    try:
        yield
    except Cancelled:
        run.report(state="cancelled", eta_s=None, message=CANCELLED.format(id=run.id))
    except (NotWritten, OSError) as error:
        why = error if isinstance(error, NotWritten) else f"{error.strerror or error}."
        message = NOT_WRITTEN.format(why=why, id=run.id)
        run.report(state="failed", eta_s=None, message=message)
        raise NotWritten(message) from error
    except EcgError as error:
        run.report(state="failed", eta_s=None, message=str(error))
        raise
    except KeyboardInterrupt:
        run.report(state="cancelled", eta_s=None, message=STOPPED.format(id=run.id))
        raise
    finally:
        run.forget_cancel()
        if run.status["state"] in ALIVE:  # an error of ours: the log has the details
            run.report(state="failed", eta_s=None, message="An error of the program; see the log.")
            with (run.folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(traceback.format_exc())
