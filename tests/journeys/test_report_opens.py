"""The report in a real browser: it opens without a network, and axe finds no serious fault."""

import pytest

pytestmark = pytest.mark.browser
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe


def test_the_report_opens_without_a_network_and_everyone_can_read_it(browser, tmp_path, run):
    to = tmp_path / "report.html"
    code, *_ = run("report", "alexnet_gap", "alexnet_m_se_gap", "--to", to)
    assert code == 0
    context = browser.new_context(offline=True)
    tab, asked = context.new_page(), []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(to.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    widths = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 5
    assert all(widths)  # every figure is there
    faults = Axe().run(tab).response["violations"]
    assert [(f["id"], f["impact"]) for f in faults if f["impact"] in ("serious", "critical")] == []
