"""Executor on this machine: a pool of processes that end together with their parent."""

import multiprocessing as mp
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ecgcore.errors import EcgError
from ecgcore.executors.progress import ProgressCounter

_POLL_S = 0.3
RECORDS_PER_WORKER = 200
_MAX_RESTARTS = 3
"""Restarts of the pool in a row without any job having finished in between."""
_SINGLE_THREAD = "ecgcore.executors.single_thread"
"""Preloaded first: it must run before numpy is imported."""
WORKER_LOST = (
    "A worker process was ended from outside (out of memory?), again and again; run it again, "
    "with fewer workers: finished work is used again."
)
_worker_state: dict[str, Any] = {}
"""In a worker: records done and refused by running job, and the stop event."""


class _Stopped(Exception):
    """The parent process no longer needs the result of a job."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_torch_threads(threads: int) -> None:
    """Limit torch, if it is loaded, to a number of threads: other workers use the other cores."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def workers_for(records: int) -> int:
    """Return the number of processes that repay their start, about 3 s each."""
    return max(1, min(cores(), records // RECORDS_PER_WORKER))


def run_all(
    function: Callable[..., Any],
    jobs: Iterable[tuple],
    workers: int | None,
    on_done: Callable[[int], None],
    preload: tuple[str, ...] = (),
    on_refused: Callable[[int], None] = lambda refused: None,
    shared_folder: Path | None = None,
) -> list[Any]:
    """Call ``function(*job, on_record)`` for each job, in this process if one is enough.

    A job whose process was killed is restarted by another one.

    Parameters
    ----------
    function
        Calls ``on_record`` after each record, with True if the record was refused.
    jobs
        Arguments of ``function``; consumed only as workers become free.
    workers
        Number of processes; default one per core.
    on_done, on_refused
        Called with the number of records done and refused by all jobs, ``on_refused`` first.
    preload
        Modules that are imported once for all workers.
    shared_folder
        Folder that all workers must see; not checked on a single machine.

    Returns
    -------
    list
        Results in the order in which the jobs finished.

    Raises
    ------
    EcgError
        Processes were killed again and again.
    """
    jobs, workers = iter(jobs), workers or cores()
    first = list(islice(jobs, 2))
    jobs, progress = chain(first, jobs), ProgressCounter(on_done, on_refused)
    if min(workers, len(first)) <= 1:
        return [function(*job, progress.count) for job in jobs]
    results: list[Any] = []
    lost: deque[tuple] = deque()
    restarts = 0
    while restarts <= _MAX_RESTARTS:
        n_before = len(results)
        if _WorkerPool(function, workers, _context(preload), progress).run(jobs, lost, results):
            return results
        restarts = 0 if len(results) > n_before else restarts + 1
    raise EcgError(WORKER_LOST)


def run_in_order(
    function: Callable[..., Any],
    jobs: Iterable[tuple],
    workers: int,
    preload: tuple[str, ...] = (),
) -> Iterator[Any]:
    """Yield ``function(*job)`` for each job, in the order of the jobs.

    Parameters
    ----------
    function, preload
        As in ``run_all``; ``function`` counts no records.
    jobs
        Arguments of ``function``; consumed only a little ahead of the results.
    workers
        Number of processes.

    Raises
    ------
    EcgError
        Processes were killed again and again.
    """
    jobs, pending, restarts = iter(jobs), deque[tuple](), 0
    while restarts <= _MAX_RESTARTS:
        pool = ProcessPoolExecutor(workers, _context(preload), initializer=_start_worker)
        try:
            futures = deque(pool.submit(function, *job) for job in pending)
            while True:
                for job in islice(jobs, 2 * workers + 1 - len(pending)):
                    pending.append(job)
                    futures.append(pool.submit(function, *job))
                if not futures:
                    return
                result = futures.popleft().result()
                pending.popleft()
                restarts = 0
                yield result
        except BrokenProcessPool:
            restarts += 1
        finally:
            pool.shutdown(cancel_futures=True)
    raise EcgError(WORKER_LOST)


class _WorkerPool:
    """Pool of processes; each running job has a slot where its process counts its records."""

    def __init__(
        self,
        function: Callable[..., Any],
        workers: int,
        context: Any,
        progress: ProgressCounter,
    ):
        self.function, self.progress = function, progress
        self.free_slots = list(range(2 * workers))
        self.done, self.refused = (context.Array("q", 2 * workers, lock=False) for _ in range(2))
        self.stop = context.Event()
        self.pool = ProcessPoolExecutor(
            workers,
            context,
            initializer=_init_worker,
            initargs=(self.done, self.refused, self.stop),
        )
        self.running: dict[Future, tuple[int, tuple]] = {}

    def run(self, jobs: Iterator[tuple], lost: deque[tuple], results: list[Any]) -> bool:
        """Append the results of all jobs to ``results``, starting with the ``lost`` ones.

        Returns
        -------
        bool
            Whether all jobs are done. Otherwise a process was killed, and the jobs that were
            running are in ``lost``.
        """
        is_intact = True
        try:
            while is_intact and (self._submit(jobs, lost) or self.running):
                finished, _ = wait(self.running, _POLL_S, FIRST_COMPLETED)
                is_intact = self._collect(finished, results)
                self.progress.report(sum(self.done), sum(self.refused))
        except BrokenProcessPool:  # the pool accepts no more jobs
            is_intact = False
        finally:
            self.stop.set()
            self.pool.shutdown(cancel_futures=True)  # returns when all processes are gone
        if not is_intact:
            self._collect(set(self.running), results)
            lost.extend(job for _, job in self.running.values())
        return is_intact

    def _submit(self, jobs: Iterator[tuple], lost: deque[tuple]) -> bool:
        """Submit jobs to all free slots; return whether any was submitted."""
        n_before = len(self.running)
        while self.free_slots and (job := lost.popleft() if lost else next(jobs, None)) is not None:
            slot = self.free_slots.pop()
            try:
                self.running[self.pool.submit(_run_job, self.function, job, slot)] = slot, job
            except BrokenProcessPool:
                lost.appendleft(job)
                raise
        return len(self.running) > n_before

    def _collect(self, finished: set[Future], results: list[Any]) -> bool:
        """Append the results of finished jobs; return whether none of them was lost."""
        completed = [future for future in finished if not _was_lost(future)]
        for future in completed:
            results.append(future.result())
            slot, _ = self.running.pop(future)
            self.progress.add_finished(self.done[slot], self.refused[slot])
            self.done[slot] = self.refused[slot] = 0
            self.free_slots.append(slot)
        return len(completed) == len(finished)


def _was_lost(future: Future) -> bool:
    return future.cancelled() or isinstance(future.exception(), BrokenProcessPool)


def _context(preload: tuple[str, ...]) -> Any:
    """Return the multiprocessing context: a fork server that preloads modules, or spawn.

    Processes forked from the server have none of the caller's threads.
    """
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload([_SINGLE_THREAD, *preload])
    return context


def _run_job(function: Callable[..., Any], job: tuple, slot: int) -> Any:
    """In a worker: run a job and count its records in its slot."""
    limit_torch_threads(1)

    def count(is_refused: bool = False) -> None:
        if _worker_state["stop"].is_set():
            raise _Stopped
        _worker_state["refused"][slot] += is_refused
        _worker_state["done"][slot] += 1

    return function(*job, count)


def _init_worker(done, refused, stop) -> None:
    """Set a worker of a ``_WorkerPool`` up."""
    _worker_state.update(done=done, refused=refused, stop=stop)
    _start_worker()


def _start_worker() -> None:
    """Set a worker up: it ignores Ctrl-C, which the parent handles, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_torch_threads(1)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
