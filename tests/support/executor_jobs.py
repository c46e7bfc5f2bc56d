"""Jobs for executor tests, some of which kill their process; importable by any worker."""

import os
import signal
from pathlib import Path

from ecgcore.errors import UnreadableRecord


def square(number, folder, on_record):
    """Count three records, one of them refused, and note that the job was begun."""
    with (folder / f"begun-{number}").open("a") as file:
        file.write("x")
    for is_refused in (False, True, False):
        on_record(is_refused)
    return number * number


def dies_once(number, folder, on_record):
    """As ``square``, but the first process that is at job 3 is killed in the middle of it."""
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        on_record(False)
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number, folder, on_record)


def dies_always(number, folder, on_record):
    """End every process that comes to it."""
    if number:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(number, folder, on_record):
    """Fail as a reader fails."""
    raise UnreadableRecord(f"Record {number} has 8 leads.")
