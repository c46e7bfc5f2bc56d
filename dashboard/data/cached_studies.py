"""Studies as their page asks for them. As in ``cached``: values in, answers out, nothing stale."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

if TYPE_CHECKING:
    from ecgcore.studies.overview import StudyOverview


def states() -> list["StudyOverview"]:
    """Return the studies of which something is finished."""
    return _states(_newest())


@st.cache_data(max_entries=2, show_spinner="Reading the studies …")
def _states(stamp: int) -> list["StudyOverview"]:
    from ecgcore.studies.overview import study_overviews

    return study_overviews()


def points(name: str) -> pd.DataFrame:
    """Return a row a finished training of a study, with its macro AUC."""
    return _points(name, _newest())


@st.cache_data(max_entries=8, show_spinner="Reading the finished trainings …")
def _points(name: str, stamp: int) -> pd.DataFrame:
    from ecgcore.studies.overview import trial_scores

    return trial_scores(name)


def _newest() -> int:
    """Return the time in ns of the last change below the studies' folder."""
    from ecgcore.studies.overview import STUDIES_FOLDER

    folders = [STUDIES_FOLDER, *STUDIES_FOLDER.glob("*"), *STUDIES_FOLDER.glob("*/cells")]
    return max((f.stat().st_mtime_ns for f in folders if f.exists()), default=0)
