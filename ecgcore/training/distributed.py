"""Who works together on one training: this process alone, or several that share each batch.

Several are started by torchrun, which tells each its number, or by Ray Train. All go through the
same loop in step: each computes its share of every batch, gradients are averaged by torch's
DistributedDataParallel, and the first alone decides, takes the turn and writes the run's folder.
After every step all hold the same network, so that a saved state is that of each.
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
IN_STEP = timedelta(minutes=10)
"""How long one waits for the others where all do the same."""
PATIENCE = timedelta(days=30)
"""How long the others wait for the first, who may wait for its turn; if it is lost, torchrun and
Ray notice."""
FRESH_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
FORWARDED = "The first of the team says this, too."
_PLACE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_TOLD = (EcgError, Cancelled, OSError)
"""What may go wrong with the first and must end the others as well."""


@dataclass(frozen=True)
class Team:
    """This process's place among those that work on one training; by default it is alone.

    Attributes
    ----------
    rank, size
        Its number from 0, of how many.
    local_rank, local_size
        The same among those on this machine.
    launch
        Names the launch: the same for all its workers, and after a restart.
    keeper
        Stamp of the process that starts the team again when one is lost; None: this one.
    device
        What a scheduler gave this process; None: the home's queue gives one.
    has_queue
        Whether the home's queue decides when it is the training's turn; else a scheduler did.
    patient
        The process group in which one waits for the first; None: there is but one process.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    launch: str | None = None
    keeper: dict[str, Any] | None = field(default=None, hash=False)
    device: str | None = None
    uses_queue: bool = True
    patient: Any = None

    @property
    def is_rank_zero(self) -> bool:
        """Whether this one decides and writes."""
        return self.rank == 0

    def share(self, n: int) -> slice:
        """Return which of ``n`` things are this one's; the first has the most."""
        return slice(-(-n * self.rank // self.size), -(-n * (self.rank + 1) // self.size))

    def on_rank_zero(self, do: Callable[[], T]) -> T:
        """Let the first do something; what it returns, or what went wrong, is everybody's."""
        if self.size == 1:
            return do()
        answer: list[Any] = [None, None]
        if self.is_rank_zero:
            try:
                answer[0] = do()
            except _TOLD as error:
                answer[1] = error
        says_more = torch.tensor(int(answer != [None, None]))
        dist.broadcast(says_more, 0, self.patient)
        if says_more:
            dist.broadcast_object_list(answer, 0, self.patient)
        value, wrong = answer
        if wrong is not None:
            if not self.is_rank_zero:
                wrong.add_note(FORWARDED)
            raise wrong
        return value

    def first_first(self, do: Callable[[], T]) -> T:
        """Let all do something, the others only when the first has: it may write what they read."""
        found: list[T] = []
        self.on_rank_zero(lambda: found.append(do()))
        return found[0] if found else do()

    def broadcast_tensors(
        self, read: Callable[[], tuple[dict[str, Tensor], str]]
    ) -> tuple[dict[str, Tensor], str]:
        """Let the first read tensors and a text from a file, and send them to the others."""
        if self.size == 1:
            return read()
        found: dict[str, Tensor] = {}

        def known() -> tuple[dict[str, tuple], str]:
            tensors, told = read()
            found.update(tensors)
            return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}, told

        forms, told = self.on_rank_zero(known)
        for name, (shape, dtype) in forms.items():
            tensor = found.setdefault(name, torch.empty(shape, dtype=dtype)).contiguous()
            dist.broadcast(tensor, 0, self.patient)
            found[name] = tensor
        return found, told

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of everybody's tensors."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def spread(self, model: nn.Module) -> nn.Module:
        """Return what computes a share of each batch: its gradients are those of the whole."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model, gradient_as_bucket_view=True)

    def with_shared_statistics(self, model: nn.Module) -> nn.Module:
        """Return a network whose BatchNorms look at the whole batch, where torch can: on CUDA."""
        on_gpu = next(model.parameters()).device.type == "cuda"
        return nn.SyncBatchNorm.convert_sync_batchnorm(model) if self.size > 1 and on_gpu else model

    @torch.no_grad()
    def sync_buffers(self, model: nn.Module, loss: Tensor, n: int) -> Tensor:
        """Return everybody's parts of a batch's loss, summed.

        What the network measured of this one's share, ``n`` records (BatchNorm's running
        statistics), becomes the mean over all records of the batch.
        """
        if self.size == 1:
            return loss
        measured = [
            buffer
            for module in model.modules()
            if module.training  # what is frozen stays
            for buffer in module.buffers(recurse=False)
            if buffer.is_floating_point()
        ]
        count = loss.new_tensor(float(n))
        parts = [n * b.flatten() if n else torch.zeros_like(b.flatten()) for b in measured]
        loss, count, *means = self.sum(
            torch.cat([loss[None], count[None], *(part.to(loss) for part in parts)])
        ).split([1, 1, *(b.numel() for b in measured)])
        for buffer, mean in zip(measured, means, strict=True):
            buffer.copy_((mean / count).view_as(buffer))
        return loss[0].clone()

    def seed_dropout(self, seed: int, step: int, device: torch.device) -> None:
        """Let dropout draw what follows from seed, step and rank: no two workers drop the same.

        One who is alone goes on drawing as before.
        """
        if self.size > 1:
            [drawn] = np.random.SeedSequence([seed, step, self.rank]).generate_state(1, np.uint64)
            start = int(drawn >> np.uint64(1))
            torch.default_generator.manual_seed(start)
            if device.type == "cuda":
                torch.cuda.manual_seed(start)

    def check(self, batch: int, devices: list[str]) -> None:
        """Refuse batches of fewer records than there are workers, and fewer GPUs."""
        if batch < self.size:
            raise RequestError(
                f"A batch of {batch} records leaves some of {self.size} workers without any; "
                "raise --batch-size or take fewer workers."
            )
        if devices != ["cpu"] and len(devices) < self.local_size:
            raise RequestError(
                f"{self.local_size} workers on this machine want a GPU each; there are "
                f"{len(devices)}. Take as many workers as there are GPUs, or --device cpu."
            )


SINGLE_PROCESS = Team()


def launched_by_torchrun() -> bool:
    """Tell whether torchrun started this process."""
    return dist.is_torchelastic_launched()


@contextmanager
def join_team() -> Iterator[Team]:
    """Yield the team that torchrun started this process for; without torchrun, one alone."""
    if not launched_by_torchrun():
        yield SINGLE_PROCESS
        return
    rank, size, local_rank, local_size = (int(os.environ[name]) for name in _PLACE)
    keeper = process_stamp(os.getppid())
    launch = os.environ["TORCHELASTIC_RUN_ID"]
    if launch == "none":  # no --rdzv-id was given: torchrun itself is what stays the same
        launch = f"{keeper['pid']} {keeper['pid_started']}"
    threading.Thread(target=_end_with, args=(keeper["pid"],), daemon=True).start()
    on_one_machine = size == local_size
    if size > 1:
        _connect(on_one_machine)
    try:
        yield Team(
            rank, size, local_rank, local_size, launch, keeper,
            uses_queue=on_one_machine, patient=patient_group(size),
        )  # fmt: skip
    finally:
        if size > 1:
            dist.destroy_process_group()


def patient_group(size: int) -> Any:
    """Return the process group in which the others wait for the first, if there are others."""
    return dist.new_group(backend="gloo", timeout=PATIENCE) if size > 1 else None


def _connect(on_one_machine: bool) -> None:
    """Let the workers find each other.

    torchrun keeps its store of addresses when it starts workers again, and with it those of the
    workers before (pytorch/pytorch#135712): each attempt gets a place of its own there. On several
    machines the attempts are not counted alike, and the store must be a new one.
    """
    attempt, most = (
        os.environ[f"TORCHELASTIC_{name}"] for name in ("RESTART_COUNT", "MAX_RESTARTS")
    )
    if not on_one_machine and int(most) and os.environ.get(FRESH_STORE) != "1":
        raise RequestError(
            "Workers on several machines find each other again after a loss only with "
            f"{FRESH_STORE}=1; set it where torchrun is started, or give --max-restarts 0."
        )
    carriers = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, rank, size = next(dist.rendezvous("env://", timeout=IN_STEP))
    if on_one_machine:
        store = dist.PrefixStore(f"attempt {attempt}", store)
    dist.init_process_group(carriers, timeout=IN_STEP, store=store, rank=rank, world_size=size)


def _end_with(keeper: int) -> None:
    """End this process when the one that keeps it is gone: nobody else would start it again."""
    while os.getppid() == keeper:
        time.sleep(1.0)
    os._exit(1)
