"""Train: choose a cohort and a level, see what there is to learn from, train both networks and
watch them. Trainings are processes of their own: closing this page stops none of them."""

import streamlit as st

from dashboard.components import controls, train_preview, train_progress, train_settings
from dashboard.data import cached_runs
from ecgcore.errors import EcgError

st.title("Train")
st.write(
    "Train the plain and the M-SE network on the same records, then compare them. Training goes "
    "on when this page is closed, and when the server is restarted."
)
controls.need_cohort()
configs = train_settings.ask()
ready = bool(configs) and train_preview.show(configs)
how_many = {0: "Choose a network", 1: "Train it", 2: "Train both"}.get(len(configs), "Train all")
if st.button(how_many, type="primary", disabled=not ready, key="train_start"):
    try:
        for config in configs:
            cached_runs.start(config)
        st.session_state["train_started"] = len(configs)
        st.session_state["train_shown"] = []
    except EcgError as error:
        st.error(str(error))
died = len(cached_runs.cut_off_runs())
if died and st.button(
    f"Resume {died} cut off", key="train_resume",
    help="Their processes ended without a word, as when the machine restarts. Each goes on where "
    "it was saved last, in the order in which they stood in the queue.",
):  # fmt: skip
    cached_runs.resume_all()
    st.rerun()
train_progress.choose()
st.fragment(train_progress.watch, run_every="2s" if cached_runs.alive_runs() else None)()
