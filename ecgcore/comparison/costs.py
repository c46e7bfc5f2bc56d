"""What a run costs: parameters, multiply-adds, and how long one ECG takes on this machine."""

from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ecgcore.runs.run import Run
    from ecgcore.workspace import Workspace

WARM_UP, TIMED = 2, 7  # answers


def costs_of(run: "Run") -> dict[str, Any]:
    """Return ``parameters`` and ``multiply_adds`` for one ECG; None where the run does not say."""
    meta, found = run.meta, {"parameters": run.meta.get("parameters"), "multiply_adds": None}
    if "input" not in meta:
        return found
    from ecgcore.models import create_model  # torch, which a comparison needs nowhere else
    from ecgcore.models.cost import cost

    model = create_model(meta["model"], len(meta["classes"]), **run.config.model_options)
    return found | cost(model, _one_input(meta["input"]))._asdict()


def ms_per_ecg(runs: Sequence["Run"], workspace: "Workspace") -> list[float]:
    """Return the median time in ms from a recording in memory to its probabilities, one a run.

    Single recordings, drawn and answered in one thread as ``classify`` does; the runs take turns,
    so that what else the machine does falls on all of them.
    """
    import torch

    from ecgcore.inference.model import load
    from ecgcore.records.record import LEADS, Record

    loaded = [load(str(run.folder), workspace) for run in runs]
    records = []
    for one in loaded:
        shape = (len(LEADS), round(one.input["fs_hz"] * one.input["duration_s"]))
        signal_mv = np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)
        records.append(Record(signal_mv, float(one.input["fs_hz"]), "simulated"))
    threads = torch.get_num_threads()
    seconds: list[list[float]] = [[] for _ in runs]
    torch.set_num_threads(1)
    try:
        for turn in range(WARM_UP + TIMED):
            for times, one, record in zip(seconds, loaded, records, strict=True):
                started = perf_counter()
                one.probabilities([record])
                if turn >= WARM_UP:
                    times.append(perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return [1000 * median(times) for times in seconds]


def _one_input(given: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape of what the network reads of one ECG."""
    if "layout" in given:
        return (3, *given["size"])
    return (12, round(given["fs_hz"] * given["duration_s"]))
