"""Benchmark of the training loop: share of the time spent in the network, and memory.

The product's loop draws each batch from stored signals, takes the step, reports progress and saves
checkpoints. A bare loop takes the same step with the same network, optimizer, precision and memory
format on batches in memory. Both are timed in turns (product, bare, bare, product), so that
other work on the machine affects them equally; the ratio is the median over turns.
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

from ecgcore.bench.ingest import EXAMPLES, MonitoredRun, monitor, repeat_examples
from ecgcore.bench.step_variants import step_ms
from ecgcore.cohort.ingest import ingest
from ecgcore.models.cost import cost
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.split import read_split
from ecgcore.training.checkpoint import MAX_TIME_SHARE
from ecgcore.training.device import find_devices, find_precision
from ecgcore.training.loop import ProgressReporter, train_step
from ecgcore.training.prepare import prepare
from ecgcore.training.state import TrainContext, TrainState
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
    """Measure the training loop on the example ECGs, on the device that training would use.

    Parameters
    ----------
    full
        Longer rounds, other variants of a step, and the memory of training on 440 and on 20,000
        records.

    Returns
    -------
    dict
        ``ratio`` (network → images a second of the product's loop ÷ the bare loop's, less the
        share that saving may take), ``images_per_s`` and ``bare_images_per_s``,
        ``matrix_product_flops`` (of a square product in the same precision, timed between the
        turns), ``peak_flops_shares`` (network → its share of that) and ``peak_flops_share`` (the
        largest), ``step_ms`` (network → variant → milliseconds a step; the first is the
        product's), ``memory_mb`` (records → peak RssAnon), ``device``, ``precision``, ``batch``,
        ``cores``, ``load`` (over the minute before), ``torch``.
    """
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    device = torch.device(find_devices("auto")[0])
    with tempfile.TemporaryDirectory(prefix="ecgcore-bench-") as folder:
        workspace = Workspace(Path(folder))
        ingest(EXAMPLES, "bench", workspace, measure=False)
        results = {model: _turns(model, device, workspace, _SECONDS[full]) for model in MODELS}
    shares = {model: result["share"] for model, result in results.items()}
    return {
        "ratio": {model: result["ratio"] for model, result in results.items()},
        "images_per_s": {model: result["images_per_s"] for model, result in results.items()},
        "bare_images_per_s": {
            model: result["bare_images_per_s"] for model, result in results.items()
        },
        "matrix_product_flops": max(result["flops"] for result in results.values()),
        "peak_flops_shares": shares,
        "peak_flops_share": max(shares.values()),
        "step_ms": {m: step_ms(m, BATCH[device.type], device) for m in MODELS} if full else {},
        "memory_mb": {str(n): _train_small(n).largest_mb for n in SERIES} if full else {},
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
    context, state = _ready(model, batch, device, workspace)
    reporter = ProgressReporter(context.run, state, lambda run, progress: None)
    fresh_batches = _endless(state)
    in_memory = [next(fresh_batches) for _ in range(_IN_MEMORY)]
    batches_in_memory = itertools.cycle(in_memory)

    def real() -> None:
        train_step(context, state, *next(fresh_batches))
        reporter.tick()

    def bare() -> None:
        train_step(context, state, *next(batches_in_memory))

    side = torch.randn(2, _MATRIX[device.type], _MATRIX[device.type], device=device)
    a, b = side.to(context.precision)
    for _ in range(3):  # the first steps build caches
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
    per_s = batch / real_s * (1 - MAX_TIME_SHARE)
    flops = 2 * len(a) ** 3 / product_s
    macs = cost(context.model, in_memory[0][0].shape[1:]).multiply_adds
    return {
        "ratio": round(statistics.median(ratios) * (1 - MAX_TIME_SHARE), 3),
        "images_per_s": round(per_s, 1),
        "bare_images_per_s": round(batch / bare_s, 1),
        "flops": float(f"{flops:.3g}"),
        "share": round(_FLOPS_A_MULTIPLY_ADD * macs * per_s / flops, 3),
    }


def _ready(
    model: str, batch: int, device: torch.device, workspace: Workspace
) -> tuple[TrainContext, TrainState]:
    """Return the initial state of a training as ``ecgcore train`` would start it."""
    config = TrainConfig("bench", model, "all", "multilabel", batch_size=batch, epochs=10_000)
    run = prepare(config, workspace)
    cohort, split = read_split(run, workspace)
    context = TrainContext(run, run.config, cohort, split, device, find_precision("auto", device))
    context.model.train()
    return context, TrainState.initial(context)


def _endless(state: TrainState) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from state.remaining_batches()
        state.next_epoch()


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


def _train_small(n: int) -> MonitoredRun:
    """Train a small network for one epoch on ``n`` records and monitor the process."""
    with tempfile.TemporaryDirectory(prefix="ecgcore-bench-") as root:
        folder, workspace = Path(root) / "in", Path(root) / "workspace"
        repeat_examples(n, folder)
        ingest(folder, "bench", Workspace(workspace), measure=False)
        network = "--model resnet1d --depth 4 --width 4"  # the data dominate the memory
        options = f"--cohort bench {network} --level all --epochs 1 --device cpu"
        return monitor(["train", *options.split(), "--home", str(workspace), "--json"])
