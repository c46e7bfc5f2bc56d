"""A network's map of one class: on the image it saw, on paper, by lead and wave, and its trust."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures, palette, paper_view
from dashboard.data import cached
from ecgcore.explain.methods import METHODS
from ecgcore.imaging.png import NetworkImage
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.explain.api import Explanation

ClassifierInput = Record | NetworkImage


def head(side: str, name: str, code: str, probability: float) -> None:
    """Name the network, and say how probable it holds the class."""
    st.markdown(f"**{side} · {name}** · {code} {probability:.3f}")


def on_image(found: "Explanation", name: str) -> None:
    """Show the map behind the ink of the image that the network saw; ink alone without a map."""
    title = METHODS[found.method].title
    alt = f"Image that {name} saw, with its map by {title} for {found.class_code}"
    nothing = np.zeros(found.image.shape[1:])
    draw.relevance_image(found.image, nothing if found.map is None else found.map, alt)


def on_paper(sight: ClassifierInput, found: "Explanation", side: str) -> None:
    """Show the map behind the traces of the ECG on paper."""
    if isinstance(sight, NetworkImage):
        st.info("A picture holds no signal that could be drawn on paper. Give the recording.")
        return
    seconds = found.geometry.duration_s
    paper_view.show(
        sight, state.is_dark(), f"saliency_paper_{side}",
        relevance=found.by_lead_time, relevance_duration_s=seconds,
    )  # fmt: skip


def told(found: "Explanation") -> None:
    """Say in words what was found, and what has to be said beside maps of this method."""
    st.caption(found.message)
    if found.warning:
        st.warning(found.warning)


def trust(run_id: str, sight: ClassifierInput, found: "Explanation", side: str) -> None:
    """Check on demand whether a map can be relied on; what was checked stays shown."""
    asked = (run_id, found.record, found.class_code, found.method)
    checked = st.session_state.setdefault("saliency_checked", set())
    pressed = st.button("Check whether to trust it", key=f"saliency_trust_{'AB'.index(side)}")
    if pressed:
        checked.add(asked)
    if asked in checked:
        with st.spinner("Checking against shuffled networks and other classes …", show_time=True):
            draw.trust(cached.trust(run_id, sight, found.class_code, found.method))


def bars(found: dict[str, "Explanation"], code: str) -> None:
    """Show relevance by lead and by wave, as far as the maps tell them apart; else say why not."""
    colours = dict(zip(found, palette.MODEL[state.is_dark()].values(), strict=False))
    leads = {n: f.lead_relevance for n, f in found.items() if any(f.lead_relevance.values())}
    if leads:
        st.subheader("Leads")
        drawn = figures.lead_relevance(leads, [colours[n] for n in leads])
        draw.figure(drawn, "saliency_leads", f"Share of relevance by lead for {code}")
    waves = {n: f.wave_relevance for n, f in found.items() if f.wave_relevance is not None}
    chance = {n: f.wave_time for n, f in found.items() if f.wave_time is not None}
    st.subheader("Waves")
    if waves:
        drawn = figures.wave_relevance(waves, chance, [colours[n] for n in waves])
        draw.figure(drawn, "saliency_waves", f"Share of relevance by wave for {code}")
    for name, explained in found.items():
        if explained.why_no_waves:
            st.caption(f"{name}, no bars by wave: {explained.why_no_waves}.")
