"""Which process works on something, and whether it still does."""

import platform
import time
from typing import Any

import psutil

SILENT_S = 600.0
"""What works on another machine is taken for dead when it has said nothing for so long."""


def process_stamp(pid: int | None = None) -> dict[str, Any]:
    """Return what a status says of the process that works on it: by default this one."""
    process = psutil.Process(pid)
    return {
        "pid": process.pid,
        "pid_started": process.create_time(),
        "machine": platform.node(),
    }


def lives(stamp: dict[str, Any], heard_at: float | None = None) -> bool:
    """Tell whether a stamped process still runs (by pid and start time).

    Into another machine nobody can look: there it counts when it was last heard of, in seconds
    since 1970.
    """
    if heard_at is not None and stamp.get("machine", platform.node()) != platform.node():
        return time.time() - heard_at < SILENT_S
    try:
        process = psutil.Process(stamp["pid"])
        alike = abs(process.create_time() - stamp["pid_started"]) < 1.0
        return alike and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
