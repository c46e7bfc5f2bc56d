"""Browser test of Browse: import a folder, filter, step, use calipers, follow a link to records."""

import re
import shutil
from pathlib import Path

import pytest
from serving import serving

from ecgcore.cohort.store import Cohort
from ecgcore.workspace import Workspace

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ptb-xl"
expect.set_options(timeout=180_000)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory, examples_home):
    """Return (address, workspace) of a server with the example cohort and two import folders."""
    folder = tmp_path_factory.mktemp("browsing")
    workspace, ward = folder / "home", folder / "archive" / "ward"
    shutil.copytree(examples_home.cohorts, workspace / "cohorts")
    ward.mkdir(parents=True)
    for header in sorted((EXAMPLES / "records100").rglob("*.hea"))[:3]:
        for file in (header, header.with_suffix(".dat")):
            shutil.copy(file, ward)
    (ward / "Muster_Petra.hea").write_text("Muster_Petra 12 100 1000\nnonsense\n")
    roots = f"{folder / 'archive'}:{EXAMPLES}"
    with serving(workspace, folder / "log", ECGCORE_IMPORT_ROOTS=roots) as address:
        yield address, workspace


@pytest.fixture
def server(shared_server):
    """Return the server that all tests of this module share."""
    return shared_server


def choose(tab, label: str, text: str) -> None:
    """Choose an option of a select box, or type a new one."""
    box = tab.get_by_role("combobox", name=label)
    box.click()
    box.fill(text)
    box.press("Enter")


def fill(tab, label: str, text: str) -> None:
    field = tab.get_by_label(label, exact=True)
    field.fill(text)
    field.press("Tab")


def test_a_folder_of_the_server_is_imported_and_refused_files_are_listed(open_tab, server):
    tab = open_tab()
    tab.get_by_text("Import a folder").click()
    fill(tab, "Name of the cohort", "ward-7")
    choose(tab, "Subfolder", "/etc")
    tab.get_by_role("button", name="Import", exact=True).click()
    expect(tab.get_by_text("'/etc' is no folder below archive")).to_be_visible()
    choose(tab, "Subfolder", "ward")
    tab.get_by_role("button", name="Import", exact=True).click()
    done = tab.get_by_text("4 found = 3 records, 1 refused")
    expect(done).to_be_visible()
    expect(tab.get_by_test_id("stDataFrame").last).to_be_visible()
    assert "Muster" not in tab.content()
    tab.get_by_role("link", name="Browse the cohort").click()
    expect(tab.get_by_text("3 of 3 records")).to_be_visible()
    expect(tab.get_by_test_id("stException")).to_have_count(0)


def test_an_import_outlives_its_tab_and_can_be_cancelled_and_resumed(open_tab, server):
    tab = open_tab()
    tab.get_by_text("Import a folder").click()
    choose(tab, "Folder of this server", EXAMPLES.name)
    fill(tab, "Name of the cohort", "again")
    tab.get_by_role("button", name="Import", exact=True).click()
    expect(tab.get_by_text("of 160, 0 refused")).to_be_visible()
    tab.locator(".st-key-import_again").get_by_role("button", name="Cancel").click()
    expect(tab.get_by_text("Import of again · cancelled")).to_be_visible()
    assert not (server[1] / "cohorts" / "again" / "cohort.json").exists()
    tab.close()
    tab = open_tab()
    tab.get_by_role("button", name="Resume").click()
    expect(tab.get_by_text("Import of again · running")).to_be_visible()
    tab.close()
    tab = open_tab()
    expect(tab.get_by_text("160 found = 160 records, 0 refused")).to_be_visible()
    assert len(Cohort.open("again", Workspace(server[1]))) == 160


def test_records_are_filtered_and_stepped_through_by_keys(open_tab, server):
    tab = open_tab("browse?cohort=examples")
    page = tab.get_by_role("img", name="Twelve-lead ECG of record")
    expect(page).to_be_visible()
    expect(tab.get_by_text("160 of 160 records")).to_be_visible()
    tab.keyboard.press("6")
    expect(tab).to_have_url(re.compile("browse_class=LVH"))
    expect(tab.get_by_text("1 of 16", exact=True)).to_be_visible()
    tab.keyboard.press("ArrowRight")
    expect(tab.get_by_text("2 of 16", exact=True)).to_be_visible()
    tab.keyboard.press("ArrowLeft")
    expect(tab.get_by_text("1 of 16", exact=True)).to_be_visible()
    fill(tab, "Statement, source or record", "no such statement")
    expect(tab.get_by_text("No record matches these filters")).to_be_visible()
    tab.get_by_role("button", name="Clear filters").click()
    expect(tab.get_by_text("160 of 160 records")).to_be_visible()
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog").get_by_text("previous, next record")).to_be_visible()


