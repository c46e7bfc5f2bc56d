"""Studies as their page asks for them. As in ``cached``: values in, answers out, nothing stale."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

if TYPE_CHECKING:
    from ecgcore.studies.overview import State


def states() -> list["State"]:
    """Return the studies of which something is finished."""
    return _states(_newest())


@st.cache_data(max_entries=2, show_spinner="Reading the studies …")
def _states(stamp: int) -> list["State"]:
    from ecgcore.studies.overview import states as found

    return found()


def points(name: str) -> pd.DataFrame:
    """Return a row a finished training of a study, with its macro AUC."""
    return _points(name, _newest())


@st.cache_data(max_entries=8, show_spinner="Reading the finished trainings …")
def _points(name: str, stamp: int) -> pd.DataFrame:
    from ecgcore.studies.overview import points as found

    return found(name)


def _newest() -> int:
    """Return the time in ns of the last change below the studies' folder."""
    from ecgcore.studies.overview import KEPT

    folders = [KEPT, *KEPT.glob("*"), *KEPT.glob("*/cells")]
    return max((f.stat().st_mtime_ns for f in folders if f.exists()), default=0)
