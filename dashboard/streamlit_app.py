"""The dashboard's entry: the pages, and what stands on each of them."""

import sys
from pathlib import Path

import streamlit as st

from ecgcore import RESEARCH_USE_ONLY

HERE = Path(__file__).resolve().parent
ROOT = str(HERE.parent)
if ROOT not in sys.path:  # `streamlit run` knows this folder only; pages import from `dashboard`
    sys.path.insert(0, ROOT)

from dashboard import gc_tuning, sign_in  # noqa: E402 (not found before)

st.set_page_config(page_title="ECG workplace", page_icon=str(HERE / "icon.svg"), layout="wide")

gc_tuning.set_aside()
why_not = sign_in.why_not()
page = st.navigation(
    [
        st.Page(
            "app_pages/overview.py",
            title="Overview",
            icon=":material/home:",
            default=True,
            help="Which cohorts and runs there are, and what to do next.",
        ),
        st.Page(
            "app_pages/browse.py",
            title="Browse",
            icon=":material/ecg:",
            help="Filter a cohort's records; see each on ECG paper, labels and their origin.",
        ),
        st.Page(
            "app_pages/train.py",
            title="Train",
            icon=":material/model_training:",
            help="Train the plain and the M-SE network on a cohort and watch both.",
        ),
        st.Page(
            "app_pages/compare.py",
            title="Compare",
            icon=":material/compare_arrows:",
            help="Two runs on the same test records: is the difference real?",
        ),
        st.Page(
            "app_pages/classify.py",
            title="Classify",
            icon=":material/upload_file:",
            help="What do the networks say about an ECG of yours?",
        ),
        st.Page(
            "app_pages/saliency.py",
            title="Saliency",
            icon=":material/center_focus_strong:",
            help="Where did each network look, and how finely can that be told?",
        ),
        st.Page(
            "app_pages/studies.py",
            title="Studies",
            icon=":material/science:",
            help="What the three papers claim, tried again on real recordings.",
        ),
    ],
    position="top" if why_not is None else "hidden",
)
body = st.container()  # the footer is written first: a page that stops early keeps it
st.caption(f"{RESEARCH_USE_ONLY} Every answer is automatic and unconfirmed.")
with body:
    if why_not is None:
        sign_in.show_who()
        page.run()
    else:
        sign_in.ask(why_not)
