"""Writing shards in several processes, which end with the one that started them."""

import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from ecgcore.cohort.shards import Form, Work, write_shard
from ecgcore.errors import EcgError

_POLL_S = 0.3
_shared: dict[str, Any] = {}
"""In a worker: how many records all workers have done, and whether to stop."""


class _Stopped(Exception):
    """The process that asked for a shard no longer wants it."""


def write_all(
    cohort: Path,
    todo: list[tuple[str, Work]],
    form: Form,
    workers: int,
    on_done: Callable[[int], None],
) -> None:
    """Write shards (name, work), in this process if one is enough, and tell records done."""
    if min(workers, len(todo)) <= 1:
        _write_here(cohort, todo, form, on_done)
        return
    context = mp.get_context("spawn")  # safe beside the threads of whoever calls
    done, stop = context.Value("q", 0), context.Event()
    pool = ProcessPoolExecutor(
        min(workers, len(todo)), context, initializer=_start, initargs=(done, stop)
    )
    try:
        pending = {pool.submit(_write, cohort, name, work, form) for name, work in todo}
        while pending:
            finished, pending = wait(pending, timeout=_POLL_S)
            for future in finished:
                future.result()
            on_done(done.value)
    except BrokenProcessPool:
        raise EcgError(
            "A reading process was ended from outside (out of memory?); run it again, with fewer "
            "workers: what was done is used again."
        ) from None
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _write_here(
    cohort: Path, todo: list[tuple[str, Work]], form: Form, on_done: Callable[[int], None]
) -> None:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        on_done(done)

    for name, work in todo:
        write_shard(cohort, name, work, form, count)


def _write(cohort: Path, name: str, work: Work, form: Form) -> None:
    write_shard(cohort, name, work, form, _count)


def _start(done, stop) -> None:
    """Set a worker up: Ctrl-C is the parent's, and a worker without a parent ends at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared.update(done=done, stop=stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _count() -> None:
    if _shared["stop"].is_set():
        raise _Stopped
    with _shared["done"].get_lock():
        _shared["done"].value += 1
