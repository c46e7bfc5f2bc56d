"""Every page on a new workspace: it says what to do and offers it."""

import pytest
import streamlit as st
from reading import links, words

from dashboard.data import cached
from ecgcore import RESEARCH_USE_ONLY
from ecgcore.bench.ingest import link_records
from ecgcore.workspace import Workspace

PAGES = ("overview", "browse", "train", "compare", "classify", "saliency")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_a_new_workspace_and_says_research_use_only(open_page, workspace, page):
    app = open_page(page)
    assert app.title[0].value == page.capitalize()
    assert RESEARCH_USE_ONLY in words(app)


@pytest.fixture
def few_examples(tmp_path, monkeypatch) -> None:
    """Let the product come with eight example ECGs, which are read in no time."""
    link_records(cached.EXAMPLES, 8, tmp_path / "examples")
    monkeypatch.setattr(cached, "EXAMPLES", tmp_path / "examples")


@pytest.mark.parametrize("page", ["overview", "browse", "train"])
def test_without_a_cohort_the_examples_are_offered_and_read(
    open_page, workspace: Workspace, few_examples, page
):
    app = open_page(page)
    assert "ecgcore ingest" in words(app)
    app.button(key="read_examples").click().run()
    assert (workspace.cohorts / "examples" / "cohort.json").exists()
    assert "There is no cohort yet" not in words(app)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("compare", "A comparison needs two finished runs."),
        ("classify", "There is no trained network yet."),
        ("saliency", "There is no trained network yet."),
    ],
)
def test_without_a_network_the_pages_that_need_one_lead_to_training(
    open_page, workspace, nothing_shipped, page, message
):
    app = open_page(page)
    assert message in words(app)
    assert links(app) == {"Train both": "train?"}


def test_the_shipped_pair_classifies_an_example_on_first_start(open_page, workspace):
    app = open_page("classify", classify_example="LBBB")
    first, second = app.multiselect(key="classify_runs").value
    assert second == "alexnet_m_se_gap"
    assert f"Its source states LBBB. {first} reads " in words(app)
    assert "alexnet_m_se_gap reads stacked images of 224 × 224 px" in words(app)
    assert "Behind the trace: Grad-CAM of alexnet_m_se_gap" in words(app)


def test_opening_pages_writes_nothing_but_the_test_access_log(open_page, workspace: Workspace):
    for page in PAGES:
        open_page(page)
    assert [file.name for file in workspace.path.iterdir()] == ["ledger.jsonl"]


def test_a_bare_string_in_a_page_is_not_displayed():
    assert st.get_option("runner.magicEnabled") is False
