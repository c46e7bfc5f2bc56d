"""Latency: time from a recording in memory to its probabilities, on this machine."""

from collections.abc import Sequence
from statistics import median
from time import perf_counter

import numpy as np
import torch

from ecgcore.inference.model import load_model
from ecgcore.records.record import LEADS, Record
from ecgcore.runs.run import Run
from ecgcore.workspace import Workspace

WARM_UP, TIMED = 2, 7  # predictions of each run


def ms_per_ecg(runs: Sequence[Run], workspace: Workspace) -> list[float]:
    """Return the median time of one prediction in ms, one a run.

    Single recordings, drawn and predicted in one thread as ``classify`` does. The runs take turns,
    so that other load on the machine affects all of them.
    """
    classifiers = [load_model(str(run.folder), workspace) for run in runs]
    records = []
    for classifier in classifiers:
        fs_hz, duration_s = (classifier.input[name] for name in ("fs_hz", "duration_s"))
        shape = (len(LEADS), round(fs_hz * duration_s))
        signal_mv = np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)
        records.append(Record(signal_mv, float(fs_hz), "simulated"))
    threads = torch.get_num_threads()
    seconds: list[list[float]] = [[] for _ in runs]
    torch.set_num_threads(1)
    try:
        for turn in range(WARM_UP + TIMED):
            for times, classifier, record in zip(seconds, classifiers, records, strict=True):
                started = perf_counter()
                classifier.calibrated(classifier.logits(classifier.inputs([record])))
                if turn >= WARM_UP:
                    times.append(perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return [1000 * median(times) for times in seconds]
