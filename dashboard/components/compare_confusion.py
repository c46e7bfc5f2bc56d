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
LABEL, PREDICTION, SIDE = "compare_cell_label", "compare_cell_said", "compare_cell_side"
"""Keys of the selected cell, which are its names in the URL."""


def matrices(pair: Pair, comparison: Mapping[str, Any], names: Sequence[str], cohort: str) -> None:
    """Show the matrices, and the records of the selected cell."""
    evaluations, dark = comparison["evaluations"], state.is_dark()
    codes = list(evaluations["a"]["classes"])
    cell = _selected_cell(codes)
    selected = {side: cell[:2] if cell and cell[2] == side else None for side in SIDES}
    for side, column, name in zip("ab", columns := st.columns(3), names, strict=False):
        with column:
            st.markdown(f"**{side.upper()} · {name}**")
            counts = evaluations[side]["confusion"]
            chart = figures_matrices.confusion(counts, codes, dark, selected[side])
            _show_matrix(chart, side, f"Confusion matrix of {name}, {pair.part} records")
    with columns[2]:
        st.markdown("**A − B** (orange: more in A, blue: more in B)")
        counts = comparison["confusion_a_minus_b"]
        chart = figures_matrices.confusion_difference(counts, codes, dark, selected["one"])
        _show_matrix(chart, "one", f"Confusion matrix A minus B, {pair.part} records")
    st.caption(f"{evaluations['a']['accuracy_of'].capitalize()}. Click a cell to list its records.")
    _choose_cell(codes)
    if cell is not None:
        _list_records(pair, cell, cohort)


def link_to_all(cohort: str, names: Sequence[str], why: str) -> dict[str, str]:
    """Show a link to Browse with as many of these records as it can hold; return its query."""
    query = state.link_to_records(cohort, names, why)
    n = len(query[state.RECORDS].split(","))
    text = "all of them" if n == len(names) else f"the first {n:,} of {len(names):,}"
    controls.link(f"Show {text} in Browse", "browse", "ecg", query)
    return query


def _show_matrix(chart: Any, side: str, alt: str) -> None:
    key = f"compare_matrix_{side}"

    def select_cell() -> None:
        points = st.session_state[key].selection.points
        if points:
            st.session_state[LABEL] = points[0]["y"]
            st.session_state[PREDICTION] = points[0]["x"]
            st.session_state[SIDE] = SIDES[side]

    draw.figure(chart, key, alt, on_click=select_cell)


def _selected_cell(codes: Sequence[str]) -> tuple[str, str, str] | None:
    """Return (label, prediction, side) of the selected cell.

    On the first run it comes from the URL, because the widgets do not exist yet.
    """
    label, prediction, title = (
        st.session_state.get(key) or st.query_params.get(key, "")
        for key in (LABEL, PREDICTION, SIDE)
    )
    state.ensure_option(SIDE, list(SIDES.values()), title or SIDES["a"])
    side = {title: side for side, title in SIDES.items()}.get(title, "a")
    return (label, prediction, side) if {label, prediction} <= set(codes) else None


def _choose_cell(codes: Sequence[str]) -> None:
    """Show controls that select a cell without a mouse; a click sets the same ones."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Cell of", list(SIDES.values()), required=True, key=SIDE, bind=state.URL
        )
        for title, key in (("Label", LABEL), ("Predicted", PREDICTION)):
            st.selectbox(title, [ANY, *codes], key=key, bind=state.URL, width=160)


def _list_records(pair: Pair, cell: tuple[str, str, str], cohort: str) -> None:
    """List a cell's records, with links to one or all of them."""
    rows = cached_comparison.cell(pair, *cell)
    description = cell_description(*cell)
    st.markdown(f"**{figures_matrices.record_count(len(rows))}** · {description}")
    if not rows:
        return
    prediction = cell[1]
    table = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=min(260, 38 + 35 * len(rows)),
        key="compare_cell_rows",
        on_select="rerun",
        selection_mode="single-row",
        alt=f"Records: {description}",
        column_config={
            "record": "Record",
            "truth": "Label",
            "a": "A says",
            "b": "B says",
            "p_a": st.column_config.NumberColumn(f"A, probability of {prediction}", format="%.3f"),
            "p_b": st.column_config.NumberColumn(f"B, probability of {prediction}", format="%.3f"),
        },
    )
    names = [row["record"] for row in rows]
    with st.container(horizontal=True):
        query = link_to_all(cohort, names, description)
        if table.selection.rows:
            name = names[table.selection.rows[0]]
            controls.link(f"Show {name} in Browse", "browse", "ecg", query | {state.RECORD: name})
            controls.link(
                "Show both maps in Saliency",
                "saliency",
                "center_focus_strong",
                {state.COHORT: cohort, state.RECORD: name},
            )
