"""Browser test of Compare: from a cell of a matrix to its ECGs, thresholds of curves, maps."""

import csv
import io
import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from serving import serving

from dashboard.charts.figures_matrices import record_count
from ecgcore.comparison.compare import compare

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory, small_pair):
    """Return (address, workspace) of a server with the example cohort and the small pair."""
    folder = tmp_path_factory.mktemp("comparing")
    shutil.copytree(small_pair[0].path, folder / "home")
    with serving(folder / "home", folder / "log") as address:
        yield address, folder / "home"


@pytest.fixture
def server(shared_server):
    """Return the server that all tests of this module share."""
    return shared_server


@pytest.fixture
def pair(small_pair):
    """Return the two runs, and the URL that compares them."""
    a, b = small_pair[1:]
    return a, b, f"compare?a={a.id}&b={b.id}"


def click_cell(tab, matrix: str, codes: list[str], label: str, prediction: str) -> None:
    """Click a cell of a matrix once the matrix has stopped moving and shows its hover text."""
    area = tab.locator(f".st-key-compare_matrix_{matrix} .nsewdrag")
    area.scroll_into_view_if_needed()
    box, before = area.bounding_box(), None
    while box != before:
        tab.wait_for_timeout(500)
        box, before = area.bounding_box(), box
    x = box["x"] + (codes.index(prediction) + 0.5) / len(codes) * box["width"]
    y = box["y"] + (codes.index(label) + 0.5) / len(codes) * box["height"]
    tab.mouse.move(x - 3, y)
    tab.mouse.move(x, y)
    hover = tab.locator(f".st-key-compare_matrix_{matrix} .hoverlayer")
    expect(hover).to_contain_text(f"label {label}, predicted {prediction}")
    tab.mouse.click(x, y)


def test_a_click_on_a_cell_leads_to_its_records_and_their_ecgs(open_tab, pair):
    a, b, url = pair
    comparison = compare(a, b).as_json()
    codes = list(comparison["evaluations"]["a"]["classes"])
    counts = comparison["evaluations"]["a"]["confusion"]
    n, row, column = max(
        (count, i, j)
        for i, row_counts in enumerate(counts)
        for j, count in enumerate(row_counts)
        if i != j
    )
    why = f"label {codes[row]}, A says {codes[column]}"
    tab = open_tab(url)
    tab.get_by_role("tab", name="Confusion").click()
    expect(tab.locator(".st-key-compare_matrix_one .nsewdrag")).to_be_visible()
    click_cell(tab, "a", codes, codes[row], codes[column])
    expect(tab.get_by_text(f"{record_count(n)} · {why}")).to_be_visible()
    expect(tab).to_have_url(re.compile(f"compare_cell_label={codes[row]}"))
    tab.get_by_role("link", name="Show all of them in Browse").click()
    expect(tab.get_by_text(f"{n} of 160 records")).to_be_visible()
    expect(tab.get_by_text(why)).to_be_visible()
    linked = parse_qs(urlsplit(tab.url).query)["records"][0].split(",")
    assert len(linked) == n
    first = tab.get_by_role("img", name=re.compile("Twelve-lead ECG of record"))
    expect(first).to_be_visible()
    assert first.get_attribute("aria-label").split()[-1] in linked
    expect(tab.get_by_test_id("stException")).to_have_count(0)


def test_curves_show_thresholds_and_export_their_data(open_tab, pair):
    tab = open_tab(pair[2] + "&compare_tab=Curves&compare_curve=macro")
    tab.get_by_role("combobox", name="Curve").click()
    tab.get_by_role("option", name="micro", exact=True).click()
    curve = tab.locator(
        ".st-key-compare_curve_of_runs"
    ).first  # the previous one fades out below it
    expect(curve).to_contain_text("micro, one against the rest")
    curve.scroll_into_view_if_needed()
    box = curve.locator(".nsewdrag").bounding_box()
    for share in (0.3, 0.5, 0.7):  # somewhere along the diagonal's other side is a curve
        tab.mouse.move(box["x"] + share * box["width"], box["y"] + 0.45 * box["height"])
        tab.mouse.move(box["x"] + share * box["width"] + 1, box["y"] + 0.45 * box["height"])
        if tab.locator(".hoverlayer .hovertext").count():
            break
    expect(tab.locator(".hoverlayer")).to_contain_text("threshold")
    tab.get_by_role("button", name="Save").first.click()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Data as CSV").click()
    text = Path(download.value.path()).read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {"sensitivity", "threshold", "specificity"} <= set(rows[0])
    assert {row["notice"] for row in rows} == {"Research use only. Not a medical device."}


def test_disagreements_show_both_maps(open_tab, pair):
    names = compare(*pair[:2]).disagreements
    tab = open_tab(pair[2] + "&compare_tab=Disagreements")
    tab.get_by_role("button", name="Next").click()
    expect(tab).to_have_url(re.compile(f"compare_record={names[0]}"))
    expect(tab.get_by_role("img", name=f"Twelve-lead ECG of record {names[0]}")).to_be_visible()
    tab.get_by_text("Show both maps").click()
    maps = tab.get_by_role("img", name=re.compile("Image that .* read, with its map"))
    expect(maps).to_have_count(2)
    expect(tab.get_by_test_id("stException")).to_have_count(0)
