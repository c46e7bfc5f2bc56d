"""Entry script of the dashboard: its pages, sign-in and the footer of every page."""

import sys
from pathlib import Path

import streamlit as st

from ecgcore import RESEARCH_USE_ONLY

HERE = Path(__file__).resolve().parent
ROOT = str(HERE.parent)
if ROOT not in sys.path:  # `streamlit run` adds only this folder; pages import from `dashboard`
    sys.path.insert(0, ROOT)

from dashboard import gc_tuning, sign_in  # noqa: E402 (needs the path above)

st.set_page_config(page_title="ECG workplace", page_icon=str(HERE / "icon.svg"), layout="wide")

gc_tuning.freeze_objects()
refusal = sign_in.refusal()
page = st.navigation(
    [
        st.Page(
            "app_pages/overview.py",
            title="Overview",
            icon=":material/home:",
            default=True,
            help="Cohorts, runs and next steps.",
        ),
        st.Page(
            "app_pages/browse.py",
            title="Browse",
            icon=":material/ecg:",
            help="Filter a cohort's records; view each on ECG paper with its labels and their "
            "origin.",
        ),
        st.Page(
            "app_pages/train.py",
            title="Train",
            icon=":material/model_training:",
            help="Train the plain and the M-SE network on a cohort and follow both.",
        ),
        st.Page(
            "app_pages/compare.py",
            title="Compare",
            icon=":material/compare_arrows:",
            help="Compare two runs on the same test records, with intervals and tests.",
        ),
        st.Page(
            "app_pages/classify.py",
            title="Classify",
            icon=":material/upload_file:",
            help="Classify your own ECGs.",
        ),
        st.Page(
            "app_pages/saliency.py",
            title="Saliency",
            icon=":material/center_focus_strong:",
            help="Show where each network found evidence for a class, and at which resolution.",
        ),
        st.Page(
            "app_pages/studies.py",
            title="Studies",
            icon=":material/science:",
            help="Reproductions of three papers on real recordings.",
        ),
    ],
    position="top" if refusal is None else "hidden",
)
body = st.container()  # the footer is written first, so that a page that stops early keeps it
st.caption(f"{RESEARCH_USE_ONLY} Every answer is automatic and unconfirmed.")
with body:
    if refusal is None:
        sign_in.show_user()
        page.run()
    else:
        sign_in.show_refusal(refusal)
