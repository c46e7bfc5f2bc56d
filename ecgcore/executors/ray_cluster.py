"""Executor on a Ray cluster: tasks on many machines that share a folder.

Tasks receive paths and settings and write their files themselves; nothing large travels through
Ray. Ray restarts a task whose process or machine is lost on another one.
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
from ecgcore.executors.local import WORKER_LOST, cores, limit_torch_threads
from ecgcore.executors.progress import ProgressCounter
from ecgcore.version import __version__

TASK = "ecgcore job"
"""Name of a process, after ``ray::``, while it runs a task."""
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
_POLL_S = 0.5
_MAX_RETRIES = 3
"""Restarts of a task whose process was lost."""
_OBJECT_STORE_BYTES = 100_000_000
"""Memory for objects passed between tasks, in a cluster started here: almost nothing is passed."""


class TaskResources(NamedTuple):
    """Processors and GPUs reserved for one task."""

    cpus: float = 1
    gpus: float = 0


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine (None) and stop it after the block.

    An existing connection of this process is used and left open.

    Raises
    ------
    EcgError
        No cluster answers at the address, or it refuses.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage data leaves this machine
    local_cluster = {
        "address": "local",
        "num_cpus": cores(),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }
    try:
        ray.init(**({"address": address} if address else local_cluster), **_QUIET)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise EcgError(
            f"The Ray cluster at {address or 'this machine'} does not answer "
            f"({_first_line(error)}); check that it runs (ray status) and has the same version."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def workers_for(records: int) -> int | None:
    """Return None: as many tasks as the cluster has room for, which may grow."""
    return None


def run_all(
    function: Callable[..., Any],
    jobs: Iterable[tuple],
    workers: int | None,
    on_done: Callable[[int], None],
    preload: tuple[str, ...] = (),
    on_refused: Callable[[int], None] = lambda refused: None,
    shared_folder: Path | None = None,
) -> list[Any]:
    """Call ``function(*job, on_record)`` for each job, as ``local.run_all`` does.

    Parameters
    ----------
    workers
        Number of tasks at once; None for as many as the cluster has room for.
    shared_folder
        Folder that every machine must see, because the jobs write there.

    Raises
    ------
    EcgError
        A task was lost again and again, or a machine has another version or lacks the folder.
    """
    progress = ProgressCounter(on_done, on_refused)
    results = iter_results(
        function, jobs, workers, progress, preload=preload, shared_folder=shared_folder
    )
    return list(results)


def iter_results(
    function: Callable[..., Any],
    jobs: Iterable[tuple],
    workers: int | None,
    progress: ProgressCounter,
    resources: TaskResources | None = None,
    preload: tuple[str, ...] = (),
    shared_folder: Path | None = None,
) -> Iterator[Any]:
    """Yield the results of jobs as they finish; each task reserves ``resources``."""
    import ray

    resources = resources or TaskResources()
    waiting = enumerate(jobs)
    counts = ray.remote(_RecordCounts).options(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    counts = counts.remote()
    task = ray.remote(_run_task).options(
        num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=_MAX_RETRIES, name=TASK
    )
    running: dict[Any, int] = {}
    with _marker_file(shared_folder) as marker:
        threads = int(resources.cpus) or 1
        context = ray.put((function, preload, marker, counts, threads, __version__))
        try:
            while True:
                room = (workers or 2 * task_slots(resources)) - len(running)
                for _, (number, job) in zip(range(room), waiting, strict=False):
                    running[task.remote(context, job, number)] = number
                if not running:
                    return
                finished, _ = ray.wait(list(running), timeout=_POLL_S)
                for reference in finished:
                    result, done, refused = _get_result(reference)
                    counts.remove.options(num_returns=0).remote(running.pop(reference))
                    progress.add_finished(done, refused)
                    yield result
                progress.report(*_running_counts(counts, list(running.values())))
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
            ray.kill(counts)


def task_slots(resources: TaskResources) -> int:
    """Return the number of such tasks that the cluster has room for at present, at least 1."""
    import ray

    available = ray.cluster_resources()
    slots = available.get("CPU", 0) / resources.cpus
    if resources.gpus:
        slots = min(slots, available.get("GPU", 0) / resources.gpus)
    return max(1, int(slots))


def training_resources(on_gpu: bool) -> TaskResources:
    """Return the resources of one training run.

    A GPU with its part of the processors; without a GPU, all processors of a machine.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpu_nodes = [node for node in nodes if node.get("GPU")] if on_gpu else []
    if gpu_nodes:
        return TaskResources(min(max(1, n.get("CPU", 1) // n["GPU"]) for n in gpu_nodes), 1)
    return TaskResources(min((node["CPU"] for node in nodes if node.get("CPU")), default=1))


def _running_counts(counts: Any, numbers: list[int]) -> tuple[int, int]:
    """Return the records that running jobs have done and refused; zeros if unknown."""
    import ray

    try:
        return ray.get(counts.sums.remote(numbers), timeout=_POLL_S)
    except ray.exceptions.RayError:  # the counting process restarts, or the call timed out
        return 0, 0


def _get_result(reference: Any) -> tuple[Any, int, int]:
    """Return the result of a task, or raise the error that the job itself raised."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, EcgError):
            raise error.cause from None
        if "No module named 'ecgcore" in str(error):
            raise EcgError(
                f"The cluster's machines have no ecgcore; install {__version__} there as here."
            ) from None
        raise
    except RayError as error:
        raise EcgError(f"{WORKER_LOST} (Ray: {_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


@contextmanager
def _marker_file(folder: Path | None) -> Iterator[Path | None]:
    """Yield a marker file in ``folder``, by which other machines recognise that folder."""
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / f".seen.{secrets.token_hex(4)}"
    marker.touch()
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)


def _run_task(context: tuple, job: tuple, number: int) -> tuple[Any, int, int]:
    """On a machine of the cluster: run a job; return its result, records done and refused."""
    import_module("ecgcore.executors.single_thread")
    function, preload, marker, counts, threads, version = context
    if version != __version__:
        raise EcgError(
            f"A machine of the cluster has ecgcore {__version__}; install {version} there as here."
        )
    if marker is not None and not marker.exists():
        raise EcgError(
            f"A machine of the cluster does not see {marker.parent}: give a folder that all share."
        )
    for name in preload:
        import_module(name)
    limit_torch_threads(threads)
    counter = _JobCounter(counts, number)
    return function(*job, counter), counter.done, counter.refused


class _JobCounter:
    """Count of a job's records, reported to ``_RecordCounts`` at intervals."""

    def __init__(self, counts: Any, number: int):
        self._counts, self._number, self._reported_at = counts, number, time.monotonic()
        self.done = self.refused = 0

    def __call__(self, is_refused: bool = False) -> None:
        self.done, self.refused = self.done + 1, self.refused + is_refused
        if time.monotonic() - self._reported_at > _POLL_S:
            self._reported_at = time.monotonic()
            update = self._counts.update.options(num_returns=0)
            update.remote(self._number, self.done, self.refused)


class _RecordCounts:
    """Actor with the records that each running job has done and refused."""

    def __init__(self) -> None:
        self._by_job: dict[int, tuple[int, int]] = {}

    def update(self, number: int, done: int, refused: int) -> None:
        """Set the counts of a job."""
        self._by_job[number] = done, refused

    def remove(self, number: int) -> None:
        """Remove a finished job."""
        self._by_job.pop(number, None)

    def sums(self, numbers: list[int]) -> tuple[int, int]:
        """Return the records done and refused by these jobs."""
        counts = [self._by_job.get(number, (0, 0)) for number in numbers]
        return sum(done for done, _ in counts), sum(refused for _, refused in counts)
