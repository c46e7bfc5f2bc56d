"""Background jobs: a detached process, its stamp, alive or crashed, and its status.json.

A job is a folder. The process that works on it writes ``status.json``; everyone else reads it.
"""

import json
import platform
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ecgcore.atomic import read_json, write_json
from ecgcore.errors import NotWritten

if TYPE_CHECKING:
    from pydantic import BaseModel

STATUS_FILE = "status.json"
HEARTBEAT_TIMEOUT_S = 600.0
"""Seconds without a heartbeat before a process on another machine counts as crashed."""
_FORMER_STATES = {"died": "crashed"}
"""States that earlier versions wrote, and what they are called now."""

# Children of this process, kept so that one that ended is collected and not left a zombie.
_children: list[subprocess.Popen] = []


def process_stamp(pid: int | None = None) -> dict[str, Any]:
    """Return what identifies a process, by default this one: pid, start time and machine."""
    process = psutil.Process(pid)
    return {
        "pid": process.pid,
        "pid_started": process.create_time(),
        "machine": platform.node(),
    }


def is_alive(stamp: dict[str, Any], heartbeat_at: float | None = None) -> bool:
    """Return whether a stamped process still runs, by its pid and start time.

    Processes of another machine cannot be looked up: one counts as alive for
    ``HEARTBEAT_TIMEOUT_S`` after ``heartbeat_at`` (seconds since 1970).
    """
    if heartbeat_at is not None and stamp.get("machine", platform.node()) != platform.node():
        return time.time() - heartbeat_at < HEARTBEAT_TIMEOUT_S
    try:
        process = psutil.Process(stamp["pid"])
        is_same = abs(process.create_time() - stamp["pid_started"]) < 1.0
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_detached(command: Sequence[str], log: Path | None = None) -> int:
    """Start a process that outlives this one and return its pid.

    Its output is appended to ``log``, or discarded.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    output = log.open("ab") if log else None
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        if output:
            output.close()
    _children.append(child)
    return child.pid


def read_status(folder: Path, schema: "type[BaseModel]") -> dict[str, Any]:
    """Return a job's status as it was last written; states of earlier versions are translated.

    Raises
    ------
    DamagedFile
        The file is missing or does not fit the schema.
    """
    status = read_json(folder / STATUS_FILE, schema)
    return status | {"state": _FORMER_STATES.get(status["state"], status["state"])}


def interrupted_status(
    status: dict[str, Any], is_cancelled: bool, crashed_message: str, cancelled_message: str
) -> dict[str, Any]:
    """Return the status of a job whose process is gone without having written how it ended."""
    if is_cancelled:
        return status | {"state": "cancelled", "eta_s": None, "message": cancelled_message}
    return status | {"state": "crashed", "eta_s": None, "message": crashed_message}


def update_status(folder: Path, **changes: Any) -> None:
    """Change some entries of a job's status.

    On a full disk the file is overwritten in place, which needs no further space.
    """
    file = folder / STATUS_FILE
    status = (read_json(file) if file.exists() else {}) | changes
    try:
        write_json(file, status)
    except NotWritten:
        with suppress(OSError):
            return _overwrite(file, status)
        raise


def _overwrite(file: Path, status: dict[str, Any]) -> None:
    text = json.dumps(status, ensure_ascii=False, allow_nan=False).encode()
    with file.open("r+b", buffering=0) as existing:
        existing.write(text.ljust(file.stat().st_size))
