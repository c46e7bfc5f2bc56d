"""Which process works on something, and whether it still does."""

from typing import Any

import psutil


def process_stamp(pid: int | None = None) -> dict[str, Any]:
    """Return what a status says of the process that works on it: by default this one."""
    process = psutil.Process(pid)
    return {"pid": process.pid, "pid_started": process.create_time()}


def lives(stamp: dict[str, Any]) -> bool:
    """Tell whether a stamped process still runs (by pid and start time)."""
    try:
        process = psutil.Process(stamp["pid"])
        alike = abs(process.create_time() - stamp["pid_started"]) < 1.0
        return alike and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
