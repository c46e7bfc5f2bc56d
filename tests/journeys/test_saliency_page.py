"""Browser test: another class gives another map; an uploaded ECG is explained, too."""

import re

import pytest
from serving import ROOT, serving

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=120_000)

URL = "saliency?cohort=examples&record=00530_lr&saliency_runs=alexnet_m_se_gap"
CSV = ROOT / "tests" / "data" / "ptb-xl-csv" / "00004_lr_100hz.csv"


@pytest.fixture(scope="module")
def shared_server(examples_home, tmp_path_factory):
    log = tmp_path_factory.mktemp("saliency") / "log"
    with serving(examples_home.path, log) as address:
        yield address, examples_home.path


@pytest.fixture
def server(shared_server):
    """Return the server that all tests of this module share."""
    return shared_server


def test_another_class_changes_the_map_and_its_description(open_tab):
    tab = open_tab(f"{URL}&saliency_class=LBBB")
    image = tab.get_by_role("img", name=re.compile("Image that alexnet_m_se_gap read,.* for LBBB"))
    expect(image).to_be_visible()
    before, words = image.get_attribute("src"), tab.get_by_text("Evidence for LBBB").inner_text()
    box = tab.get_by_role("combobox", name="Class")
    box.click()
    box.fill("STD")
    box.press("Enter")
    image = tab.get_by_role("img", name=re.compile("Image that alexnet_m_se_gap read,.* for STD"))
    expect(image).to_be_visible()
    assert image.get_attribute("src") != before
    expect(tab.get_by_text(words)).to_have_count(0)
    expect(tab).to_have_url(re.compile("saliency_class=STD"))


def test_the_map_is_shown_on_paper_too_and_its_trust_on_request(open_tab):
    tab = open_tab(f"{URL}&saliency_class=LBBB&saliency_view=on paper")
    expect(tab.get_by_role("img", name="Twelve-lead ECG of record 00530_lr")).to_be_visible()
    expect(tab.get_by_role("img", name=re.compile("Image that"))).to_have_count(0)
    assert tab.get_by_text("Trust: ").count() == 0
    tab.get_by_role("button", name="Check whether to trust it").click()
    expect(tab.get_by_text(re.compile("Trust: |nothing speaks for"))).to_be_visible()


def test_an_ecg_uploaded_here_is_explained(open_tab):
    tab = open_tab("saliency?saliency_runs=alexnet_gap&saliency_runs=alexnet_m_se_gap")
    tab.get_by_text("an ECG of mine", exact=True).click()
    expect(tab.get_by_text("Upload an ECG, or try an example")).to_be_visible()
    tab.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(CSV)
    maps = tab.get_by_role("img", name=re.compile("Image that alexnet(_m_se)?_gap read"))
    expect(maps).to_have_count(2)
    expect(tab.get_by_test_id("stException")).to_have_count(0)
