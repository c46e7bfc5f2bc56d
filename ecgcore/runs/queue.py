"""The queue: runs of a workspace that wait for a device or train on it; first come, first served.

Each of these runs has a ticket, an empty file of the run's name in ``runs/.queue``. Queueing time,
devices and process are in the run's status, so no process has to manage the queue: a run whose
process is gone has left it. Reading the queue takes time in proportion to the tickets, however many
runs there are. One lock a device ensures that two runs never train on the same device.
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
POLL_INTERVAL_S = 0.5


def enqueue(run: Run, workspace: Workspace, devices: list[str], pid: int | None = None) -> None:
    """Put a run at the end of the queue for any of these devices, unless it is already queued.

    ``pid`` is the process that waits for the device, by default this one.
    """
    status, stamp = run.status, process_stamp(pid)
    if status["state"] not in ALIVE:  # a request to stop that an earlier process did not see
        run.clear_cancel()
    elif status["pid"] == stamp["pid"] and status["queued_at"]:
        return
    _report_queued(run, devices, stamp)
    _write_ticket(run, workspace)


def skip_queue(run: Run, process: dict[str, Any] | None) -> None:
    """Begin a run without queueing: a scheduler has assigned its devices.

    ``process`` is the stamp of the process that trains it, by default this one.
    """
    if run.status["state"] not in ALIVE:
        run.clear_cancel()
    _report_queued(run, [], process or process_stamp())


def _report_queued(run: Run, devices: list[str], stamp: dict[str, Any]) -> None:
    run.update_status(
        state="queued",
        eta_s=None,
        message="Starting.",
        devices=devices,
        queued_at=time.time(),
        **stamp,
    )


def queued_runs(workspace: Workspace) -> list[Run]:
    """Return the runs that train or wait, in the order of the queue."""
    positions: dict[Run, tuple] = {}
    for ticket in (workspace.runs / FOLDER).glob("*"):
        run = Run(workspace.runs / ticket.name)
        status = run.status if run.damage is None else {"state": "damaged"}  # or deleted
        if status["state"] not in ALIVE:
            ticket.unlink(missing_ok=True)
        elif status["state"] == "running" or not run.cancel_requested:
            positions[run] = (status["state"] != "running", status["queued_at"] or 0, run.id)
    return sorted(positions, key=positions.__getitem__)


@contextmanager
def acquire(run: Run, workspace: Workspace, devices: list[str], count: int) -> Iterator[list[str]]:
    """Wait until the run is first in the queue for ``count`` of the devices, and hold these.

    A run that waits for several devices keeps those that are free, so that no later run takes them.

    Raises
    ------
    Cancelled
        Somebody asked the run to stop while it was waiting.
    """
    locks = {d: FileLock(workspace.runs / f".{d.replace(':', '-')}.lock") for d in devices}
    try:
        try:
            acquired = _wait(run, workspace, locks, count)
            run.update_status(devices=acquired)
            yield acquired
        finally:
            for lock in locks.values():
                lock.release()
    finally:
        _ticket(run, workspace).unlink(missing_ok=True)


def _wait(run: Run, workspace: Workspace, locks: dict[str, FileLock], count: int) -> list[str]:
    """Return the first ``count`` devices that become available, locked."""
    devices = list(locks)
    acquired: list[str] = []
    reported = None
    while not run.cancel_requested:
        _write_ticket(run, workspace)  # again: it may have been removed as that of a dead process
        ahead = _devices_ahead(run, workspace)
        for device in (d for d in devices if d not in acquired):
            if not any(device in others for others in ahead) and _try_lock(locks[device]):
                acquired.append(device)
            if len(acquired) == count:
                return acquired
        before = max(1, sum(not set(devices).isdisjoint(others) for others in ahead))
        if before != reported:
            trainings = "1 training" if before == 1 else f"{before} trainings"
            message = f"Waiting on {', '.join(devices)}: {trainings} before this one."
            run.update_status(message=message)
            reported = before
        time.sleep(POLL_INTERVAL_S)
    raise Cancelled


def _devices_ahead(run: Run, workspace: Workspace) -> list[list[str]]:
    """Return the devices of each run that precedes this one."""
    ahead = takewhile(lambda other: other.id != run.id, queued_runs(workspace))
    return [other.status["devices"] for other in ahead]


def _try_lock(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _ticket(run: Run, workspace: Workspace) -> Path:
    return workspace.runs / FOLDER / run.id


def _write_ticket(run: Run, workspace: Workspace) -> None:
    ticket = _ticket(run, workspace)
    ticket.parent.mkdir(exist_ok=True)
    ticket.touch()
