"""Train: what one would learn from, and what to expect, before anything starts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.charts import draw, figures_training
from dashboard.data import cached, cached_runs
from ecgcore.errors import EcgError
from ecgcore.runs.config import TrainConfig

if TYPE_CHECKING:
    from ecgcore.training.forecast import Forecast

MOST_REASONS = 3
PARTS = {"test": "test part", "untouched": "untouched part"}


def show(configs: Sequence[TrainConfig]) -> bool:
    """Show records, checks and expectations; tell whether the trainings can start."""
    first = configs[0]
    if first.label_source == "criteria" and not _measured(first.cohort):
        return False
    try:
        found = cached_runs.planned(first)
        forecasts = [cached_runs.forecast(config, found) for config in configs]
    except EcgError as error:
        st.error(str(error))
        return False
    left, right = st.columns([3, 2])
    with left:
        alt = "Records of each class: asked for at this level, there, and drawn"
        drawn = figures_training.level_bars(found.plan.counts)
        draw.figure(drawn, "train_classes", alt)
    with right:
        draw.parts_table(found.plan)
        _checks(found)
    _expectations(found, dict(zip((c.model for c in configs), forecasts, strict=True)))
    return found.leaks.passed


def _measured(cohort: str) -> bool:
    """Tell whether a cohort is measured; offer to do it where it is not."""
    if cached.cohort(cohort).is_measured_as_today:
        return True
    st.info(
        "Labels by criteria need measurements, and not all records of this cohort are measured. "
        "That is done once and may take some minutes."
    )
    if st.button("Measure them now", icon=":material/straighten:", key="train_measure"):
        with st.spinner("Measuring …", show_time=True):
            cached_runs.measure(cohort)
        st.rerun()
    return False


def _checks(found: "Planned") -> None:
    """Show the leak check, what a reader must know, and what is left out."""
    if found.leaks.passed:
        st.markdown(f":material/verified: {found.leaks.text}")
    else:
        st.error(found.leaks.text)
    for note in found.plan.notes:
        st.caption(note)
    told = [f"{n:,} {why}" for why, n in found.plan.left_out.items()]
    rest = sum(list(found.plan.left_out.values())[MOST_REASONS:])
    shown = told[:MOST_REASONS] + [f"{rest:,} for other reasons"] * (rest > 0)
    every = "; ".join(told) if rest else None
    st.caption(f"Left out: {', '.join(shown) or 'none'}.", help=every)


def _expectations(found: "Planned", forecasts: Mapping[str, "Forecast"]) -> None:
    """Show how sure the score can be, how long it takes, and how much disk."""
    certain, time, disk = st.columns(3)
    with certain:
        st.markdown("**How sure the score can be**")
        st.caption(_width(cached_runs.expected_intervals(found)))
    with time:
        st.markdown("**How long it takes**")
        st.caption(_time(forecasts))
    with disk:
        st.markdown("**Disk**")
        st.caption(_disk(forecasts))


def _width(spans: Mapping[str, Any]) -> str:
    if not spans:
        return "No record tests: there will be no score."
    told = [
        f"{draw.span(span, 2)} on the {PARTS[part]} ({span['patients']:,} patients)"
        for part, span in spans.items()
    ]
    return f"95 % interval of the accuracy, were 80 % right: {'; '.join(told)}."


def _time(forecasts: Mapping[str, "Forecast"]) -> str:
    told = []
    for network, one in forecasts.items():
        if one.seconds is None or one.pace is None:
            told.append(f"{network}: not known until its first epoch is done")
        else:
            epochs = "1 epoch" if one.pace.epochs == 1 else f"{one.pace.epochs} epochs"
            told.append(f"{network}: about {duration(one.seconds)}, by {epochs} of it here before")
    said = f"{'; '.join(told)}. One trains after the other; scoring comes on top."
    ahead = len(cached_runs.alive_runs())
    return said + f" In the queue before: {ahead}." * bool(ahead)


def _disk(forecasts: Mapping[str, "Forecast"]) -> str:
    training = max(one.disk_bytes for one in forecasts.values())
    kept = sum(one.kept_bytes for one in forecasts.values())
    free = min(one.free_bytes for one in forecasts.values())
    return f"{size(training)} while one trains, {size(kept)} kept in all; {size(free)} are free."


def duration(seconds: float) -> str:
    """Return a time in words: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(n_bytes: int) -> str:
    """Return a size in words: ``61 MB``, ``1.6 GB``."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
