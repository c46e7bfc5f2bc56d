"""Browse: filters by label source, source and quality; links to records; keys; cohort view."""

import json

import pytest
from reading import labels, words

from dashboard import state
from dashboard.components import record_filters
from ecgcore.cohort.label_audit import audit_cohort
from ecgcore.cohort.listing import Filters, Listing
from ecgcore.cohort.store import Cohort
from ecgcore.workspace import Workspace


@pytest.fixture
def listing(filled) -> Listing:
    return Listing(Cohort.open("examples", filled))


def listed_records(app) -> list[str]:
    """Return the records that the table lists."""
    return app.dataframe[0].value["record"].tolist()


@pytest.mark.parametrize("source", ["core", "broad", "criteria"])
def test_the_class_filter_uses_the_chosen_label_source(open_page, filled, listing, source):
    app = open_page("browse", cohort="examples", browse_class="LVH", browse_policy=source)
    rows = listing.select_rows(Filters(label_source=source, classes=("LVH",)))
    assert listed_records(app) == [listing.name_of(row) for row in rows]
    assert f"**{len(rows)}** of 160 records" in words(app)


def test_quality_source_and_text_are_filters_and_clear_removes_all(open_page, filled, listing):
    app = open_page("browse", cohort="examples", browse_quality="baseline", browse_text="bundle")
    rows = listing.select_rows(Filters(quality=("baseline",), text="bundle"))
    assert listed_records(app) == [listing.name_of(row) for row in rows]
    assert app.multiselect(key="browse_source").options == ["ptb-xl"]
    app.button(key="browse_clear").click().run()
    assert "**160** of 160 records" in words(app)
    assert app.text_input(key="browse_text").value == ""


def test_a_link_to_records_shows_them_with_a_description_and_can_be_cleared(open_page, filled):
    link = state.link_to_records(
        "examples", ["00747_lr", "gone", "00530_lr"], "label LVH, A says NSR"
    )
    app = open_page("browse", **link)
    assert listed_records(app) == ["00530_lr", "00747_lr"]
    text = "3 records: label LVH, A says NSR (1 left out: not in this cohort, or filtered out)"
    assert [text.value for text in app.text] == [text]
    app.button(key="browse_all").click().run()
    assert len(listed_records(app)) == 160
    assert "records" not in app.query_params
    assert not app.text


def test_the_description_in_a_link_is_shown_as_plain_text(open_page, filled):
    link = {"cohort": "examples", "records": "00530_lr", "why": "[log in](http://evil.example)"}
    app = open_page("browse", **link)
    assert app.text[0].value == "1 record: [log in](http://evil.example)"
    assert "evil" not in words(app)


def test_a_link_carries_no_more_records_than_a_url_holds():
    names = [f"{number:05d}_lr" for number in range(5000)]
    link = state.link_to_records("c", names, "label LVH, A says NSR")
    assert sum(map(len, link.values())) < 6000
    linked = link["records"].split(",")
    assert linked == names[: len(linked)]
    assert link["why"] == f"the first {len(linked)} of 5,000, label LVH, A says NSR"
    assert state.link_to_records("c", ["a"], "x" * 500)["why"] == "x" * 120


def test_a_digit_switches_the_filter_of_its_class_on_and_off(monkeypatch):
    session: dict = {}
    monkeypatch.setattr(record_filters.st, "session_state", session)
    record_filters.toggle_class(0)
    record_filters.toggle_class(9)
    assert session["browse_class"] == ["NSR", "ECT"]
    record_filters.toggle_class(0)
    assert session["browse_class"] == ["ECT"]


def test_keys_lists_the_keys(open_page, filled):
    app = open_page("browse", cohort="examples")
    app.button(key="browse_keys").click().run()
    assert "previous, next record" in words(app)


def test_measurements_are_shown_as_unconfirmed(open_page, filled):
    app = open_page("browse", cohort="examples", record="00530_lr")
    measures = Cohort.open("examples", filled).measures.set_index("record").loc["00530_lr"]
    table = app.table[0].value
    assert table.loc["QRS, ms", "automatic"] == f"{measures['qrs_ms']:.0f}"
    assert table.loc["Sokolow–Lyon, mV", "automatic"] == f"{measures['sokolow_lyon_mv']:.2f}"
    assert "Unconfirmed. n/a: could not be measured." in words(app)


def test_the_view_of_a_cohort_agrees_with_the_audit(open_page, filled):
    app = open_page("browse", cohort="examples", browse_view="cohort")
    audit = audit_cohort(Cohort.open("examples", filled))
    used = audit["flow"]["used"]["exclusive"]["used"]
    text = "Of 160 files found, 160 are records of this cohort; 160 of them are labelled, and "
    assert f"{text}{used} have exactly one class," in words(app)
    tables = [table.value for table in app.table]
    by_source = next(t for t in tables if "expert, core" in t)
    assert by_source["expert, core"].tolist() == [
        str(n) for n in audit["classes"]["core"]["present"].values()
    ]
    assert by_source["criteria, paper"].tolist() == [
        str(one["criteria"]) for one in audit["criteria"]["paper"].values()
    ]
    statements = app.dataframe[0].value
    assert statements["records"].sum() == sum(s["records"] for s in audit["statements"])


def test_the_audit_is_not_computed_while_records_are_shown(open_page, filled, monkeypatch):
    def computed(*_):
        raise AssertionError("The audit was computed.")

    monkeypatch.setattr("ecgcore.cohort.label_audit.audit_cohort", computed)
    assert not open_page("browse", cohort="examples").exception


def test_criteria_of_a_cohort_that_is_not_measured_are_one_line(open_page, own_copy: Workspace):
    for file in own_copy.cohorts.rglob("measures.parquet"):
        file.unlink()
    app = open_page("browse", cohort="examples", browse_policy="criteria")
    assert "has not been measured" in app.error[0].value
    app = open_page("browse", cohort="examples")
    assert set(app.dataframe[0].value["quality"]) == {"not measured"}


def test_refused_files_are_listed_by_record_id(open_page, own_copy: Workspace):
    import pandas as pd

    folder = own_copy.cohorts / "examples"
    (shard, *_) = json.loads((folder / "cohort.json").read_text())["shards"]
    file = folder / "private" / f"{shard}.parquet"
    paths = pd.read_parquet(file)
    bad = paths.iloc[[0]].assign(
        path="/in/Muster_Petra.hea",
        record="r0123456789ab",
        key="k",
        status="rejected",
        reason="Record Muster_Petra: Muster_Petra.dat is missing.",
    )
    pd.concat([paths, bad]).to_parquet(file, index=False)
    app = open_page("browse", cohort="examples", browse_view="cohort")
    refused = app.dataframe[0].value
    assert refused["record"].tolist() == ["r0123456789ab"]
    assert "Muster" not in refused.to_csv() + words(app)
    assert "Of 161 files found, 160" in words(app)


def test_next_and_previous_have_keys(open_page, filled):
    assert {"Previous", "Next", "Clear filters"} <= set(labels(open_page("browse")))
