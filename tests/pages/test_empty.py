"""Every page on a fresh home: it says what to do and offers it."""

import pytest
from reading import links, words

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.home import Home

PAGES = ("overview", "browse", "train", "compare", "classify", "saliency")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_a_fresh_home_and_says_research_use_only(open_page, home, page):
    app = open_page(page)
    assert app.title[0].value == page.capitalize()
    assert RESEARCH_USE_ONLY in words(app)


@pytest.mark.parametrize("page", ["overview", "browse", "train"])
def test_without_a_cohort_the_examples_are_offered_and_read(open_page, home: Home, page):
    app = open_page(page)
    assert "ecgcore ingest" in words(app)
    app.button(key="read_examples").click().run()
    assert (home.cohorts / "examples" / "cohort.json").exists()
    assert "There is no cohort yet" not in words(app)


def test_without_runs_compare_offers_to_train(open_page, home):
    app = open_page("compare")
    assert "two finished runs" in words(app)
    assert links(app) == {"Train both": "train?"}


def test_looking_at_pages_writes_nothing(open_page, home: Home):
    for page in PAGES:
        open_page(page)
    assert not list(home.path.iterdir())
