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
from typing import Any

from filelock import FileLock, Timeout

from ecgcore.background import process_stamp
from ecgcore.runs.run import ALIVE, Cancelled, Run
from ecgcore.workspace import Workspace

FOLDER = ".queue"
LOOK_EVERY_S = 0.5


def enter(run: Run, workspace: Workspace, devices: list[str], pid: int | None = None) -> None:
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
    _take_ticket(run, workspace)


def pass_by(run: Run, process: dict[str, Any] | None) -> None:
    """Let a run begin without a turn: a scheduler has given it its devices.

    ``process`` is the stamp of the one that works on it, by default this one.
    """
    if run.status["state"] not in ALIVE:
        run.forget_cancel()
    run.report(
        state="queued", eta_s=None, message="Starting.", devices=[],
        queued_at=time.time(), **(process or process_stamp()),
    )  # fmt: skip


def in_queue(workspace: Workspace) -> list[Run]:
    """Return the runs that work or wait, in the order in which they have their turns."""
    places: dict[Run, tuple] = {}
    for ticket in (workspace.runs / FOLDER).glob("*"):
        run = Run(workspace.runs / ticket.name)
        status = run.status if run.folder.exists() else {"state": "deleted"}
        if status["state"] not in ALIVE:
            ticket.unlink(missing_ok=True)
        elif status["state"] == "running" or not run.cancel_asked:
            places[run] = (status["state"] != "running", status["queued_at"], run.id)
    return sorted(places, key=places.__getitem__)


@contextmanager
def turn(run: Run, workspace: Workspace, devices: list[str]) -> Iterator[str]:
    """Wait for the run's turn on one of the devices, hold that device, and tell which it is.

    Raises
    ------
    Cancelled
        Somebody asked the run to stop before it had its turn.
    """
    with turns(run, workspace, devices, 1) as [device]:
        yield device


@contextmanager
def turns(run: Run, workspace: Workspace, devices: list[str], wanted: int) -> Iterator[list[str]]:
    """Do the same for several devices at once: hold as many as are wanted.

    Who waits for several keeps those that are free: nobody who comes later may take them.
    """
    locks = {d: FileLock(workspace.runs / f".{d.replace(':', '-')}.lock") for d in devices}
    try:
        try:
            held = _wait(run, workspace, locks, wanted)
            run.report(devices=held)
            yield held
        finally:
            for lock in locks.values():
                lock.release()
    finally:
        _ticket(run, workspace).unlink(missing_ok=True)


def _wait(run: Run, workspace: Workspace, locks: dict[str, FileLock], wanted: int) -> list[str]:
    """Return the first devices whose turn it is, locked."""
    devices = list(locks)
    held: list[str] = []
    told = None
    while not run.cancel_asked:
        _take_ticket(
            run, workspace
        )  # again: it may have been cleared away as that of a dead process
        ahead = _ahead(run, workspace)
        for device in (d for d in devices if d not in held):
            if not any(device in others for others in ahead) and _taken(locks[device]):
                held.append(device)
            if len(held) == wanted:
                return held
        before = max(1, sum(not set(devices).isdisjoint(others) for others in ahead))
        if before != told:
            trainings = "1 training" if before == 1 else f"{before} trainings"
            run.report(message=f"Waiting on {', '.join(devices)}: {trainings} before this one.")
            told = before
        time.sleep(LOOK_EVERY_S)
    raise Cancelled


def _ahead(run: Run, workspace: Workspace) -> list[list[str]]:
    """Return the devices of each run that has its turn before this one."""
    ahead = takewhile(lambda other: other.id != run.id, in_queue(workspace))
    return [other.status["devices"] for other in ahead]


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _ticket(run: Run, workspace: Workspace) -> Path:
    return workspace.runs / FOLDER / run.id


def _take_ticket(run: Run, workspace: Workspace) -> None:
    ticket = _ticket(run, workspace)
    ticket.parent.mkdir(exist_ok=True)
    ticket.touch()
