"""Following a training of other processes: progress and outcome, from the run's folder."""

import time
from collections.abc import Callable

from ecgcore.errors import EcgError
from ecgcore.runs.run import Run
from ecgcore.training.loop import Progress

MAX_RESTARTS = 3
"""How many times lost workers are started again."""
POLL_INTERVAL_S = 0.5
LOST = (
    "Workers of run {id} were lost {restarts} times; see its log.txt. `ecgcore runs resume {id}` "
    "continues from the last checkpoint."
)


def follow_run(run: Run, on_progress: Progress, has_ended: Callable[[], bool]) -> None:
    """Report the progress of other processes on a run until ``has_ended`` returns True."""
    last_epoch = int(run.status["epoch"])
    is_over = False
    while not is_over:
        is_over = has_ended()
        status, history = run.status, run.history
        rows = history.to_dict("records") if len(history) else []
        for row in [None, *(row for row in rows if row["epoch"] > last_epoch)]:
            if "steps" in status:
                on_progress(run, {k: status[k] for k in ("epoch", "step", "steps")} | {"row": row})
            last_epoch = max(last_epoch, row["epoch"] if row else 0)
        if not is_over:
            time.sleep(POLL_INTERVAL_S)


def raise_failure(run: Run) -> None:
    """Raise the error that ended the workers' training, unless it is done or was cancelled."""
    status = run.status
    if status["state"] == "failed":
        raise EcgError(status["message"])
    if status["state"] not in ("done", "cancelled"):
        message = LOST.format(id=run.id, restarts=MAX_RESTARTS)
        run.update_status(state="failed", eta_s=None, message=message)
        raise EcgError(message)
