"""Compare: choose what is compared. A run a side, or as many seeds; the URL holds comma lists."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.components import controls
from dashboard.data import cached_comparison, cached_runs
from ecgcore.runs.run import Run


def choose(runs: Sequence[Run]) -> tuple[list[Run], list[Run], str]:
    """Let the visitor choose side A, side B and the part of the records."""
    first_a, first_b = cached_runs.latest_pair() or (runs[1], runs[0])
    left, middle, right = st.columns([3, 3, 2])
    with left:
        a = _side("A", state.RUN_A, runs, first_a)
    with middle:
        b = _side("B", state.RUN_B, runs, first_b)
    with right:
        part = st.selectbox(
            "Records", list(controls.PARTS), key="compare_part", bind=state.URL,
            help="; ".join(f"{part}: {words}" for part, words in controls.PARTS.items()),
        )  # fmt: skip
    if a and b:
        _offer_seeds(a, b)
    return a, b, part


def choose_pair(a: Sequence[Run], b: Sequence[Run]) -> tuple[Run, Run]:
    """Let the visitor choose the pair of seeds that is shown in detail."""
    names = [
        f"seed {one.config.seed}: {one.id} and {other.id}" for one, other in zip(a, b, strict=True)
    ]
    shown = st.selectbox("Shown below, one pair of", names, key="compare_pair", bind=state.URL)
    place = names.index(shown)
    return a[place], b[place]


def _side(label: str, name: str, runs: Sequence[Run], first: Run) -> list[Run]:
    """Let the visitor choose the runs of one side; ``name`` is the URL's."""
    by_id, key = {run.id: run for run in runs}, f"compare_{name}"
    said = st.query_params.get(name, "")
    if key not in st.session_state or said != st.session_state.get(f"{key}_said"):
        asked = [run_id for run_id in dict.fromkeys(said.split(",")) if run_id in by_id]
        st.session_state[key] = asked or [first.id]
    chosen = st.multiselect(
        label, list(by_id), key=key, wrap=True, placeholder="A run, or several seeds of it",
        help="Network, cohort, level and seed stand in a run's name. Several runs a side are "
        "seeds: as many on both sides.",
    )  # fmt: skip
    now = ",".join(chosen)
    if said != now:
        st.query_params[name] = now
    st.session_state[f"{key}_said"] = now
    return [by_id[run_id] for run_id in chosen]


def _offer_seeds(a: list[Run], b: list[Run]) -> None:
    """Offer to add every seed that both sides have."""
    more = cached_comparison.all_seeds(a, b)
    if len(more[0]) <= max(len(a), len(b)):
        return

    def add() -> None:
        for name, ids in zip((state.RUN_A, state.RUN_B), more, strict=True):
            st.session_state[f"compare_{name}"] = ids

    st.button(
        f"Compare all {len(more[0])} seeds", icon=":material/casino:", on_click=add,
        key="compare_seeds", help="Runs of the same configuration with other seeds, both sides.",
    )  # fmt: skip
