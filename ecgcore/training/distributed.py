"""Distributed training: one process, or several workers that share each batch.

Workers are started by torchrun, which gives each a rank, or by Ray Train. All run the same loop in
step: each computes its slice of every batch, torch's DistributedDataParallel averages gradients,
and rank 0 alone decides, queues for devices and writes the run's folder. After every step all
workers hold the same network, so one checkpoint serves all.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ecgcore.background import process_stamp
from ecgcore.errors import EcgError, RequestError
from ecgcore.runs.run import Cancelled

T = TypeVar("T")
STEP_TIMEOUT = timedelta(minutes=10)
"""Longest wait for the other workers within a step."""
QUEUE_TIMEOUT = timedelta(days=30)
"""Longest wait for rank 0, which may be queueing for a device; torchrun and Ray notice its loss."""
FRESH_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
FORWARDED = "Rank 0 reports this error, too."
"""Note on an exception that rank 0 has sent to the other workers."""
_TORCHRUN_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_FORWARDED_ERRORS = (EcgError, Cancelled, OSError)
"""Errors of rank 0 that end the other workers as well."""


@dataclass(frozen=True)
class Team:
    """The workers of one training, as seen by this one; by default it is the only one.

    Attributes
    ----------
    rank, size
        Number of this worker from 0, and number of all workers.
    local_rank, local_size
        The same on this machine.
    launch
        Identifies the launch: the same for all its workers, and after a restart.
    launcher
        Stamp of the process that restarts the workers when one is lost; None: this process.
    device
        Device that a scheduler assigned to this process; None: the workspace's queue assigns one.
    uses_queue
        Tell whether the workspace's queue decides when the training begins; else a scheduler did.
    rank_zero_group
        Process group in which the workers wait for rank 0; None with a single process.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    launch: str | None = None
    launcher: dict[str, Any] | None = field(default=None, hash=False)
    device: str | None = None
    uses_queue: bool = True
    rank_zero_group: Any = None

    @property
    def is_rank_zero(self) -> bool:
        """Tell whether this worker decides and writes."""
        return self.rank == 0

    def slice_of(self, n: int) -> slice:
        """Return this worker's slice of ``n`` items; that of rank 0 is the largest."""
        return slice(-(-n * self.rank // self.size), -(-n * (self.rank + 1) // self.size))

    def on_rank_zero(self, function: Callable[[], T]) -> T:
        """Call a function on rank 0 and broadcast its result or its exception."""
        if self.size == 1:
            return function()
        message: list[Any] = [None, None]
        if self.is_rank_zero:
            try:
                message[0] = function()
            except _FORWARDED_ERRORS as error:
                message[1] = error
        has_content = torch.tensor(int(message != [None, None]))
        dist.broadcast(has_content, 0, self.rank_zero_group)
        if has_content:
            dist.broadcast_object_list(message, 0, self.rank_zero_group)
        result, failure = message
        if failure is not None:
            if not self.is_rank_zero:
                failure.add_note(FORWARDED)
            raise failure
        return result

    def broadcast_tensors(
        self, read: Callable[[], tuple[dict[str, Tensor], str]]
    ) -> tuple[dict[str, Tensor], str]:
        """Read tensors and a text on rank 0 and broadcast them."""
        if self.size == 1:
            return read()
        tensors: dict[str, Tensor] = {}

        def read_shapes() -> tuple[dict[str, tuple], str]:
            content, text = read()
            tensors.update(content)
            return {name: (tensor.shape, tensor.dtype) for name, tensor in content.items()}, text

        shapes, text = self.on_rank_zero(read_shapes)
        for name, (shape, dtype) in shapes.items():
            tensor = tensors.setdefault(name, torch.empty(shape, dtype=dtype)).contiguous()
            dist.broadcast(tensor, 0, self.rank_zero_group)
            tensors[name] = tensor
        return tensors, text

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of all workers' tensors."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def wrap_ddp(self, model: nn.Module) -> nn.Module:
        """Wrap a network so that gradients are averaged over the workers."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model, gradient_as_bucket_view=True)

    def sync_batchnorm(self, model: nn.Module) -> nn.Module:
        """Make BatchNorm layers see the whole batch, where torch can: on CUDA."""
        on_gpu = next(model.parameters()).device.type == "cuda"
        return nn.SyncBatchNorm.convert_sync_batchnorm(model) if self.size > 1 and on_gpu else model

    @torch.no_grad()
    def sync_buffers(self, model: nn.Module, loss: Tensor, n: int) -> Tensor:
        """Average the running statistics over the workers and return the sum of their losses.

        The statistics that BatchNorm took from this worker's ``n`` records become the mean over all
        records of the batch.
        """
        if self.size == 1:
            return loss
        buffers = [
            buffer
            for module in model.modules()
            if module.training  # frozen ones stay as they are
            for buffer in module.buffers(recurse=False)
            if buffer.is_floating_point()
        ]
        count = loss.new_tensor(float(n))
        parts = [n * b.flatten() if n else torch.zeros_like(b.flatten()) for b in buffers]
        loss, count, *sums = self.sum(
            torch.cat([loss[None], count[None], *(part.to(loss) for part in parts)])
        ).split([1, 1, *(b.numel() for b in buffers)])
        for buffer, total in zip(buffers, sums, strict=True):
            buffer.copy_((total / count).view_as(buffer))
        return loss[0].clone()

    def seed_dropout(self, seed: int, step: int, device: torch.device) -> None:
        """Seed dropout from seed, step and rank, so that no two workers drop the same units.

        A single process continues its own random stream.
        """
        if self.size > 1:
            [word] = np.random.SeedSequence([seed, step, self.rank]).generate_state(1, np.uint64)
            own_seed = int(word >> np.uint64(1))
            torch.default_generator.manual_seed(own_seed)
            if device.type == "cuda":
                torch.cuda.manual_seed(own_seed)

    def check_resources(self, batch_size: int, devices: list[str]) -> None:
        """Refuse batches of fewer records than there are workers, and fewer GPUs than workers."""
        if batch_size < self.size:
            raise RequestError(
                f"A batch of {batch_size} records leaves some of {self.size} workers without any; "
                "raise --batch-size or take fewer workers."
            )
        if devices != ["cpu"] and len(devices) < self.local_size:
            raise RequestError(
                f"{self.local_size} workers on this machine need a GPU each; there are "
                f"{len(devices)}. Take as many workers as there are GPUs, or --device cpu."
            )


SINGLE_PROCESS = Team()


def launched_by_torchrun() -> bool:
    """Tell whether torchrun started this process."""
    return dist.is_torchelastic_launched()


@contextmanager
def join_team() -> Iterator[Team]:
    """Join the workers that torchrun started; without torchrun this process is the only one."""
    if not launched_by_torchrun():
        yield SINGLE_PROCESS
        return
    rank, size, local_rank, local_size = (int(os.environ[name]) for name in _TORCHRUN_VARIABLES)
    launcher = process_stamp(os.getppid())
    launch = os.environ["TORCHELASTIC_RUN_ID"]
    if launch == "none":  # no --rdzv-id was given: torchrun's own process identifies the launch
        launch = f"{launcher['pid']} {launcher['pid_started']}"
    threading.Thread(target=_exit_with, args=(launcher["pid"],), daemon=True).start()
    on_one_machine = size == local_size
    if size > 1:
        _connect(on_one_machine)
    try:
        yield Team(
            rank,
            size,
            local_rank,
            local_size,
            launch,
            launcher,
            uses_queue=on_one_machine,
            rank_zero_group=make_rank_zero_group(size),
        )
    finally:
        if size > 1:
            dist.destroy_process_group()


def make_rank_zero_group(size: int) -> Any:
    """Return the process group in which the workers wait for rank 0, None for a single one."""
    return dist.new_group(backend="gloo", timeout=QUEUE_TIMEOUT) if size > 1 else None


def _connect(on_one_machine: bool) -> None:
    """Connect the workers.

    torchrun keeps its store of addresses when it restarts workers, and with it the addresses of the
    former workers (pytorch/pytorch#135712): each attempt gets its own prefix there. On several
    machines attempts are counted differently, and the store must be a new one.
    """
    attempt, max_restarts = (
        os.environ[f"TORCHELASTIC_{name}"] for name in ("RESTART_COUNT", "MAX_RESTARTS")
    )
    if not on_one_machine and int(max_restarts) and os.environ.get(FRESH_STORE) != "1":
        raise RequestError(
            "Workers on several machines find each other again after a loss only with "
            f"{FRESH_STORE}=1; set it where torchrun is started, or give --max-restarts 0."
        )
    backends = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, rank, size = next(dist.rendezvous("env://", timeout=STEP_TIMEOUT))
    if on_one_machine:
        store = dist.PrefixStore(f"attempt {attempt}", store)
    dist.init_process_group(backends, timeout=STEP_TIMEOUT, store=store, rank=rank, world_size=size)


def _exit_with(launcher: int) -> None:
    """Exit when the launcher is gone: nobody else would restart this worker."""
    while os.getppid() == launcher:
        time.sleep(1.0)
    os._exit(1)
