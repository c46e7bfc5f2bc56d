"""Browser test of the report: it opens offline, and axe finds no serious violation."""

import pytest

pytestmark = pytest.mark.browser
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe


def test_the_report_opens_offline_and_is_accessible(browser, tmp_path, run):
    to = tmp_path / "report.html"
    code, *_ = run("report", "alexnet_gap", "alexnet_m_se_gap", "--to", to)
    assert code == 0
    context = browser.new_context(offline=True)
    tab, urls = context.new_page(), []
    tab.on("request", lambda request: urls.append(request.url))
    tab.goto(to.as_uri())
    assert [url for url in urls if not url.startswith(("file:", "data:"))] == []
    widths = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 5
    assert all(widths)  # every figure is loaded
    violations = Axe().run(tab).response["violations"]
    assert [
        (v["id"], v["impact"]) for v in violations if v["impact"] in ("serious", "critical")
    ] == []
