"""Train: the records, the checks and the expectations of a request, before anything starts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.charts import draw, figures_training
from dashboard.data import cached, cached_runs
from dashboard.plain_text import message, plain
from ecgcore.errors import EcgError
from ecgcore.runs.config import ResolvedConfig, TrainConfig

if TYPE_CHECKING:
    from ecgcore.training.forecast import Forecast
    from ecgcore.training.prepare import TrainingPlan

MOST_REASONS = 3
PARTS = {"test": "test part", "holdout": "holdout part"}


def show(requests: Sequence[TrainConfig]) -> list[ResolvedConfig]:
    """Show records, checks and expectations; return the trainings, none if they cannot start."""
    first = requests[0]
    if first.label_source == "criteria" and not _is_measured(first.cohort):
        return []
    try:
        configs = [request.resolve() for request in requests]
        plan = cached_runs.plan_training(configs[0])
        forecasts = {config.model: cached_runs.forecast(config, plan) for config in configs}
    except EcgError as error:
        st.error(message(error))
        return []
    left, right = st.columns([3, 2])
    with left:
        alt = "Records of each class: requested at this level, available, and drawn"
        bars = figures_training.level_bars(plan.split.counts)
        draw.figure(bars, "train_classes", alt)
    with right:
        draw.parts_table(plan.split)
        _show_checks(plan)
    _show_expectations(plan, forecasts)
    return configs if plan.leak_check.passed else []


def _is_measured(cohort: str) -> bool:
    """Tell whether a cohort is measured; offer to measure it where it is not."""
    if cached.cohort(cohort).is_measured:
        return True
    st.info(
        "Labels by criteria need measurements, and not all records of this cohort are measured. "
        "Measuring is done once and may take some minutes."
    )
    if st.button("Measure them now", icon=":material/straighten:", key="train_measure"):
        with st.spinner("Measuring …", show_time=True):
            cached_runs.measure(cohort)
        st.rerun()
    return False


def _show_checks(plan: "TrainingPlan") -> None:
    """Show the leak check, notes on the split, and the records that are left out."""
    if plan.leak_check.passed:
        st.markdown(f":material/verified: {plan.leak_check.text}")
    else:
        st.error(plain(plan.leak_check.text))
    for note in plan.split.notes:
        st.caption(plain(note))
    reasons = [f"{n:,} {reason}" for reason, n in plan.split.left_out.items()]
    rest = sum(list(plan.split.left_out.values())[MOST_REASONS:])
    first = reasons[:MOST_REASONS] + [f"{rest:,} for other reasons"] * (rest > 0)
    all_reasons = "; ".join(reasons) if rest else None
    st.caption(f"Left out: {plain(', '.join(first) or 'none')}.", help=all_reasons)


def _show_expectations(plan: "TrainingPlan", forecasts: Mapping[str, "Forecast"]) -> None:
    """Show how precise the score can be, how long training takes, and how much disk it needs."""
    precision, time, disk = st.columns(3)
    with precision:
        st.markdown("**Precision of the score**")
        st.caption(_precision_text(cached_runs.expected_intervals(plan)))
    with time:
        st.markdown("**Duration**")
        st.caption(_time_text(forecasts))
    with disk:
        st.markdown("**Disk**")
        st.caption(_disk_text(forecasts))


def _precision_text(intervals: Mapping[str, Any]) -> str:
    if not intervals:
        return "No record is tested: there will be no score."
    parts = [
        f"{draw.span(interval, 2)} on the {PARTS[part]} ({interval['patients']:,} patients)"
        for part, interval in intervals.items()
    ]
    return f"95 % interval of an accuracy of 80 %: {'; '.join(parts)}."


def _time_text(forecasts: Mapping[str, "Forecast"]) -> str:
    lines = []
    for network, forecast in forecasts.items():
        if forecast.seconds is None or forecast.pace is None:
            lines.append(f"{network}: unknown until its first epoch is done")
        else:
            epochs = "1 epoch" if forecast.pace.epochs == 1 else f"{forecast.pace.epochs} epochs"
            lines.append(
                f"{network}: about {duration(forecast.seconds)}, from {epochs} trained here before"
            )
    text = f"{'; '.join(lines)}. Networks train one after the other; scoring takes extra time."
    waiting = len(cached_runs.alive_runs())
    return text + f" Ahead in the queue: {waiting}." * bool(waiting)


def _disk_text(forecasts: Mapping[str, "Forecast"]) -> str:
    training = max(one.disk_bytes for one in forecasts.values())
    stored = sum(one.kept_bytes for one in forecasts.values())
    free = min(one.free_bytes for one in forecasts.values())
    return (
        f"{size(training)} during training, {size(stored)} stored afterwards in all; "
        f"{size(free)} free."
    )


def duration(seconds: float) -> str:
    """Return a time in words: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(n_bytes: int) -> str:
    """Return a size in words: ``61 MB``, ``1.6 GB``."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
