"""Benchmark of drawing network images, against matplotlib and against filling memory.

Simulated signals, in the batch size of training; the best of several rounds, since other work on
the machine can only slow a round down.
"""

import math
import os
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from ecgcore.bench.disk_to_tensor import disk_ms
from ecgcore.bench.matplotlib_baseline import VARIANTS, matplotlib_ms
from ecgcore.bench.paper import page_ms
from ecgcore.imaging.drawing import draw
from ecgcore.imaging.geometry import LAYOUTS
from ecgcore.records.record import LEADS

RATES_HZ = (100, 500)
SIZE_PX = 224
DURATION_S = 10
BATCH = 32
RECORDS = {False: (32, 64, 128, 256), True: (32, 128, 512, 1024)}
SIZES_PX = {False: (112, 224, 448), True: (112, 158, 224, 317, 448, 634)}
_ROUND_S = {False: 1.5, True: 10.0}
_RR_S, _FIRST_R_S = 0.85, 0.45


def bench_imaging(full: bool = False) -> dict[str, Any]:
    """Measure drawing at 224×224.

    Parameters
    ----------
    full
        Longer rounds and series; the default takes at most 50 s.

    Returns
    -------
    dict
        ``images_per_s`` (rate → layout → v, R peaks known), ``matplotlib_ms`` (``reused_figure``,
        ``twelve_subplots``; null with ``matplotlib_why`` where it is not installed),
        ``fill_share`` (``stacked`` at 100 Hz as a share of the rate at which the same tensor can
        be filled; ``fill_shares`` has all), ``fill_per_s`` (measured between the drawing
        rounds), ``one_thread`` (images a second on one core, which other work on the machine
        disturbs less), ``disk_ms`` (rate → layout → a record's .hea and .mat to its image),
        ``page_ms`` (the paper page, by format; null where matplotlib is not installed),
        ``ms_by_records``, ``ms_by_side_px`` (``stacked`` at 100 Hz) and ``growth`` (exponents of
        these with records and with pixels: 1 is linear), ``cuda`` (null without one), ``cores``,
        ``load`` (average over the last minute, when it began), ``versions``.
    """
    load, round_s = os.getloadavg()[0], _ROUND_S[full]
    per_s, shares, fill_per_s = _layouts(round_s)
    return {
        "images_per_s": per_s,
        **_matplotlib(round_s),
        "fill_share": shares["100"]["stacked"],
        "fill_shares": shares,
        "fill_per_s": fill_per_s,
        "one_thread": _on_one_thread(round_s / 2),
        "disk_ms": {str(hz): disk_ms(simulated(8, hz).numpy(), hz, round_s / 4) for hz in RATES_HZ},
        "page_ms": _pages_ms(round_s / 4),
        **_series(RECORDS[full], SIZES_PX[full], round_s / 4),
        "cuda": _on_cuda(round_s) if torch.cuda.is_available() else None,
        "cores": torch.get_num_threads(),
        "load": round(load, 2),
        "versions": _versions(),
    }


def simulated(records: int, fs_hz: int) -> torch.Tensor:
    """Return signals (records, 12, T) in mV with sharp beats, noise and wander."""
    rng = np.random.default_rng(0)
    times_s = np.arange(DURATION_S * fs_hz) / fs_hz
    half_s = _RR_S / 2
    from_r_s = (times_s - _FIRST_R_S + half_s) % _RR_S - half_s
    beats = np.exp(-(from_r_s**2) / (2 * 0.012**2))
    height_mv = rng.normal(0, 1, (records, len(LEADS), 1))
    wander = 0.1 * np.sin(2 * np.pi * 0.25 * times_s + rng.uniform(0, 6, (records, 1, 1)))
    noise = rng.normal(0, 0.02, (records, len(LEADS), len(times_s)))
    return torch.from_numpy((height_mv * beats + wander + noise).astype(np.float32))


def peaks_s(records: int) -> list[np.ndarray]:
    """Return the R peaks of ``simulated`` signals, in seconds."""
    return [np.arange(_FIRST_R_S, DURATION_S, _RR_S)] * records


def _layouts(round_s: float) -> tuple[dict, dict, float]:
    """Return images a second and share of the fill rate, by rate and layout, and the fill rate."""
    per_s: dict[str, dict[str, float]] = {str(hz): {} for hz in RATES_HZ}
    shares: dict[str, dict[str, float]] = {str(hz): {} for hz in RATES_HZ}
    fills = []
    for hz in RATES_HZ:
        signals_mv = simulated(BATCH, hz)
        for layout in LAYOUTS:
            drawn_s, filled_s = _draw_and_fill_s(signals_mv, hz, layout, SIZE_PX, round_s)
            per_s[str(hz)][layout] = round(BATCH / drawn_s, 1)
            shares[str(hz)][layout] = round(filled_s / drawn_s, 4)
            fills.append(BATCH / filled_s)
    return per_s, shares, round(max(fills), 1)


