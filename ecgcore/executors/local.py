"""Working on jobs in several processes, which end with the one that started them."""

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
from ecgcore.executors.progress import Tally

_POLL_S = 0.3
_WORTH_RECORDS = 200
_RESTARTS = 3
"""So often in a row may a process be lost without a job having been finished in between."""
_PRELOADED = ("ecgcore.executors.single_thread", "ecgcore.cohort.shards")
MEASURING = ("ecgcore.measure.measurements", "ecgcore.measure.quality")
"""What workers need that measure."""
LOST = (
    "A working process was ended from outside (out of memory?), again and again; run it again, "
    "with fewer workers: what was done is used again."
)
_shared: dict[str, Any] = {}
"""In a worker: how many records each job under way has done and refused, and whether to stop."""


class _Stopped(Exception):
    """The process that asked for a job no longer wants it."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_to(threads: int) -> None:
    """Let torch compute on so many threads, where it is loaded: the other cores are others'."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def workers_for(records: int) -> int:
    """Return how many processes are worth their start, about 3 s each, for so many records."""
    return max(1, min(cores(), records // _WORTH_RECORDS))


def run_all(
    work: Callable[..., Any],
    jobs: Iterable[tuple],
    workers: int | None,
    on_done: Callable[[int], None],
    needs: tuple[str, ...] = (),
    on_refused: Callable[[int], None] = lambda refused: None,
    shared: Path | None = None,
) -> list[Any]:
    """Do ``work(*job, on_record)`` for each job, in this process if one is enough.

    Returns what came of them, in the order in which they were done.

    ``work`` calls ``on_record`` after each record, with True where it was refused; ``on_refused``
    is told how many all have refused, then ``on_done`` how many all have done. ``needs`` are
    modules that are imported once for all. ``jobs`` is read no further than there is room. What a
    process was at when it was killed is begun again by another. ``workers`` are by default one a
    core; ``shared``, a folder that all workers must see, needs no look on one machine.

    Raises
    ------
    EcgError
        Processes were killed again and again.
    """
    jobs, workers = iter(jobs), workers or cores()
    first = list(islice(jobs, 2))
    jobs, tally = chain(first, jobs), Tally(on_done, on_refused)
    if min(workers, len(first)) <= 1:
        return [work(*job, tally.count) for job in jobs]
    results: list[Any] = []
    lost: deque[tuple] = deque()
    in_vain = 0
    while in_vain <= _RESTARTS:
        before = len(results)
        if _Crew(work, workers, _context(needs), tally).work_off(jobs, lost, results):
            return results
        in_vain = 0 if len(results) > before else in_vain + 1
    raise EcgError(LOST)


class _Crew:
    """Processes at work on as many jobs as there is room for.

    Each job under way has a place where its process counts what it has done.
    """

    def __init__(self, work: Callable[..., Any], workers: int, context: Any, tally: Tally):
        self.work, self.tally = work, tally
        self.free = list(range(2 * workers))
        self.done, self.refused = (context.Array("q", 2 * workers, lock=False) for _ in range(2))
        self.stop = context.Event()
        self.pool = ProcessPoolExecutor(
            workers, context, initializer=_start, initargs=(self.done, self.refused, self.stop)
        )
        self.under_way: dict[Future, tuple[int, tuple]] = {}

    def work_off(self, jobs: Iterator[tuple], lost: deque[tuple], results: list[Any]) -> bool:
        """Append to ``results`` what comes of the jobs, those that were lost before first.

        Returns
        -------
        bool
            Whether all are done. Else a process was killed, and what was under way is ``lost``.
        """
        is_whole = True
        try:
            while is_whole and (self._take(jobs, lost) or self.under_way):
                finished, _ = wait(self.under_way, _POLL_S, FIRST_COMPLETED)
                is_whole = self._collect(finished, results)
                self.tally.tell(sum(self.done), sum(self.refused))
        except BrokenProcessPool:  # no job is taken any more
            is_whole = False
        finally:
            self.stop.set()
            self.pool.shutdown(cancel_futures=True)  # comes back when all its processes are gone
        if not is_whole:
            self._collect(set(self.under_way), results)
            lost.extend(job for _, job in self.under_way.values())
        return is_whole

    def _take(self, jobs: Iterator[tuple], lost: deque[tuple]) -> bool:
        """Begin jobs while there is room; tell whether one was begun."""
        before = len(self.under_way)
        while self.free and (job := lost.popleft() if lost else next(jobs, None)) is not None:
            place = self.free.pop()
            try:
                self.under_way[self.pool.submit(_run, self.work, job, place)] = place, job
            except BrokenProcessPool:
                lost.appendleft(job)
                raise
        return len(self.under_way) > before

    def _collect(self, finished: set[Future], results: list[Any]) -> bool:
        """Keep what came of finished jobs; tell whether none of them was lost."""
        whole = [future for future in finished if not _was_lost(future)]
        for future in whole:
            results.append(future.result())
            place, _ = self.under_way.pop(future)
            self.tally.finished(self.done[place], self.refused[place])
            self.done[place] = self.refused[place] = 0
            self.free.append(place)
        return len(whole) == len(finished)


def _was_lost(future: Future) -> bool:
    return future.cancelled() or isinstance(future.exception(), BrokenProcessPool)


def _context(needs: tuple[str, ...]) -> Any:
    """Return how processes start: forked from a fresh one, which has no threads of the caller's
    and has imported what all need; spawned where that cannot be."""
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload([*_PRELOADED, *needs])
    return context


def _run(work: Callable[..., Any], job: tuple, place: int) -> Any:
    """In a worker: do a job, and count its records in its place."""
    keep_to(1)

    def count(is_refused: bool = False) -> None:
        if _shared["stop"].is_set():
            raise _Stopped
        _shared["refused"][place] += is_refused
        _shared["done"][place] += 1

    return work(*job, count)


def _start(done, refused, stop) -> None:
    """Set a worker up: Ctrl-C is the parent's, and a worker without a parent ends at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared.update(done=done, refused=refused, stop=stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
