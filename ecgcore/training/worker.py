"""``python -m ecgcore.training.worker RUN WORKSPACE``: one worker, as torchrun starts it.

Errors of the training are written into the run's folder, where the launcher reads them. The worker
then ends with exit code 0: torchrun would only start it again.
"""

import signal
import sys
from contextlib import suppress
from pathlib import Path

from ecgcore.errors import EcgError
from ecgcore.runs.run import Run
from ecgcore.training.distributed import join_team
from ecgcore.training.trainer import train_as_worker
from ecgcore.workspace import Workspace


def main(folder: str, workspace: str) -> None:
    """Train a run as one of the workers that torchrun started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher cancels the run for all workers
    with suppress(EcgError), join_team() as team:
        train_as_worker(team, Run(Path(folder)), Workspace(Path(workspace)))


if __name__ == "__main__":
    main(*sys.argv[1:])