def _draw_and_fill_s(
    signals_mv: torch.Tensor, fs_hz: int, layout: str, size: int, round_s: float
) -> tuple[float, float]:
    """Return the best seconds a batch for drawing, and for filling such a tensor, in turns."""
    beats = peaks_s(len(signals_mv))
    tensor = torch.empty(len(signals_mv), 3, size, size)
    drawn_s: list[float] = []
    filled_s: list[float] = []
    until = time.perf_counter() + round_s
    while time.perf_counter() < until or len(drawn_s) < 5:
        drawn_s.append(_seconds(lambda: draw(signals_mv, fs_hz, layout, size, beats)))
        filled_s.append(min(_seconds(lambda: tensor.fill_(0.5)) for _ in range(3)))
    return min(drawn_s), min(filled_s)


def _on_one_thread(round_s: float) -> dict[str, dict[str, float]]:
    """Return images a second by rate and layout, on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _layouts(round_s)[0]
    finally:
        torch.set_num_threads(threads)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _series(records: tuple[int, ...], sides_px: tuple[int, ...], round_s: float) -> dict[str, Any]:
    """Return milliseconds by number of records and by side of the image, and how they grow."""
    fs_hz = RATES_HZ[0]
    by_records, by_side = {}, {}
    for n in records:
        drawn_s, _ = _draw_and_fill_s(simulated(n, fs_hz), fs_hz, "stacked", SIZE_PX, round_s)
        by_records[str(n)] = round(1000 * drawn_s, 3)
    for side in sides_px:
        drawn_s, _ = _draw_and_fill_s(simulated(BATCH, fs_hz), fs_hz, "stacked", side, round_s)
        by_side[str(side)] = round(1000 * drawn_s / BATCH, 4)
    growth = {
        "records": _exponent(by_records),
        "pixels": round(_exponent(by_side) / 2, 3),
    }
    return {"ms_by_records": by_records, "ms_by_side_px": by_side, "growth": growth}


def _exponent(series: dict[str, float]) -> float:
    """Return the slope of the logarithms by least squares."""
    at, ms = np.log([float(n) for n in series]), np.log(list(series.values()))
    return round(float(np.polyfit(at, ms, 1)[0]), 3)


def _on_cuda(round_s: float) -> dict[str, Any]:
    """Return images a second, and the share of the memory bandwidth used to write them.

    The bandwidth is measured in the same run, by copying a large tensor.
    """
    source = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    s = round_s / 4
    bytes_per_s = 2 * source.numel() / _best_cuda_s(source.clone, s)
    image_bytes = 4 * 3 * SIZE_PX**2
    results: dict[str, Any] = {"device": torch.cuda.get_device_name(), "images_per_s": {}}
    for hz in RATES_HZ:
        signals_mv, beats = simulated(512, hz).cuda(), peaks_s(512)
        results["images_per_s"][str(hz)] = {
            layout: round(
                512 / _best_cuda_s(partial(draw, signals_mv, hz, layout, beats=beats), s), 1
            )
            for layout in LAYOUTS
        }
    stacked_per_s = results["images_per_s"]["100"]["stacked"]
    results["bandwidth_gb_s"] = round(bytes_per_s / 1e9, 1)
    results["bandwidth_share"] = round(stacked_per_s * image_bytes / bytes_per_s, 4)
    return results


def _best_cuda_s(work: Callable[[], object], round_s: float) -> float:
    until, best = time.perf_counter() + round_s, math.inf
    while time.perf_counter() < until or best == math.inf:
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return best


def _matplotlib(round_s: float) -> dict[str, Any]:
    """Return the milliseconds of matplotlib's variants, or the reason why there are none."""
    if _version("matplotlib") is None:
        why = "matplotlib is not installed"
        return {"matplotlib_ms": dict.fromkeys(VARIANTS), "matplotlib_why": why}
    return {"matplotlib_ms": matplotlib_ms(simulated(4, 500).numpy(), round_s)}


def _pages_ms(round_s: float) -> dict[str, float] | None:
    """Return the milliseconds of a page; PNG and PDF need matplotlib."""
    if _version("matplotlib") is None:
        return None
    return page_ms(simulated(1, 500)[0].numpy(), 500, round_s)


def _versions() -> dict[str, str | None]:
    return {name: _version(name) for name in ("ecgcore", "torch", "numpy", "matplotlib")}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
