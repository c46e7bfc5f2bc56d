"""Baseline: the time of two common ways to draw the same image with matplotlib."""

import itertools
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np

from ecgcore.bench.timing import best_ms
from ecgcore.records.record import LEADS

VARIANTS = ("reused_figure", "twelve_subplots")
_SIDE_PX = 224
_DURATION_S = 10


def matplotlib_ms(signals_mv: np.ndarray, round_s: float) -> dict[str, float]:
    """Return milliseconds an image of two common ways; needs matplotlib.

    One figure whose twelve lines get new data, and twelve subplots created anew; both at 224 px,
    saved as PNG in memory.

    Parameters
    ----------
    signals_mv
        (B, 12, T) in mV, drawn in turn.
    round_s
        Seconds to spend on each.
    """
    results = {}
    for name, draw in zip(VARIANTS, (_reused_figure(), _twelve_subplots), strict=True):
        signals = itertools.cycle(signals_mv)
        work = partial(lambda draw, signals: draw(next(signals)), draw, signals)
        results[name] = round(best_ms(work, round_s, at_least=2), 2)
    return results


def _figure() -> Any:
    """Return an empty figure of 224 × 224 px that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIDE_PX / 100, _SIDE_PX / 100), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def _reused_figure() -> Callable[[np.ndarray], None]:
    """Return a function that draws by giving the lines of one figure new data."""
    figure = _figure()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set(xlim=(0, _DURATION_S), ylim=(-24, 2))
    lines = [axes.plot([], [], "k", linewidth=0.5)[0] for _ in LEADS]

    def draw(signal_mv: np.ndarray) -> None:
        times_s = np.linspace(0, _DURATION_S, signal_mv.shape[1])
        for row, (line, lead_mv) in enumerate(zip(lines, signal_mv, strict=True)):
            line.set_data(times_s, lead_mv - 2 * row)
        figure.savefig(BytesIO(), format="png")

    return draw


def _twelve_subplots(signal_mv: np.ndarray) -> None:
    """Draw twelve subplots, created anew for each record."""
    figure = _figure()
    for axes, lead_mv in zip(figure.subplots(len(LEADS), 1), signal_mv, strict=True):
        axes.plot(lead_mv, "k", linewidth=0.5)
        axes.axis("off")
    figure.savefig(BytesIO(), format="png")
