"""Compare: both confusion matrices and A − B; a click on a cell lists its records."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures_matrices
from dashboard.components import controls
from dashboard.data import cached_comparison
from dashboard.data.cached_comparison import Pair
from ecgcore.comparison.confusion_cells import cell_description

SIDES = {"a": "A", "b": "B", "one": "A − B"}
ANY = "–"


def matrices(of: Pair, found: Mapping[str, Any], names: Sequence[str], cohort: str) -> None:
    """Show the matrices, and the records of the chosen cell."""
    codes, dark = list(found["evaluations"]["a"]["classes"]), state.is_dark()
    cell = _chosen(codes)
    kept = {side: cell[:2] if cell and cell[2] == side else None for side in SIDES}
    for side, column, name in zip("ab", columns := st.columns(3), names, strict=False):
        with column:
            st.markdown(f"**{side.upper()} · {name}**")
            counts = found["evaluations"][side]["confusion"]
            drawn = figures_matrices.confusion(counts, codes, dark, kept[side])
            _show(drawn, side, f"Confusion matrix of {name}, {of.part} records")
    with columns[2]:
        st.markdown("**A − B** (orange: more in A, blue: more in B)")
        counts = found["confusion_a_minus_b"]
        drawn = figures_matrices.confusion_difference(counts, codes, dark, kept["one"])
        _show(drawn, "one", f"Confusion matrix A minus B, {of.part} records")
    st.caption(f"{found['evaluations']['a']['accuracy_of'].capitalize()}. Click a cell.")
    _choose(codes)
    if cell is not None:
        _records(of, cell, cohort)


def link_to_all(cohort: str, names: Sequence[str], why: str) -> dict[str, str]:
    """Offer a link to Browse with these records, as many as it holds; return what it carries."""
    asked = state.asking_for(cohort, names, why)
    held = len(asked[state.RECORDS].split(","))
    all_of = "them all" if held == len(names) else f"the first {held:,} of {len(names):,}"
    controls.link(f"See {all_of} in Browse", "browse", "ecg", asked)
    return asked


def _show(drawn: Any, side: str, alt: str) -> None:
    key = f"compare_matrix_{side}"

    def clicked() -> None:
        points = st.session_state[key].selection.points
        if points:
            st.session_state["compare_cell_label"] = points[0]["y"]
            st.session_state["compare_cell_said"] = points[0]["x"]
            st.session_state["compare_cell_side"] = SIDES[side]

    draw.figure(drawn, key, alt, on_click=clicked)


def _chosen(codes: Sequence[str]) -> tuple[str, str, str] | None:
    """Return (label, prediction, side) of the cell that the visitor looks at.

    The URL tells it on a first run, before the widgets are there.
    """
    keys = [f"compare_cell_{name}" for name in ("label", "said", "side")]
    asked = [st.session_state.get(key) or st.query_params.get(key, "") for key in keys]
    state.settle(keys[2], list(SIDES.values()), asked[2] or SIDES["a"])
    side = {words: side for side, words in SIDES.items()}.get(asked[2], "a")
    return (asked[0], asked[1], side) if set(asked[:2]) <= set(codes) else None


def _choose(codes: Sequence[str]) -> None:
    """Let the visitor choose a cell without a mouse; a click sets the same."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Cell of", list(SIDES.values()), required=True, key="compare_cell_side",
            bind=state.URL,
        )  # fmt: skip
        for words, key in (("Label", "label"), ("Predicted", "said")):
            st.selectbox(words, [ANY, *codes], key=f"compare_cell_{key}", bind=state.URL, width=160)


def _records(of: Pair, cell: tuple[str, str, str], cohort: str) -> None:
    """List a cell's records, with links to see one or all of them."""
    rows = cached_comparison.cell(of, *cell)
    why = cell_description(*cell)
    st.markdown(f"**{figures_matrices.counted(len(rows))}** · {why}")
    if not rows:
        return
    said = cell[1]
    shown = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=min(260, 38 + 35 * len(rows)),
        key="compare_cell_rows",
        on_select="rerun",
        selection_mode="single-row",
        alt=f"Records: {why}",
        column_config={
            "record": "Record", "truth": "Label", "a": "A says", "b": "B says",
            "p_a": st.column_config.NumberColumn(f"A, probability of {said}", format="%.3f"),
            "p_b": st.column_config.NumberColumn(f"B, probability of {said}", format="%.3f"),
        },
    )  # fmt: skip
    names = [row["record"] for row in rows]
    with st.container(horizontal=True):
        asked = link_to_all(cohort, names, why)
        if shown.selection.rows:
            name = names[shown.selection.rows[0]]
            looked_at = asked | {state.RECORD: name}
            controls.link(f"See {name} in Browse", "browse", "ecg", looked_at)
            controls.link(
                "Where did they look?", "saliency", "center_focus_strong",
                {state.COHORT: cohort, state.RECORD: name},
            )  # fmt: skip
