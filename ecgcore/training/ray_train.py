"""Training with the workers of a Ray cluster, by Ray Train: its machines share the home's folder.

Ray gives each worker its place and starts all again when one is lost; what they do is what a team
that torchrun started does. The home's queue has no say: the scheduler is Ray's.
"""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ecgcore.background import process_stamp
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors.ray_cluster import connected
from ecgcore.executors.select import address_of
from ecgcore.runs.run import Run
from ecgcore.training.distributed import IN_STEP, Team, patient_group
from ecgcore.training.launch import RESTARTS, follow, say_how_it_ended
from ecgcore.training.loop import Progress
from ecgcore.training.trainer import train_as_worker
from ecgcore.workspace import Workspace

_STORE = ".ray"
"""In the folder of runs: where Ray Train keeps what it wants to write while it works."""


def train_on_ray(
    workers: int, on: str, run: Run, workspace: Workspace, on_progress: Progress
) -> None:
    """Let the workers of a Ray cluster, or of one started here, work on a run until it is done.

    Raises
    ------
    EcgError
        No cluster answers, it has no room, or workers were lost again and again.
    """
    import ray

    run.require_idle()
    Team(size=workers).check(run.config.batch_size, ["cpu"])
    store = workspace.runs / _STORE / f"{run.id}-{secrets.token_hex(2)}"
    with connected(address_of(on)):
        asked = {"run": str(run.folder), "home": str(workspace.path), "keeper": process_stamp()}
        share = _share(run.config.device, workers)
        fitted = ray.remote(num_cpus=0, max_retries=0)(_fit).remote(asked, workers, share, store)
        try:
            follow(run, on_progress, lambda: bool(ray.wait([fitted], timeout=0)[0]))
            _note(run, fitted)
        finally:
            shutil.rmtree(store, ignore_errors=True)
            with suppress(OSError):  # another training's is there
                store.parent.rmdir()
    say_how_it_ended(run, RESTARTS)


def _share(device: str, workers: int) -> dict[str, float]:
    """Return what each worker has of the cluster: a GPU where there are enough and one is wanted.

    Raises
    ------
    RequestError
        The cluster has no room for so many.
    """
    import ray

    has = ray.cluster_resources()
    on_gpu = device.startswith("cuda") or (device == "auto" and has.get("GPU", 0) >= workers)
    asked = {"CPU": 1.0} | ({"GPU": 1.0} if on_gpu else {})
    for name, share in asked.items():
        if has.get(name, 0) < share * workers:
            raise RequestError(
                f"{workers} workers want a {name} each; the Ray cluster has {has.get(name, 0):g}. "
                "Take fewer workers."
            )
    return asked


def _fit(asked: dict[str, Any], workers: int, share: dict[str, float], store: Path) -> None:
    """On the cluster: let Ray Train start the workers, again if one is lost."""
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    on_gpu = "GPU" in share
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    TorchTrainer(
        _work,
        train_loop_config=asked,
        torch_config=TorchConfig(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout_s=int(IN_STEP.total_seconds())
        ),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=on_gpu, resources_per_worker=share
        ),
        run_config=RunConfig(
            name=store.name, storage_path=str(store.parent),
            failure_config=FailureConfig(max_failures=RESTARTS),
            logging_config=LoggingConfig("ERROR"),
        ),
    ).fit()  # fmt: skip


def _work(asked: dict[str, Any]) -> None:
    """In a worker: work on the run as one of the team; what can be told, the run's folder tells."""
    from ray.train import get_context
    from ray.train.torch import get_device

    at, device = get_context(), str(get_device())
    team = Team(
        at.get_world_rank(), at.get_world_size(), at.get_local_rank(), at.get_local_world_size(),
        keeper=asked["keeper"], device=device, uses_queue=False,
        patient=patient_group(at.get_world_size()),
    )  # fmt: skip
    with suppress(EcgError):
        train_as_worker(team, Run(Path(asked["run"])), Workspace(Path(asked["home"])))


def _note(run: Run, fitted: Any) -> None:
    """Write into the run's log what Ray says went wrong, if it did."""
    import ray

    try:
        ray.get(fitted)
    except ray.exceptions.RayError as error:
        with (run.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{error}\n")
