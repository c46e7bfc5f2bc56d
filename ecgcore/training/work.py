"""From a request to a scored run: prepare, wait for the turn, train, score, say how it ended."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from ecgcore.errors import EcgError
from ecgcore.home import Home
from ecgcore.training.config import TrainConfig
from ecgcore.training.device import Cancelled, find_device, find_precision, turn_on
from ecgcore.training.loop import Progress, run_epochs
from ecgcore.training.preparing import plan_of, prepare
from ecgcore.training.run import ALIVE, Run, process_stamp
from ecgcore.training.scoring import score_run
from ecgcore.training.working import Working


def train(config: TrainConfig, home: Home, on_progress: Progress | None = None) -> Run:
    """Prepare a run and work on it until it is done; return it."""
    return work(prepare(config, home), home, on_progress)


def work(run: Run, home: Home, on_progress: Progress | None = None) -> Run:
    """Train what ``run.json`` asks for, from the first epoch, and score it."""
    config = run.config
    with _told(run):
        cohort, plan = plan_of(config, home)
        if plan.hash != run.meta["split"]["hash"]:
            raise EcgError(
                f"Cohort '{cohort.name}' has changed since run {run.id} was prepared; train anew."
            )
        device = find_device(config.device)
        with turn_on(device, run, home):
            precision = find_precision(config.precision, device)
            run.report(
                state="running", message="Training.", device=str(device),
                precision=str(precision).removeprefix("torch."),
            )  # fmt: skip
            working = Working(run, config, cohort, plan, device, precision)
            run_epochs(working, on_progress or (lambda run, status: None))
            run.report(message="Scoring the test records.")
            score_run(working)
        run.report(state="done", eta_s=0, message="Done.", best_epoch=working.best_epoch)
    return run


@contextmanager
def _told(run: Run) -> Iterator[None]:
    """Keep status.json true however the work ends."""
    (run.folder / "history.jsonl").unlink(missing_ok=True)
    run.report(state="queued", epoch=0, eta_s=None, message="Preparing.", **process_stamp())
    try:
        yield
    except Cancelled:
        run.report(state="cancelled", eta_s=None, message="Cancelled; the best epoch is kept.")
    except EcgError as error:
        run.report(state="failed", eta_s=None, message=str(error))
        raise
    except KeyboardInterrupt:
        run.report(state="cancelled", eta_s=None, message="Stopped from the terminal.")
        raise
    finally:
        (run.folder / "cancel").unlink(missing_ok=True)
        if run.status["state"] in ALIVE:  # an error of ours: the log has the details
            with (run.folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(traceback.format_exc())
            run.report(state="failed", eta_s=None, message="An error of the program; see the log.")
