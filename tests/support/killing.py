"""Killing a process that works, as a machine that runs out of memory does."""

import os
import signal

import psutil

from ecgcore.executors.ray_cluster import TASK


def workers_of_ray() -> list[psutil.Process]:
    """Return the processes that do tasks of ours on Ray at this moment."""
    found = []
    for process in psutil.process_iter(["cmdline", "uids"]):
        title = " ".join(process.info["cmdline"] or ())
        if title.startswith(f"ray::{TASK}") and process.info["uids"].real == os.getuid():
            found.append(process)
    return found


def workers_here() -> list[psutil.Process]:
    """Return this process's own workers: what its fork server forked."""
    servers = [p for p in psutil.Process().children() if "forkserver" in " ".join(p.cmdline())]
    return [worker for server in servers for worker in server.children()]


class Killer:
    """Kills one worker, the first time that enough is done; ``killed`` is who it was."""

    def __init__(self, find, after: int):
        self.find, self.after = find, after
        self.killed: int | None = None
        self.told: list[tuple[int, ...]] = []

    def __call__(self, *told: int) -> None:
        """Note progress, ``done`` first."""
        self.told.append(told)
        if self.killed is None and told[0] >= self.after:
            self.killed = self.find()[0].pid
            os.kill(self.killed, signal.SIGKILL)


def files_of(folder) -> dict[str, bytes]:
    """Return the content of all files of a folder, hidden ones too, by name.

    But for a cohort's ``columns.arrow``, which follows from its shards and their files' times.
    """
    files = (f for f in folder.rglob("*") if f.is_file() and f.name != "columns.arrow")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}
