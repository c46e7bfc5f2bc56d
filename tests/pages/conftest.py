"""Workspaces for the app, and the app itself in Streamlit's AppTest."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ecgcore.runs.run import Run
from ecgcore.workspace import Workspace

# As on a server that has drawn a network image before.
import_module("ecgcore.imaging.network_view")
ENTRY = str(Path(__file__).resolve().parents[2] / "dashboard" / "streamlit_app.py")


@pytest.fixture(scope="session", autouse=True)
def shipped_pair_compared_once() -> Iterator[None]:
    """Compare the shipped networks once for all tests: Overview shows them where no run is.

    The bootstrap over their thousands of records takes longer than all else on these pages.
    """
    from ecgcore.comparison import seed_groups
    from ecgcore.runs.run import shipped_models

    compare, shipped = seed_groups.compare_seed_groups, {run.folder for run in shipped_models()}
    comparisons: dict[tuple, Any] = {}

    def compare_once(a: Sequence[Run], b: Sequence[Run], *options: Any) -> Any:
        folders = tuple(getattr(run, "folder", None) for run in (*a, *b))
        if not shipped.issuperset(folders):
            return compare(a, b, *options)
        if (folders, options) not in comparisons:
            comparisons[folders, options] = compare(a, b, *options)
        return comparisons[folders, options]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seed_groups, "compare_seed_groups", compare_once)
        yield


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return an empty workspace, which the app uses."""
    return _use(tmp_path / "home", monkeypatch)


@pytest.fixture
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the shipped networks from the product."""
    monkeypatch.setattr("ecgcore.runs.run.SHIPPED", tmp_path / "checkpoints")


@pytest.fixture
def filled(small_pair, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return the workspace with the example cohort and two runs, which the app uses; read-only."""
    return _use(small_pair[0].path, monkeypatch)


@pytest.fixture
def own_copy(
    examples_home: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """Return a writable workspace with the example cohort, which the app uses."""
    shutil.copytree(examples_home.cohorts, tmp_path / "cohorts")
    return _use(tmp_path, monkeypatch)


def _use(path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ECGCORE_HOME", str(path))
    st.cache_data.clear()
    st.cache_resource.clear()
    return Workspace(path)


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """Return a function that opens a page of the app with URL parameters."""

    def opened(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(ENTRY, default_timeout=300)
        app.switch_page(f"app_pages/{page}.py")
        for key, value in query.items():
            app.query_params[key] = value
        return app.run()

    return opened
