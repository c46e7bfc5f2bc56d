"""A network's relevance map of one class: on its image, on paper, by lead and wave, and trust."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures, palette, paper_view
from dashboard.data import cached
from dashboard.plain_text import plain
from ecgcore.explanation.methods import METHODS
from ecgcore.imaging.png import NetworkImage
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.explanation.api import Explanation

ClassifierInput = Record | NetworkImage


def heading(side: str, name: str, code: str, probability: float) -> None:
    """Show the network's name and its probability of the class."""
    st.markdown(f"**{side} · {name}** · {code} {probability:.3f}")


def on_image(explanation: "Explanation", name: str) -> None:
    """Show the map behind the ink of the network's image; the ink alone without a map."""
    title = METHODS[explanation.method].title
    alt = f"Image that {name} read, with its map by {title} for {explanation.class_code}"
    relevance = explanation.map
    if relevance is None:
        relevance = np.zeros(explanation.image.shape[1:])
    draw.relevance_image(explanation.image, relevance, alt)


def on_paper(ecg: ClassifierInput, explanation: "Explanation", side: str) -> None:
    """Show the map behind the traces of the ECG on paper."""
    if isinstance(ecg, NetworkImage):
        st.info(
            "A network image contains no signal to draw on paper. Upload the recording instead."
        )
        return
    paper_view.show(
        ecg,
        state.is_dark(),
        f"saliency_paper_{side}",
        relevance=explanation.by_lead_time,
        relevance_duration_s=explanation.geometry.duration_s,
    )


def message(explanation: "Explanation") -> None:
    """Show the finding in words, and the warning that belongs to its method."""
    st.caption(explanation.message)
    if explanation.warning:
        st.warning(plain(explanation.warning))


def trust(run_id: str, ecg: ClassifierInput, explanation: "Explanation", side: str) -> None:
    """Check on request whether a map can be trusted; results already computed stay visible."""
    request = (run_id, explanation.record, explanation.class_code, explanation.method)
    checked = st.session_state.setdefault("saliency_checked", set())
    if st.button("Check whether to trust it", key=f"saliency_trust_{'AB'.index(side)}"):
        checked.add(request)
    if request in checked:
        with st.spinner("Checking against shuffled networks and other records …", show_time=True):
            draw.trust(cached.trust(run_id, ecg, explanation.class_code, explanation.method))


def bars(explanations: dict[str, "Explanation"], code: str) -> None:
    """Show relevance by lead and by wave where a map resolves them; otherwise say why not."""
    colours = dict(zip(explanations, palette.MODEL[state.is_dark()].values(), strict=False))
    leads = {
        name: one.lead_relevance
        for name, one in explanations.items()
        if any(one.lead_relevance.values())
    }
    if leads:
        st.subheader("Leads")
        chart = figures.lead_relevance(leads, [colours[name] for name in leads])
        draw.figure(chart, "saliency_leads", f"Share of relevance by lead for {code}")
    waves = {
        name: one.wave_relevance
        for name, one in explanations.items()
        if one.wave_relevance is not None
    }
    wave_time = {
        name: one.wave_time for name, one in explanations.items() if one.wave_time is not None
    }
    st.subheader("Waves")
    if waves:
        chart = figures.wave_relevance(waves, wave_time, [colours[name] for name in waves])
        draw.figure(chart, "saliency_waves", f"Share of relevance by wave for {code}")
    for name, explanation in explanations.items():
        if explanation.why_no_waves:
            st.caption(f"{name}, no bars by wave: {explanation.why_no_waves}.")
