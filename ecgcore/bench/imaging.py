"""How many network images a second are drawn from signals in memory, and what others take.

Simulated signals, in batches that training uses; the best of several rounds, since other work on
the machine can only slow a round down.
"""

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any

import numpy as np
import torch

from ecgcore.imaging.drawing import draw
from ecgcore.imaging.geometry import LAYOUTS
from ecgcore.records.record import LEADS

RATES_HZ = (100, 500)
KNOWN_LAYOUTS = ("stacked", "clinical", "panels")
SIZE_PX = 224
DURATION_S = 10
BATCH = 32
_ROUND_S = {False: 3.0, True: 10.0}


def bench_imaging(full: bool = False) -> dict[str, Any]:
    """Measure drawing at 224×224.

    Parameters
    ----------
    full
        Longer rounds, and images a second by ``batches`` and ``sizes``; otherwise it answers within
        50 s.

    Returns
    -------
    dict
        ``images_per_s`` (rate → layout → v, null for a layout that is not there yet),
        ``matplotlib_ms`` (``reused_figure``, ``twelve_subplots``; null with ``matplotlib_why``
        where it is not installed), ``fill_share`` (``stacked`` at 100 Hz as a share of the rate
        at which the same tensor can merely be filled; ``fill_shares`` has all), ``fill_per_s``
        (measured between the drawing rounds), ``one_thread`` (``stacked`` on one core, which
        other work on the machine disturbs less), ``cores``, ``versions``.
    """
    round_s = _ROUND_S[full]
    per_s: dict[str, dict[str, float | None]] = {}
    share: dict[str, dict[str, float | None]] = {}
    fills = []
    for fs_hz in RATES_HZ:
        signals_mv = simulated(BATCH, fs_hz)
        per_s[str(fs_hz)] = dict.fromkeys(KNOWN_LAYOUTS)
        share[str(fs_hz)] = dict.fromkeys(KNOWN_LAYOUTS)
        for layout in LAYOUTS:
            drawn_s, filled_s = _beside(signals_mv, fs_hz, layout, SIZE_PX, round_s)
            per_s[str(fs_hz)][layout] = round(BATCH / drawn_s, 1)
            share[str(fs_hz)][layout] = round(filled_s / drawn_s, 4)
            fills.append(BATCH / filled_s)
    answer = {
        "images_per_s": per_s,
        "matplotlib_ms": {"reused_figure": None, "twelve_subplots": None},
        "fill_share": share["100"]["stacked"],
        "fill_shares": share,
        "fill_per_s": round(max(fills), 1),
        "one_thread": _on_one_thread(round_s),
        "cores": torch.get_num_threads(),
        "versions": _versions(),
    }
    answer |= _matplotlib(round_s)
    return answer | (_series(round_s) if full else {})


def simulated(records: int, fs_hz: int) -> torch.Tensor:
    """Return signals (records, 12, T) in mV with sharp beats, noise and wander."""
    rng = np.random.default_rng(0)
    times_s = np.arange(DURATION_S * fs_hz) / fs_hz
    beats = np.exp(-((((times_s + 0.4) % 0.85) - 0.4) ** 2) / (2 * 0.012**2))
    height_mv = rng.normal(0, 1, (records, len(LEADS), 1))
    wander = 0.1 * np.sin(2 * np.pi * 0.25 * times_s + rng.uniform(0, 6, (records, 1, 1)))
    noise = rng.normal(0, 0.02, (records, len(LEADS), len(times_s)))
    return torch.from_numpy((height_mv * beats + wander + noise).astype(np.float32))


def _beside(
    signals_mv: torch.Tensor, fs_hz: int, layout: str, size: int, round_s: float
) -> tuple[float, float]:
    """Return the best seconds a batch of drawing, and of filling such a tensor, in turns."""
    paper = torch.empty(len(signals_mv), 3, size, size)
    drawn_s: list[float] = []
    filled_s: list[float] = []
    until = time.perf_counter() + round_s
    while time.perf_counter() < until or len(drawn_s) < 5:
        drawn_s.append(_seconds(lambda: draw(signals_mv, fs_hz, layout, size)))
        filled_s.append(min(_seconds(lambda: paper.fill_(0.5)) for _ in range(3)))
    return min(drawn_s), min(filled_s)


