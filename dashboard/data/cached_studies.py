"""Finished studies and their trainings, cached."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

if TYPE_CHECKING:
    from ecgcore.studies.overview import StudyOverview


def overviews() -> list["StudyOverview"]:
    """Return the studies that have a finished training."""
    return _overviews(_modified_ns())


@st.cache_data(max_entries=2, show_spinner="Reading the studies …")
def _overviews(stamp_ns: int) -> list["StudyOverview"]:
    from ecgcore.studies.overview import study_overviews

    return study_overviews()


def trial_scores(name: str) -> pd.DataFrame:
    """Return one row per finished training of a study, with its macro AUC."""
    return _trial_scores(name, _modified_ns())


@st.cache_data(max_entries=8, show_spinner="Reading the finished trainings …")
def _trial_scores(name: str, stamp_ns: int) -> pd.DataFrame:
    from ecgcore.studies import overview

    return overview.trial_scores(name)


def _modified_ns() -> int:
    """Return the time of the last change below the studies' folder, in ns."""
    from ecgcore.studies.overview import STUDIES_FOLDER

    folders = [STUDIES_FOLDER, *STUDIES_FOLDER.glob("*"), *STUDIES_FOLDER.glob("*/cells")]
    return max((f.stat().st_mtime_ns for f in folders if f.exists()), default=0)
