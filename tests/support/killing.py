"""Kill a working process, as a machine that runs out of memory does."""

import os
import signal

import psutil

from ecgcore.executors.ray_cluster import TASK


def workers_of_ray() -> list[psutil.Process]:
    """Return the processes that run tasks of ours on Ray at this moment."""
    workers = []
    for process in psutil.process_iter(["cmdline", "uids"]):
        title = " ".join(process.info["cmdline"] or ())
        if title.startswith(f"ray::{TASK}") and process.info["uids"].real == os.getuid():
            workers.append(process)
    return workers


def workers_here() -> list[psutil.Process]:
    """Return this process's own workers, forked by its fork server."""
    servers = [p for p in psutil.Process().children() if "forkserver" in " ".join(p.cmdline())]
    return [worker for server in servers for worker in server.children()]


class Killer:
    """Kills one worker as soon as enough jobs are done; ``killed`` is its pid."""

    def __init__(self, find, after: int):
        self.find, self.after = find, after
        self.killed: int | None = None
        self.reports: list[tuple[int, ...]] = []

    def __call__(self, *counts: int) -> None:
        """Receive progress: the number of finished jobs first."""
        self.reports.append(counts)
        if self.killed is None and counts[0] >= self.after:
            self.killed = self.find()[0].pid
            os.kill(self.killed, signal.SIGKILL)


def files_of(folder) -> dict[str, bytes]:
    """Return the content of all files of a folder, hidden ones too, by name.

    A cohort's ``columns.arrow`` is left out: it depends on the times of its shards' files.
    """
    files = (f for f in folder.rglob("*") if f.is_file() and f.name != "columns.arrow")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}
