"""The report: one file that fetches nothing, whose numbers are the comparison's."""

import base64
import json
import re

import pytest

from ecgcore.comparison.compare import compare
from ecgcore.errors import RequestError
from ecgcore.report.facts import gather
from ecgcore.report.render import report_page, write_report


@pytest.fixture(scope="module")
def page(small_pair):
    workspace, a, b = small_pair
    return report_page(gather(a, b, workspace, "holdout"))


def test_the_report_fetches_nothing(page):
    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^"\s>)]+)', page)
    assert addresses
    assert all(a.startswith(("data:image/svg+xml;base64,", "#")) for a in addresses)
    assert "<script" not in page
    for content in re.findall(r"base64,([^\"]+)", page):
        drawn = base64.b64decode(content)
        assert b"</svg>" in drawn
        assert b'href="http' not in drawn


def test_its_numbers_are_the_comparisons(small_pair, page):
    _, a, b = small_pair
    found = compare(a, b, "holdout").as_json()
    change = found["differences"]["macro_auc"]
    assert f"{abs(change['value']):.3f} (" in page
    assert f"{found['n_common']:,} common records" in page
    for side, run in (("a", a), ("b", b)):
        auc = found["evaluations"][side]["macro_auc"]
        assert f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})" in page
        assert run.id in page
        assert run.meta["split"]["hash"] in page
    assert a.meta["cohort"]["hash"] in page


def test_the_flow_of_records_adds_up(small_pair, page):
    _, a, _ = small_pair
    split = a.meta["split"]
    assert sum(split["records"].values()) + sum(split["left_out"].values()) == 160
    flow = page[page.index("Flow of records") :]
    numbers = [int(n) for n in re.findall(r'<td class="n">([\d,]+)</td>', flow)[:3]]
    assert numbers[:2] == [160, 160]
    assert "used" in flow


def test_every_item_of_the_checklist_points_to_a_section_or_to_the_author(page):
    items = page[page.index("Items</caption>") :]
    rows = re.findall(
        r"<tr><th scope=\"row\">(.*?)</th><td.*?>(.*?)</td><td.*?>(.*?)</td></tr>", items
    )
    assert len(rows) > 40
    titles = set(re.findall(r'<h2 id="[a-z]+">(.*?)</h2>', page))
    assert all(where in titles or where.startswith("for the author") for *_, where in rows)
    assert "Research use only" in page


def test_the_same_comparison_gives_the_same_page_but_for_the_moment(small_pair, page):
    workspace, a, b = small_pair
    again = report_page(gather(a, b, workspace, "holdout"))
    moment = re.compile(r"Written \S+ \(UTC\)")
    assert moment.sub("", again) == moment.sub("", page)


def test_a_report_is_written_whole_or_refused(small_pair, tmp_path, run):
    workspace, a, b = small_pair
    with pytest.raises(RequestError, match=r"report.pdf does not end in .html"):
        write_report(a, b, workspace, tmp_path / "report.pdf")
    to = tmp_path / "new" / "report.html"
    code, out, _ = run("report", a.id, b.id, "--to", to, "--home", workspace.path, "--json")
    assert code == 0
    assert json.loads(out.splitlines()[-1])["bytes"] == to.stat().st_size
    assert [file.name for file in to.parent.iterdir()] == ["report.html"]
