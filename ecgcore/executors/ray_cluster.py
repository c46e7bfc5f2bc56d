"""Working on jobs as tasks of a Ray cluster: many machines with a folder in common.

Tasks are told paths and settings and write their files themselves; nothing large goes through
Ray. A task whose process or machine is lost is begun again by Ray, on another one.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ecgcore.errors import EcgError
from ecgcore.executors.local import LOST, cores, keep_to
from ecgcore.executors.progress import Tally
from ecgcore.version import __version__

TASK = "ecgcore job"
"""What a process is called, behind ``ray::``, while it is at a task."""
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
_POLL_S = 0.5
_RETRIES = 3
"""So often is a task begun again whose process was lost."""
_STORE_BYTES = 100_000_000
"""Memory for what tasks hand to each other, in a cluster of ours: next to nothing."""


class Share(NamedTuple):
    """What one task has for itself."""

    cpus: float = 1
    gpus: float = 0


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected to a cluster, or to one that is started here (None) and ended with the block.

    A connection that this process has already is used and left as it is.

    Raises
    ------
    EcgError
        No cluster answers at that address, or it refuses.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what is done here
    ours = {"address": "local", "num_cpus": cores(), "object_store_memory": _STORE_BYTES}
    ours |= {"include_dashboard": False}
    try:
        ray.init(**({"address": address} if address else ours), **_QUIET)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise EcgError(
            f"The Ray cluster at {address or 'this machine'} does not answer "
            f"({_first_line(error)}); look whether it runs (ray status), and in the same version."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def workers_for(records: int) -> int | None:
    """Return None: as many tasks as the cluster has room for, which may grow."""
    return None


def run_all(
    work: Callable[..., Any],
    jobs: Iterable[tuple],
    workers: int | None,
    on_done: Callable[[int], None],
    needs: tuple[str, ...] = (),
    on_refused: Callable[[int], None] = lambda refused: None,
    shared: Path | None = None,
) -> list[Any]:
    """Do ``work(*job, on_record)`` for each job, as ``local.run_all`` does.

    Parameters
    ----------
    workers
        So many tasks at once; None: as many as the cluster has room for.
    shared
        A folder that every machine must see, for there the work is written.

    Raises
    ------
    EcgError
        A task was lost again and again, or a machine has another version or not the folder.
    """
    tally = Tally(on_done, on_refused)
    return list(results_of(work, jobs, workers, tally, needs=needs, shared=shared))


def results_of(
    work: Callable[..., Any],
    jobs: Iterable[tuple],
    workers: int | None,
    tally: Tally,
    share: Share | None = None,
    needs: tuple[str, ...] = (),
    shared: Path | None = None,
) -> Iterator[Any]:
    """Yield what comes of the jobs as they are done; each has a ``share`` of the cluster."""
    import ray

    share = share or Share()
    todo = enumerate(jobs)
    counts = ray.remote(_Counts).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()
    task = ray.remote(_do).options(
        num_cpus=share.cpus, num_gpus=share.gpus, max_retries=_RETRIES, name=TASK
    )
    under_way: dict[Any, int] = {}
    with _marked(shared) as mark:
        whole = ray.put((work, needs, mark, counts, int(share.cpus) or 1, __version__))
        try:
            while True:
                room = (workers or 2 * places(share)) - len(under_way)
                for _, (number, job) in zip(range(room), todo, strict=False):
                    under_way[task.remote(whole, job, number)] = number
                if not under_way:
                    return
                finished, _ = ray.wait(list(under_way), timeout=_POLL_S)
                for one in finished:
                    result, done, refused = _result(one)
                    counts.forget.options(num_returns=0).remote(under_way.pop(one))
                    tally.finished(done, refused)
                    yield result
                tally.tell(*_so_far(counts, list(under_way.values())))
        finally:
            for one in under_way:
                ray.cancel(one, force=True)
            ray.kill(counts)


def places(share: Share) -> int:
    """Return how many tasks of a share the cluster has room for at present, at least 1."""
    import ray

    has = ray.cluster_resources()
    room = has.get("CPU", 0) / share.cpus
    return max(1, int(min(room, has.get("GPU", 0) / share.gpus) if share.gpus else room))


def share_of_training(on_gpu: bool) -> Share:
    """Return what one training has for itself: a GPU with its part of the processors, or, where
    there is none or none is wanted, all processors of a machine."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpu = [node for node in nodes if node.get("GPU")] if on_gpu else []
    if with_gpu:
        return Share(min(max(1, node.get("CPU", 1) // node["GPU"]) for node in with_gpu), 1)
    return Share(min((node["CPU"] for node in nodes if node.get("CPU")), default=1))


def _so_far(counts: Any, numbers: list[int]) -> tuple[int, int]:
    """Return how many records the jobs under way have done and refused, 0 where nobody knows."""
    import ray

    try:
        return ray.get(counts.sums.remote(numbers), timeout=_POLL_S)
    except ray.exceptions.RayError:  # who counts is being begun again; a time-out is one, too
        return 0, 0


def _result(finished: Any) -> tuple[Any, int, int]:
    """Return what came of a task, or raise what the work itself raised."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        return ray.get(finished)
    except RayTaskError as error:
        if isinstance(error.cause, EcgError):
            raise error.cause from None
        if "No module named 'ecgcore" in str(error):
            raise EcgError(
                f"The cluster's machines have no ecgcore; install {__version__} there as here."
            ) from None
        raise
    except RayError as error:
        raise EcgError(f"{LOST} (Ray: {_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


@contextmanager
def _marked(folder: Path | None) -> Iterator[Path | None]:
    """Leave a mark in a folder, by which it is known again on other machines."""
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f".seen.{secrets.token_hex(4)}"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def _do(whole: tuple, job: tuple, number: int) -> tuple[Any, int, int]:
    """On a machine of the cluster: do a job; return what came of it, records done and refused."""
    import_module("ecgcore.executors.single_thread")
    work, needs, mark, counts, threads, version = whole
    if version != __version__:
        raise EcgError(
            f"A machine of the cluster has ecgcore {__version__}; install {version} there as here."
        )
    if mark is not None and not mark.exists():
        raise EcgError(
            f"A machine of the cluster does not see {mark.parent}: give a folder that all share."
        )
    for name in needs:
        import_module(name)
    keep_to(threads)
    count = _Count(counts, number)
    return work(*job, count), count.done, count.refused


class _Count:
    """Counts the records of a job, and tells so now and then."""

    def __init__(self, counts: Any, number: int):
        self._counts, self._number, self._told_at = counts, number, time.monotonic()
        self.done = self.refused = 0

    def __call__(self, is_refused: bool = False) -> None:
        self.done, self.refused = self.done + 1, self.refused + is_refused
        if time.monotonic() - self._told_at > _POLL_S:
            self._told_at = time.monotonic()
            self._counts.tell.options(num_returns=0).remote(self._number, self.done, self.refused)


class _Counts:
    """How many records each job under way has done and refused. Kept by one process for all."""

    def __init__(self) -> None:
        self._by_job: dict[int, tuple[int, int]] = {}

    def tell(self, number: int, done: int, refused: int) -> None:
        """Note how far a job is."""
        self._by_job[number] = done, refused

    def forget(self, number: int) -> None:
        """Note that a job is done."""
        self._by_job.pop(number, None)

    def sums(self, numbers: list[int]) -> tuple[int, int]:
        """Return the records done and refused by these jobs."""
        of = [self._by_job.get(number, (0, 0)) for number in numbers]
        return sum(done for done, _ in of), sum(refused for _, refused in of)
