"""How long common ways with matplotlib take for the same picture: what most scripts do."""

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np

from ecgcore.records.record import LEADS

WAYS = ("reused_figure", "twelve_subplots")
_SIDE_PX = 224
_DURATION_S = 10


def matplotlib_ms(signals_mv: np.ndarray, round_s: float) -> dict[str, float]:
    """Return the milliseconds an image of two common ways; needs matplotlib.

    One figure whose twelve lines are given new data, and twelve subplots made anew; both at
    224 px, saved as PNG in memory, as scripts do.

    Parameters
    ----------
    signals_mv
        (B, 12, T) in mV, drawn in turns.
    round_s
        Seconds to spend on each.
    """
    ways = zip(WAYS, (_reused_figure(), _twelve_subplots), strict=True)
    return {name: _best_ms(way, signals_mv, round_s) for name, way in ways}


def _best_ms(way: Callable[[np.ndarray], object], signals_mv: np.ndarray, round_s: float) -> float:
    until, best, turn = time.perf_counter() + round_s, float("inf"), 0
    while time.perf_counter() < until or turn < 2:
        signal_mv = signals_mv[turn % len(signals_mv)]
        started = time.perf_counter()
        way(signal_mv)
        best, turn = min(best, time.perf_counter() - started), turn + 1
    return round(1000 * best, 2)


def _figure() -> Any:
    """Return an empty figure of 224 × 224 px that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIDE_PX / 100, _SIDE_PX / 100), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def _reused_figure() -> Callable[[np.ndarray], None]:
    """Return a way of drawing: one figure, whose lines get new data."""
    figure = _figure()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set(xlim=(0, _DURATION_S), ylim=(-24, 2))
    lines = [axes.plot([], [], "k", linewidth=0.5)[0] for _ in LEADS]

    def way(signal_mv: np.ndarray) -> None:
        times_s = np.linspace(0, _DURATION_S, signal_mv.shape[1])
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