def test_calipers_measure_the_calibration_pulse_at_every_zoom(open_tab, server):
    tab = open_tab("browse?cohort=examples&record=00530_lr")
    page = tab.get_by_role("img", name="Twelve-lead ECG of record 00530_lr")
    expect(page).to_be_visible()
    reading = tab.get_by_role("status").filter(has_text=re.compile("Calipers|ms"))
    drag(tab, page, (2.5, 15), (7.5, 5))  # the pulse: from 1.5 to 7.5 mm, 1 mV = 10 mm high
    expect(reading).to_have_text("200 ms · 1.00 mV · 300/min")
    tab.get_by_role("button", name="Zoom in").click()
    expect(reading).to_have_text("200 ms · 1.00 mV · 300/min")  # the mark stays
    tab.get_by_label("ECG page with calipers").focus()
    tab.keyboard.press("Escape")
    expect(reading).to_have_text(re.compile("Calipers"))
    for point in ((130, 60), (150, 60)):  # two clicks instead of a drag
        tab.mouse.click(*screen_position(page, *point))
    expect(reading).to_have_text("800 ms · 0.00 mV · 75/min")
    tab.keyboard.press("Escape")
    for key in ("Enter", *["ArrowRight"] * 5, "Shift+ArrowDown", "Enter"):
        tab.keyboard.press(key)
    expect(reading).to_have_text("200 ms · −0.01 mV · 300/min")
    assert "record=00530_lr" in tab.url  # these arrows moved a point, not to another record
    height = tab.locator(".st-key-browse_paper").bounding_box()["height"]
    tab.get_by_role("button", name="Zoom to 100").click()
    tab.locator(".st-key-browse_speed").get_by_text("50", exact=True).click()
    expect(tab).to_have_url(re.compile("browse_speed=50"))
    expect(page.get_by_text("50 mm/s").first).to_be_attached()
    drag(tab, page, (2.5, 15), (7.5, 5))
    expect(reading).to_have_text("100 ms · 1.00 mV · 600/min")
    assert tab.locator(".st-key-browse_paper").bounding_box()["height"] == height


def test_a_link_shows_its_records_and_their_description(open_tab, server):
    tab = open_tab("browse?cohort=examples&records=00747_lr,00530_lr&why=label LVH, A says NSR")
    expect(tab.get_by_text("2 records: label LVH, A says NSR")).to_be_visible()
    expect(tab.get_by_text("1 of 2", exact=True)).to_be_visible()
    tab.get_by_role("button", name="Next").click()
    expect(tab.get_by_role("img", name="ECG of record 00747_lr")).to_be_visible()
    tab.get_by_role("button", name="Show all records").click()
    expect(tab.get_by_text("160 of 160 records")).to_be_visible()
    assert "records=" not in tab.url


def test_the_cohort_view_shows_the_audit(open_tab, server):
    tab = open_tab("browse?cohort=examples&browse_view=cohort")
    expect(tab.get_by_text("Of 160 files found, 160 are records")).to_be_visible()
    expect(tab.locator(".js-plotly-plot")).to_be_visible()
    expect(tab.get_by_text("Contradictions and doubts")).to_be_visible()
    expect(tab.get_by_test_id("stException")).to_have_count(0)


def drag(tab, page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag from one point of the grid to another, in mm from its upper left corner."""
    page.evaluate("page => page.scrollIntoView()")
    tab.mouse.move(*screen_position(page, *start))
    tab.mouse.down()
    tab.mouse.move(*screen_position(page, *end), steps=4)
    tab.mouse.up()


def screen_position(page, x_mm: float, y_mm: float) -> tuple[float, float]:
    """Return the screen position of a point of the grid."""
    box, grid = page.bounding_box(), page.locator("svg").first
    px_per_mm = box["width"] / float(page.get_attribute("viewBox").split()[2])
    left, top = float(grid.get_attribute("x")), float(grid.get_attribute("y"))
    return box["x"] + (left + x_mm) * px_per_mm, box["y"] + (top + y_mm) * px_per_mm
