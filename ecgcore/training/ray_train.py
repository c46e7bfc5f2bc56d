"""Training with the workers of a Ray cluster, by Ray Train; its machines share the workspace.

Ray assigns ranks and devices and restarts all workers when one is lost; the workers themselves do
the same as those of torchrun. The workspace's queue is skipped: Ray is the scheduler.
"""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ecgcore.background import process_stamp
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors.select import ray_address
from ecgcore.runs.run import Run
from ecgcore.training.distributed import STEP_TIMEOUT, Team, make_rank_zero_group
from ecgcore.training.follow import MAX_RESTARTS, follow_run, raise_failure
from ecgcore.training.loop import Progress
from ecgcore.training.trainer import train_as_worker
from ecgcore.workspace import Workspace

_STORE = ".ray"
"""Folder below ``runs`` for the files that Ray Train writes during a training."""


def train_on_ray(
    workers: int, executor: str, run: Run, workspace: Workspace, on_progress: Progress
) -> None:
    """Train a run with the workers of a Ray cluster, or of one started here, until it is done.

    Raises
    ------
    EcgError
        No cluster answers, it has no room, or workers were lost too many times.
    """
    import ray

    from ecgcore.executors.ray_cluster import connected

    run.require_idle()
    Team(size=workers).check_resources(run.config.batch_size, ["cpu"])
    store = workspace.runs / _STORE / f"{run.id}-{secrets.token_hex(2)}"
    with connected(ray_address(executor)):
        job = {
            "run": str(run.folder),
            "workspace": str(workspace.path),
            "launcher": process_stamp(),
        }
        resources = _worker_resources(run.config.device, workers)
        fit = ray.remote(num_cpus=0, max_retries=0)(_fit)
        task = fit.remote(job, workers, resources, store)
        try:
            follow_run(run, on_progress, lambda: bool(ray.wait([task], timeout=0)[0]))
            _log_error(run, task)
        finally:
            shutil.rmtree(store, ignore_errors=True)
            with suppress(OSError):  # another training's files are there
                store.parent.rmdir()
    raise_failure(run)


def _worker_resources(device: str, workers: int) -> dict[str, float]:
    """Return the resources of each worker: a CPU, and a GPU if one is wanted and available.

    Raises
    ------
    RequestError
        The cluster has no room for so many workers.
    """
    import ray

    available = ray.cluster_resources()
    on_gpu = device.startswith("cuda") or (device == "auto" and available.get("GPU", 0) >= workers)
    resources = {"CPU": 1.0} | ({"GPU": 1.0} if on_gpu else {})
    for name, n in resources.items():
        if available.get(name, 0) < n * workers:
            raise RequestError(
                f"{workers} workers need a {name} each; the Ray cluster has "
                f"{available.get(name, 0):g}. Take fewer workers."
            )
    return resources


def _fit(job: dict[str, Any], workers: int, resources: dict[str, float], store: Path) -> None:
    """On the cluster: start the workers with Ray Train, again if one is lost."""
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    on_gpu = "GPU" in resources
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    TorchTrainer(
        _train,
        train_loop_config=job,
        torch_config=TorchConfig(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout_s=int(STEP_TIMEOUT.total_seconds())
        ),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=on_gpu, resources_per_worker=resources
        ),
        run_config=RunConfig(
            name=store.name,
            storage_path=str(store.parent),
            failure_config=FailureConfig(max_failures=MAX_RESTARTS),
            logging_config=LoggingConfig("ERROR"),
        ),
    ).fit()


def _train(job: dict[str, Any]) -> None:
    """In a worker: train the run; errors of the training are written into the run's folder."""
    from ray.train import get_context
    from ray.train.torch import get_device

    context = get_context()
    team = Team(
        context.get_world_rank(),
        context.get_world_size(),
        context.get_local_rank(),
        context.get_local_world_size(),
        launcher=job["launcher"],
        device=str(get_device()),
        uses_queue=False,
        rank_zero_group=make_rank_zero_group(context.get_world_size()),
    )
    with suppress(EcgError):
        train_as_worker(team, Run(Path(job["run"])), Workspace(Path(job["workspace"])))


def _log_error(run: Run, task: Any) -> None:
    """Write an error that Ray reports into the run's log."""
    import ray

    try:
        ray.get(task)
    except ray.exceptions.RayError as error:
        with (run.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{error}\n")