def _on_one_thread(round_s: float) -> dict[str, float]:
    """Return images a second of ``stacked`` by rate, on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {str(hz): _stacked_per_s(hz, round_s) for hz in RATES_HZ}
    finally:
        torch.set_num_threads(threads)


def _stacked_per_s(fs_hz: int, round_s: float) -> float:
    drawn_s, _ = _beside(simulated(BATCH, fs_hz), fs_hz, "stacked", SIZE_PX, round_s)
    return round(BATCH / drawn_s, 1)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _series(round_s: float) -> dict[str, Any]:
    """Return images a second by batch and by size at 100 Hz."""
    fs_hz = RATES_HZ[0]
    batches, sizes = {}, {}
    for batch in (1, 8, 32, 64, 128):
        drawn_s, _ = _beside(simulated(batch, fs_hz), fs_hz, "stacked", SIZE_PX, round_s / 3)
        batches[str(batch)] = round(batch / drawn_s, 1)
    for size in (112, 224, 448):
        drawn_s, _ = _beside(simulated(BATCH, fs_hz), fs_hz, "stacked", size, round_s / 3)
        sizes[str(size)] = round(BATCH / drawn_s, 1)
    return {"batches": batches, "sizes": sizes}


def _versions() -> dict[str, str | None]:
    return {name: _version(name) for name in ("ecgcore", "torch", "numpy", "matplotlib")}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _matplotlib(round_s: float) -> dict[str, Any]:
    """Return the milliseconds an image of two common ways with matplotlib, if it is there.

    One figure whose twelve lines are given new data, and twelve subplots made anew; both at
    224 px, saved as PNG in memory, as scripts do.
    """
    if _version("matplotlib") is None:
        return {"matplotlib_why": "matplotlib is not installed"}
    signals_mv = simulated(4, 500).numpy()
    reused = _reused_figure()
    ways = {"reused_figure": reused, "twelve_subplots": _twelve_subplots}
    return {
        "matplotlib_ms": {name: _best_ms(way, signals_mv, round_s) for name, way in ways.items()}
    }


def _best_ms(way: Callable[[np.ndarray], object], signals_mv: np.ndarray, round_s: float) -> float:
    until, best, turn = time.perf_counter() + round_s, float("inf"), 0
    while time.perf_counter() < until or turn < 2:
        signal_mv = signals_mv[turn % len(signals_mv)]
        best, turn = min(best, _seconds(partial(way, signal_mv))), turn + 1
    return round(1000 * best, 2)


def _figure() -> Any:
    """Return an empty figure of 224 × 224 px that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE_PX / 100, SIZE_PX / 100), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def _reused_figure() -> Callable[[np.ndarray], None]:
    """Return a way of drawing: one figure, whose lines get new data."""
    figure = _figure()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set(xlim=(0, DURATION_S), ylim=(-24, 2))
    lines = [axes.plot([], [], "k", linewidth=0.5)[0] for _ in LEADS]

    def way(signal_mv: np.ndarray) -> None:
        times_s = np.linspace(0, DURATION_S, signal_mv.shape[1])
        for row, (line, lead_mv) in enumerate(zip(lines, signal_mv, strict=True)):
            line.set_data(times_s, lead_mv - 2 * row)
        figure.savefig(BytesIO(), format="png")

    return way


def _twelve_subplots(signal_mv: np.ndarray) -> None:
    """Draw as most scripts do: twelve subplots, made anew for each record."""
    figure = _figure()
    for axes, lead_mv in zip(figure.subplots(len(LEADS), 1), signal_mv, strict=True):
        axes.plot(lead_mv, "k", linewidth=0.5)
        axes.axis("off")
    figure.savefig(BytesIO(), format="png")
