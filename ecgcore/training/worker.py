"""``python -m ecgcore.training.worker RUN HOME``: one worker of a team, as torchrun starts it.

Whoever started the team reads from the run's folder what became of it; an error that can be told
is told there, and the worker ends well: torchrun would only begin again.
"""

import signal
import sys
from contextlib import suppress
from pathlib import Path

from ecgcore.errors import EcgError
from ecgcore.runs.run import Run
from ecgcore.training.distributed import joined
from ecgcore.training.trainer import work_together
from ecgcore.workspace import Workspace


def main(folder: str, workspace: str) -> None:
    """Work on a run as one of the team that this process was started for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run is asked to stop, and all hear of it
    with suppress(EcgError), joined() as team:
        work_together(team, Run(Path(folder)), Workspace(Path(workspace)))


if __name__ == "__main__":
    main(*sys.argv[1:])
