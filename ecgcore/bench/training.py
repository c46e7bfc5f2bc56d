"""How much of the time a training spends in the network, and what memory it takes.

The product's loop draws each batch from stored signals, takes the step, tells how far it is and
saves from time to time. A bare loop takes the same step with the same network, optimiser, precision
and memory format on batches that lie in memory. Both are timed in turns (product, bare, bare,
product), so that other work on the machine meets them alike; the ratio is the median over turns.
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ecgcore.bench.ingest import EXAMPLES, Watched, repeat_examples, watch
from ecgcore.bench.step_variants import step_ms
from ecgcore.cohort.ingest import ingest
from ecgcore.models.cost import cost
from ecgcore.runs.config import TrainConfig
from ecgcore.training.checkpoint import SAVING_SHARE
from ecgcore.training.context import TrainContext
from ecgcore.training.device import find_devices, find_precision
from ecgcore.training.loop import ProgressReporter, step
from ecgcore.training.prepare import make_split, prepare
from ecgcore.training.state import TrainState
from ecgcore.workspace import Workspace

MODELS = ("alexnet", "alexnet_m_se")
BATCH = {"cpu": 16, "cuda": 256}
SERIES = (440, 20_000)
_IN_MEMORY = 4  # batches of the bare loop
_STEPS_A_TURN = {"cpu": 1, "cuda": 20}
_SECONDS = {False: 18.0, True: 60.0}  # a network
_MATRIX = {"cpu": 1024, "cuda": 8192}
_FLOPS_A_MULTIPLY_ADD = 6  # 2 forward, 4 backward


def bench_training(full: bool = False) -> dict[str, Any]:
    """Measure the training loop on the example ECGs, on the device that a training would take.

    Parameters
    ----------
    full
        Longer rounds, other ways of computing a step, and the memory of a training on 440 and on
        20,000 records.

    Returns
    -------
    dict
        ``ratio`` (network → images a second of the product's loop ÷ the bare loop's, less the
        share that saving may take), ``images_per_s`` and ``bare_images_per_s``,
        ``matrix_product_flops`` (of a square product in the same precision, timed between the
        turns), ``peak_flops_shares`` (network → its share of that) and ``peak_flops_share`` (the
        largest), ``step_ms`` (network → way of computing → milliseconds a step; the first is the
        product's), ``memory_mb`` (records → peak RssAnon), ``device``, ``precision``, ``batch``,
        ``cores``, ``load`` (over the minute before), ``torch``.
    """
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    device = torch.device(find_devices("auto")[0])
    with tempfile.TemporaryDirectory(prefix="ecgcore-bench-") as place:
        workspace = Workspace(Path(place))
        ingest(EXAMPLES, "bench", workspace, measure=False)
        found = {model: _turns(model, device, workspace, _SECONDS[full]) for model in MODELS}
    shares = {model: one["share"] for model, one in found.items()}
    return {
        "ratio": {model: one["ratio"] for model, one in found.items()},
        "images_per_s": {model: one["images_per_s"] for model, one in found.items()},
        "bare_images_per_s": {model: one["bare_images_per_s"] for model, one in found.items()},
        "matrix_product_flops": max(one["flops"] for one in found.values()),
        "peak_flops_shares": shares,
        "peak_flops_share": max(shares.values()),
        "step_ms": {m: step_ms(m, BATCH[device.type], device) for m in MODELS} if full else {},
        "memory_mb": {str(n): _trained(n).largest_mb for n in SERIES} if full else {},
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "precision": str(find_precision("auto", device)).removeprefix("torch."),
        "batch": BATCH[device.type],
        "cores": os.cpu_count(),
        "load": load,
        "torch": torch.__version__,
    }


def _turns(
    model: str, device: torch.device, workspace: Workspace, seconds: float
) -> dict[str, float]:
    """Time both loops of a network, and matrix products, in turns."""
    batch, steps = BATCH[device.type], _STEPS_A_TURN[device.type]
    working, training = _ready(model, batch, device, workspace)
    clock = ProgressReporter(working.run, training, lambda run, now: None)
    drawn = _endless(training)
    in_memory = [next(drawn) for _ in range(_IN_MEMORY)]
    kept = itertools.cycle(in_memory)

    def real() -> None:
        step(training, working, *next(drawn))
        clock.tick()

    def bare() -> None:
        step(training, working, *next(kept))

    side = torch.randn(2, _MATRIX[device.type], _MATRIX[device.type], device=device)
    a, b = side.to(working.precision)
    for _ in range(3):  # the first steps build what later ones reuse
        real()
        bare()
        a @ b
    times: dict[str, list[float]] = {"real": [], "bare": [], "product": []}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for loop in (real, bare, bare, real):
            times[loop.__name__].append(_timed(loop, steps, device))
        times["product"].append(_timed(lambda: a @ b, steps, device))
    ratios = [bare / real for real, bare in zip(times["real"], times["bare"], strict=True)]
    real_s, bare_s, product_s = (statistics.median(t) for t in times.values())
    per_s = batch / real_s * (1 - SAVING_SHARE)
    flops = 2 * len(a) ** 3 / product_s
    macs = cost(working.model, in_memory[0][0].shape[1:]).multiply_adds
    return {
        "ratio": round(statistics.median(ratios) * (1 - SAVING_SHARE), 3),
        "images_per_s": round(per_s, 1),
        "bare_images_per_s": round(batch / bare_s, 1),
        "flops": float(f"{flops:.3g}"),
        "share": round(_FLOPS_A_MULTIPLY_ADD * macs * per_s / flops, 3),
    }


def _ready(
    model: str, batch: int, device: torch.device, workspace: Workspace
) -> tuple[TrainContext, TrainState]:
    """Return a training at its beginning, as ``ecgcore train`` would work on it."""
    config = TrainConfig("bench", model, "all", "multilabel", batch_size=batch, epochs=10_000)
    run = prepare(config, workspace)
    cohort, plan = make_split(run.config, workspace)
    working = TrainContext(run, run.config, cohort, plan, device, find_precision("auto", device))
    training = TrainState.of(working)
    working.model.train()
    return working, training


def _endless(training: TrainState) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from training.batches_left()
        training.next_epoch()


def _timed(work: Callable[[], object], times: int, device: torch.device) -> float:
    """Return the seconds that one of several calls takes."""
    _wait_for(device)
    started = time.perf_counter()
    for _ in range(times):
        work()
    _wait_for(device)
    return (time.perf_counter() - started) / times


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _trained(n: int) -> Watched:
    """Train a small network for one epoch on ``n`` records, and watch the process."""
    with tempfile.TemporaryDirectory(prefix="ecgcore-bench-") as place:
        folder, workspace = Path(place) / "in", Path(place) / "home"
        repeat_examples(n, folder)
        ingest(folder, "bench", Workspace(workspace), measure=False)
        network = "--model resnet1d --depth 4 --width 4"  # its own memory matters least
        asked = f"--cohort bench {network} --level all --epochs 1 --device cpu"
        return watch(["train", *asked.split(), "--home", str(workspace), "--json"])
