"""Studies: what the papers claim, tried again on real recordings, with all trainings behind it."""

import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures_studies, palette
from dashboard.data import cached_studies
from ecgcore.errors import EcgError

st.title("Studies")
try:
    there = {found.name: found for found in cached_studies.states()}
except EcgError as error:
    st.error(str(error))
    st.stop()
if not there:
    st.info("No study has a finished training yet. Begin one: `ecgcore study levels`.")
    st.stop()
st.write(
    "What three papers claim, tried again on real recordings: AlexNet-M-SE against AlexNet (001), "
    "fine-tuning on a small target (002), the shape of a residual network (003). Each study is one "
    "command; its page is written from the trainings that are kept beside it."
)
state.settle("studies_name", list(there), next(iter(there)))
st.segmented_control(
    "Study", list(there), key="studies_name", bind=state.URL, required=True
)  # fmt: skip
chosen = there[st.session_state["studies_name"]]
st.subheader(chosen.title)
left = chosen.requested - chosen.finished
said = f"{chosen.finished:,} of {chosen.requested:,} trainings finished."
st.caption(f"{said} The others: `ecgcore study {chosen.name}`." if left > 0 else said)
if chosen.outcome:
    st.markdown(chosen.outcome)
colour = palette.MODEL[state.is_dark()]["b"]
drawn = figures_studies.trainings(cached_studies.points(chosen.name), colour)
draw.figure(drawn, "studies_points", f"Macro AUC of each training of study {chosen.name}")
with st.expander("All figures, and how they were made", expanded=not chosen.outcome):
    for piece in chosen.page:
        if isinstance(piece, str):
            st.markdown(piece)
        else:
            alt, svg = piece
            st.image(svg, alt=alt, width=960)
