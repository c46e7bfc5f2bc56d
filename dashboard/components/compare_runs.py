"""Compare: choice of both sides, one run each or as many seeds; the URL holds comma lists."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.components import controls
from dashboard.data import cached_comparison, cached_runs
from ecgcore.runs.run import Run


def choose(runs: Sequence[Run]) -> tuple[list[Run], list[Run], str]:
    """Show controls for side A, side B and the part of the records; return the choice."""
    default_a, default_b = cached_runs.latest_pair() or (runs[1], runs[0])
    left, middle, right = st.columns([3, 3, 2])
    with left:
        a = _choose_side("A", state.RUN_A, runs, default_a)
    with middle:
        b = _choose_side("B", state.RUN_B, runs, default_b)
    with right:
        part = st.selectbox(
            "Records",
            list(controls.PARTS),
            key="compare_part",
            bind=state.URL,
            help="; ".join(f"{part}: {words}" for part, words in controls.PARTS.items()),
        )
    if a and b:
        _offer_seeds(a, b)
    return a, b, part


def choose_pair(a: Sequence[Run], b: Sequence[Run]) -> tuple[Run, Run]:
    """Show a list of the pairs of seeds; return the pair to show in detail."""
    names = [
        f"seed {run_a.config.seed}: {run_a.id} and {run_b.id}"
        for run_a, run_b in zip(a, b, strict=True)
    ]
    chosen = st.selectbox("Pair shown below", names, key="compare_pair", bind=state.URL)
    index = names.index(chosen)
    return a[index], b[index]


def _choose_side(label: str, parameter: str, runs: Sequence[Run], default: Run) -> list[Run]:
    """Show a list of runs for one side, synchronised with its URL parameter."""
    by_id, key = {run.id: run for run in runs}, f"compare_{parameter}"
    in_url = st.query_params.get(parameter, "")
    if key not in st.session_state or in_url != st.session_state.get(f"{key}_in_url"):
        linked = [run_id for run_id in dict.fromkeys(in_url.split(",")) if run_id in by_id]
        st.session_state[key] = linked or [default.id]
    chosen = st.multiselect(
        label,
        list(by_id),
        key=key,
        wrap=True,
        placeholder="A run, or several seeds of it",
        help="A run's name contains its network, cohort, level and seed. Several runs on a side "
        "are seeds; choose as many on both sides.",
    )
    value = ",".join(chosen)
    if in_url != value:
        st.query_params[parameter] = value
    st.session_state[f"{key}_in_url"] = value
    return [by_id[run_id] for run_id in chosen]


def _offer_seeds(a: list[Run], b: list[Run]) -> None:
    """Offer to add every seed that both sides have."""
    all_a, all_b = cached_comparison.all_seeds(a, b)
    if len(all_a) <= max(len(a), len(b)):
        return

    def add() -> None:
        for parameter, ids in ((state.RUN_A, all_a), (state.RUN_B, all_b)):
            st.session_state[f"compare_{parameter}"] = ids

    st.button(
        f"Compare all {len(all_a)} seeds",
        icon=":material/casino:",
        on_click=add,
        key="compare_seeds",
        help="Runs of the same configuration with other seeds, on both sides.",
    )
