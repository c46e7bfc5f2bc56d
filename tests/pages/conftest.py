"""Homes that the app works on, and the app itself as AppTest sees it."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ecgcore.workspace import Workspace

import_module(
    "ecgcore.imaging.network_view"
)  # as on a server that has drawn a network's image before
ENTRY = str(Path(__file__).resolve().parents[2] / "dashboard" / "streamlit_app.py")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return an empty home, which the app uses."""
    return _use(tmp_path / "home", monkeypatch)


@pytest.fixture
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the product come without any trained network."""
    monkeypatch.setattr("ecgcore.runs.run.SHIPPED", tmp_path / "checkpoints")


@pytest.fixture
def filled(small_pair, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return the home with the example cohort and two runs, which the app uses. Read only."""
    return _use(small_pair[0].path, monkeypatch)


@pytest.fixture
def own_copy(
    examples_home: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """Return a copy of the cohort of example ECGs in a home that the app uses and may write to."""
    shutil.copytree(examples_home.cohorts, tmp_path / "cohorts")
    return _use(tmp_path, monkeypatch)


def _use(path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ECGCORE_HOME", str(path))
    st.cache_data.clear()
    st.cache_resource.clear()
    return Workspace(path)


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """Return a function that opens a page of the app, with what stands in its URL."""

    def opened(page: str, **looked_at: str) -> AppTest:
        app = AppTest.from_file(ENTRY, default_timeout=60)
        app.switch_page(f"app_pages/{page}.py")
        for key, value in looked_at.items():
            app.query_params[key] = value
        return app.run()

    return opened
