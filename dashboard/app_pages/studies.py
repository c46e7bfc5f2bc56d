"""Studies: the claims of three papers, tested on real recordings, with every training behind."""

import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures_studies, palette
from dashboard.data import cached_studies
from dashboard.plain_text import message
from ecgcore.errors import EcgError

st.title("Studies")
try:
    studies = {study.name: study for study in cached_studies.overviews()}
except EcgError as error:
    st.error(message(error))
    st.stop()
if not studies:
    st.info("No study has a finished training yet. Start one: `ecgcore study levels`.")
    st.stop()
st.write(
    "The claims of three papers, tested on real recordings: AlexNet-M-SE against AlexNet (001), "
    "fine-tuning on a small target (002), the shape of a residual network (003). Each study is one "
    "command; its page is generated from the stored results of its trainings."
)
names = list(studies)
state.ensure_option("studies_name", names, names[0])
st.segmented_control("Study", names, key="studies_name", bind=state.URL, required=True)
study = studies[st.session_state["studies_name"]]
st.subheader(study.title)
progress = f"{study.finished:,} of {study.requested:,} trainings finished."
if study.finished < study.requested:
    progress += f" Run the others: `ecgcore study {study.name}`."
st.caption(progress)
if study.outcome:
    st.markdown(study.outcome)
colour = palette.MODEL[state.is_dark()]["b"]
chart = figures_studies.training_points(cached_studies.trial_scores(study.name), colour)
draw.figure(chart, "studies_points", f"Macro AUC of each training of study {study.name}")
with st.expander("All figures and methods", expanded=not study.outcome):
    for block in study.page:
        if isinstance(block, str):
            st.markdown(block)
        else:
            alt, svg = block
            st.image(svg, alt=alt, width=960)
