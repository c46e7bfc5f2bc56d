"""Working on shards in several processes, which end with the one that started them."""

import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ecgcore.errors import EcgError

_POLL_S = 0.3
_WORTH_RECORDS = 200
_PRELOADED = ("ecgcore.cohort.one_thread", "ecgcore.cohort.shards")
MEASURING = ("ecgcore.measure.measurements", "ecgcore.measure.quality")
"""What workers need that measure."""
_shared: dict[str, Any] = {}
"""In a worker: how many records all workers have done and refused, and whether to stop."""


class _Stopped(Exception):
    """The process that asked for a shard no longer wants it."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_for(records: int) -> int:
    """Return how many processes are worth their start, about 3 s each, for so many records."""
    return max(1, min(cores(), records // _WORTH_RECORDS))


def run_all(
    work: Callable[..., Any],
    jobs: list[tuple],
    workers: int,
    on_done: Callable[[int], None],
    needs: tuple[str, ...] = (),
    on_refused: Callable[[int], None] = lambda refused: None,
) -> list[Any]:
    """Do ``work(*job, on_record)`` for each job, in this process if one is enough.

    Returns what came of them, in the order in which they were done.

    ``work`` calls ``on_record`` after each record, with True where it was refused; ``on_refused``
    is told how many all have refused, then ``on_done`` how many all have done. ``needs`` are
    modules that are imported once for all.
    """
    if min(workers, len(jobs)) <= 1:
        return _run_here(work, jobs, on_done, on_refused)
    context = _context(needs)
    done, refused, stop = context.Value("q", 0), context.Value("q", 0), context.Event()
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), context, initializer=_start, initargs=(done, refused, stop)
    )
    results = []
    try:
        pending = {pool.submit(_run, work, job) for job in jobs}
        while pending:
            finished, pending = wait(pending, timeout=_POLL_S)
            results += [future.result() for future in finished]
            on_refused(refused.value)
            on_done(done.value)
    except BrokenProcessPool:
        raise EcgError(
            "A reading process was ended from outside (out of memory?); run it again, with fewer "
            "workers: what was done is used again."
        ) from None
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return results


def _context(needs: tuple[str, ...]) -> Any:
    """Return how processes start: forked from a fresh one, which has no threads of the caller's
    and has imported what all need; spawned where that cannot be."""
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload([*_PRELOADED, *needs])
    return context


def _run_here(
    work: Callable[..., Any],
    jobs: list[tuple],
    on_done: Callable[[int], None],
    on_refused: Callable[[int], None],
) -> list[Any]:
    done = refused = 0

    def count(is_refused: bool = False) -> None:
        nonlocal done, refused
        done += 1
        refused += is_refused
        on_refused(refused)
        on_done(done)

    return [work(*job, count) for job in jobs]


def _run(work: Callable[..., Any], job: tuple) -> Any:
    return work(*job, _count)


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


def _count(is_refused: bool = False) -> None:
    if _shared["stop"].is_set():
        raise _Stopped
    if is_refused:
        with _shared["refused"].get_lock():
            _shared["refused"].value += 1
    with _shared["done"].get_lock():
        _shared["done"].value += 1
