"""The report: one file that fetches nothing, whose numbers are the comparison's."""

import base64
import json
import re
from dataclasses import replace

import pytest

from ecgcore.comparison.compare import compare
from ecgcore.errors import RequestError
from ecgcore.report import statements
from ecgcore.report.checklist import checklist
from ecgcore.report.facts import gather
from ecgcore.report.failures import class_failures, shared_misses
from ecgcore.report.render import report_page, write_report
from ecgcore.runs.run import shipped_models


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


def rows_of(page, caption, cells):
    """Return the rows of a table of a page, without tags."""
    part = page[page.index(f"<caption>{caption}") :].partition("</table>")[0]
    row = r"<tr><th scope=\"row\">(.*?)</th>" + r"<td.*?>(.*?)</td>" * (cells - 1) + "</tr>"
    return re.findall(row, part)


def test_no_item_of_the_checklist_is_ticked_without_its_section(page):
    items = rows_of(page, "Items", 4)
    assert len(items) > 40
    titles = set(re.findall(r'<h2 id="[a-z]+">(.*?)</h2>', page))
    for name, _, state, where in items:
        section, _, added = where.partition("; the author adds: ")
        assert state in ("answered", "partly", "for the author"), name
        assert (section in titles) == (state != "for the author"), name
        assert bool(added) == (state == "partly"), name
    by_author = {name for name, _, state, _ in items if state == "for the author"}
    assert {"TRIPOD+AI 3", "TRIPOD+AI 17", "TRIPOD+AI 19", "TRIPOD+AI 27"} <= by_author
    assert "CLAIM 2024: external testing" in by_author  # neither run was scored elsewhere


def test_an_item_falls_when_the_report_lacks_what_it_needs(small_pair, page):
    workspace, a, b = small_pair
    facts = gather(a, b, workspace, "holdout")
    titles = dict.fromkeys(("data", "failures", "subgroups", "provenance"), "section")
    whole = {item.name: item.state for item in checklist(facts, titles)}
    without = {
        item.name: item.state
        for item in checklist(replace(facts, cohort=None, traits=None), titles)
    }
    assert whole["TRIPOD+AI 5"] == "answered"
    assert without["TRIPOD+AI 5"] == "partly"
    assert (whole["CLAIM 2024: failures"], without["CLAIM 2024: failures"]) == (
        "answered",
        "partly",
    )
    assert without["TRIPOD+AI 6"] == "for the author"


def test_the_data_are_described_from_the_records_themselves(page):
    assert "Germany (Physikalisch-Technische Bundesanstalt)" in page
    assert "October 1989 to June 1996" in page
    assert "https://doi.org/10.13026/kfzx-aw45" in page
    assert "binary cross-entropy of each class" in page
    assert "random, after He et al. 2015" in page
    assert "development and evaluation on held-out patients" in page


def test_mistakes_are_counted_for_each_class_and_the_shared_ones_are_drawn(small_pair, page):
    workspace, a, b = small_pair
    facts = gather(a, b, workspace, "holdout")
    rows = rows_of(page, "Mistakes about each class", 8)
    assert [row[0] for row in rows] == list(facts.sides[0].scores.classes)
    for row, one in zip(rows, class_failures(facts), strict=True):
        assert [int(n) for n in row[1:]] == [one.present, *one.missed, *one.false]
        assert one.missed[2] <= min(one.missed[:2])
    misses = [*shared_misses(facts)]
    assert misses
    for miss in misses:
        assert f"Stated {miss.code}, which both networks miss: record {miss.record}." in page


def test_out_of_fold_networks_are_not_said_to_be_calibrated_on_validation(small_pair):
    workspace, *_ = small_pair
    side = replace(gather(*small_pair[1:], workspace, "holdout").sides[0], run=shipped_models()[0])
    assert "fitted on the out-of-fold answers" in statements.temperature(side)
    assert statements.split_way(side).startswith("none: the released network was trained on all")
    assert "the last, since nothing was validated" in statements.kept_epoch(side)
    assert "The records scored here chose them" in statements.thresholds(side)


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
