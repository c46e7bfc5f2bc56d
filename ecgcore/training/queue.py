"""The queue: which runs of a home wait for a device or work on it; first come, first served.

Whoever waits or works has a ticket, an empty file of the run's name in ``runs/.queue``. Since when,
on which devices and in which process stands in the run's status, so that nobody has to keep the
queue: a run whose process is gone is not in it. Looking at it takes as long as there are tickets,
however many runs there are. One lock a device sees to it that two never work on the same.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout

from ecgcore.home import Home
from ecgcore.processes import process_stamp
from ecgcore.training.run import ALIVE, Cancelled, Run

FOLDER = ".queue"
LOOK_EVERY_S = 0.5


def enter(run: Run, home: Home, devices: list[str], pid: int | None = None) -> None:
    """Put a run at the end of the queue for any of these devices, unless it is there.

    ``pid`` is the process that waits for its turn, by default this one.
    """
    status, stamp = run.status, process_stamp(pid)
    if status["state"] not in ALIVE:  # a wish to stop that an earlier process did not live to see
        run.forget_cancel()
    elif status["pid"] == stamp["pid"] and status["queued_at"]:
        return
    run.report(
        state="queued", eta_s=None, message="Starting.",
        devices=devices, queued_at=time.time(), **stamp,
    )  # fmt: skip
    _take_ticket(run, home)


def in_queue(home: Home) -> list[Run]:
    """Return the runs that work or wait, in the order in which they have their turns."""
    places: dict[Run, tuple] = {}
    for ticket in (home.runs / FOLDER).glob("*"):
        run = Run(home.runs / ticket.name)
        status = run.status if run.folder.exists() else {"state": "deleted"}
        if status["state"] not in ALIVE:
            ticket.unlink(missing_ok=True)
        elif status["state"] == "running" or not run.cancel_asked:
            places[run] = (status["state"] != "running", status["queued_at"], run.id)
    return sorted(places, key=places.__getitem__)


@contextmanager
def turn(run: Run, home: Home, devices: list[str]) -> Iterator[str]:
    """Wait for the run's turn on one of the devices, hold that device, and tell which it is.

    Raises
    ------
    Cancelled
        Somebody asked the run to stop before it had its turn.
    """
    try:
        device, lock = _wait(run, home, devices)
        try:
            run.report(devices=[device])
            yield device
        finally:
            lock.release()
    finally:
        _ticket(run, home).unlink(missing_ok=True)


def _wait(run: Run, home: Home, devices: list[str]) -> tuple[str, FileLock]:
    """Return the first device whose turn it is, locked, and its lock."""
    locks = {d: FileLock(home.runs / f".{d.replace(':', '-')}.lock") for d in devices}
    told = None
    while not run.cancel_asked:
        _take_ticket(run, home)  # again: it may have been cleared away as that of a dead process
        ahead = _ahead(run, home)
        for device, lock in locks.items():
            if not any(device in others for others in ahead) and _taken(lock):
                return device, lock
        before = max(1, sum(not set(devices).isdisjoint(others) for others in ahead))
        if before != told:
            trainings = "1 training" if before == 1 else f"{before} trainings"
            run.report(message=f"Waiting on {', '.join(devices)}: {trainings} before this one.")
            told = before
        time.sleep(LOOK_EVERY_S)
    raise Cancelled


def _ahead(run: Run, home: Home) -> list[list[str]]:
    """Return the devices of each run that has its turn before this one."""
    ahead = takewhile(lambda other: other.id != run.id, in_queue(home))
    return [other.status["devices"] for other in ahead]


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _ticket(run: Run, home: Home) -> Path:
    return home.runs / FOLDER / run.id


def _take_ticket(run: Run, home: Home) -> None:
    ticket = _ticket(run, home)
    ticket.parent.mkdir(exist_ok=True)
    ticket.touch()
