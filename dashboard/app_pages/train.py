"""Train: choose a cohort and a level, see what the networks would learn from, train and watch them.

Trainings are processes of their own: closing this page stops none of them.
"""

import streamlit as st

from dashboard.components import controls, train_preview, train_progress, train_settings
from dashboard.data import cached_runs
from dashboard.plain_text import message
from ecgcore.errors import EcgError

st.title("Train")
st.write(
    "Train the plain and the M-SE network on the same records, then compare them. Training "
    "continues when this page is closed, and when the server is restarted."
)
controls.need_cohort()
requests = train_settings.show_form()
configs = train_preview.show(requests) if requests else []
label = {0: "Choose a network", 1: "Train it", 2: "Train both"}.get(len(requests), "Train all")
if st.button(label, type="primary", disabled=not configs, key="train_start"):
    try:
        for config in configs:
            cached_runs.start(config)
        st.session_state["train_started"] = len(configs)
        st.session_state["train_shown"] = []
    except EcgError as error:
        st.error(message(error))
crashed = len(cached_runs.crashed_runs())
if crashed and st.button(
    f"Resume {crashed} crashed",
    key="train_resume",
    help="Their processes ended unexpectedly, for example when the machine restarted. Each "
    "resumes from its checkpoint, in the former order of the queue.",
):
    cached_runs.resume_all()
    st.rerun()
train_progress.choose()
st.fragment(train_progress.watch, run_every="2s" if cached_runs.alive_runs() else None)()
