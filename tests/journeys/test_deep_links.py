"""Browser test: each page opens from its own link on a new server, with and without data."""

import pytest
from serving import serving

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=120_000)
PAGES = ("overview", "browse", "train", "compare", "classify", "saliency", "studies")


@pytest.fixture(scope="module", params=["empty", "filled"])
def shared_server(request, examples_home, tmp_path_factory):
    """Return (address, workspace) of a new server, with an empty workspace and with a cohort."""
    folder = tmp_path_factory.mktemp("links")
    workspace = examples_home.path if request.param == "filled" else folder / "home"
    with serving(workspace, folder / "log") as address:
        yield address, workspace


@pytest.fixture
def server(shared_server):
    """Return the server that all tests of this module share."""
    return shared_server


def test_every_page_opens_from_its_own_link(open_tab, server):
    for page in PAGES:
        tab = open_tab("" if page == "overview" else page)
        expect(tab.get_by_role("heading", name=page.capitalize(), exact=True)).to_be_visible()
        expect(tab.get_by_text("Research use only").last).to_be_visible()
        expect(tab.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(tab.get_by_test_id("stException")).to_have_count(0)
        tab.close()


def test_the_choices_on_a_page_are_restored_from_the_link(open_tab, server):
    tab = open_tab("classify?classify_example=LBBB&classify_runs=alexnet_gap&classify_raw=true")
    expect(tab.get_by_text("Behind the trace: Grad-CAM of alexnet_gap for")).to_be_visible()
    expect(tab.locator(".barlayer .bartext, .barlayer text")).to_have_count(10)
    expect(tab.get_by_text("raw, before calibration")).to_be_visible()
    expect(tab.get_by_text("alexnet_m_se_gap reads")).to_have_count(0)
