"""The comparison of criteria with experts: what it counts, and what its page says."""

from pathlib import Path

import pytest

from ecgcore.bench.labels import bench_labels, document
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.labels.classes import CODES
from ecgcore.labels.criteria import THRESHOLD_SETS, criteria_rows

PAGE = Path(__file__).parents[2] / "docs/labels.md"


@pytest.fixture(scope="module")
def answer(examples_home):
    return bench_labels(Cohort.open("examples", examples_home))


def test_counts_of_a_class_add_up_to_the_records_whose_expert_label_is_known(answer, examples_home):
    cohort = Cohort.open("examples", examples_home)
    shown = cohort.states("core")[cohort.index["fold"].isin([4, 5])]
    known = dict(zip(CODES, (shown >= 0).sum(axis=0).tolist(), strict=True))
    assert known["STEMI"] < 64
    assert answer["folds"]["shown"]["records"] == 64
    for code, one in answer["agreement"]["shown"]["paper"].items():
        counted = ("both", "expert_only", "criteria_only", "neither", "not_measured")
        total = sum(one[name] for name in counted)
        assert total == known[code]


def test_a_set_is_shown_for_the_classes_that_it_defines_itself(answer):
    found = {name: set(classes) for name, classes in answer["agreement"]["shown"].items()}
    assert set(found) == set(THRESHOLD_SETS)
    assert found["udmi2018"] == {"STEMI", "STD"}
    assert found["aha2009"] == {"LBBB", "RBBB", "LVH", "RVH", "STEMI", "STD"}


def test_every_stated_rhythm_has_its_rates(answer):
    assert sum(answer["rates"]["SBRAD"].values()) >= 6
    assert answer["rates"]["STACH"]["below 45"] == 0


def test_the_page_counts_what_is_unknown_and_was_once_taken_as_absent(answer):
    of_core = answer["audit"]["classes"]["core"]
    present, absent, unknown = (of_core[s]["STEMI"] for s in ("present", "absent", "unknown"))
    assert unknown > 0
    row = f"| STEMI | {present} | {absent + unknown} | {absent} | {unknown} |"
    assert row in document(answer)


def test_the_page_has_every_threshold_with_its_source(answer):
    page = document(answer)
    table = page.split("## Thresholds")[1].split("## Criteria against experts")[0]
    assert table.count("\n| ") == len(criteria_rows()) + 1
    for line in criteria_rows():
        assert f"| {line.citation} |" in table


def test_the_pages_tables_are_whole(answer):
    width = None
    for row in document(answer).splitlines():
        width = None if not row.startswith("|") else width or row.count("|")
        assert width is None or row.count("|") == width


def test_a_cohort_without_folds_is_refused_with_what_to_do(examples_home):
    cohort = Cohort.open("examples", examples_home)
    cohort.index["fold"] = None
    with pytest.raises(RequestError) as error:
        bench_labels(cohort)
    assert str(error.value) == (
        "Cohort 'examples' is not measured or has no folds 4 and 5; ingest PTB-XL: "
        "ecgcore ingest path/to/ptb-xl --cohort ptbxl."
    )


def test_the_committed_page_shows_the_thresholds_of_today():
    table = PAGE.read_text(encoding="utf-8")
    for line in criteria_rows():
        assert f"{line.comparison} {line.threshold:g}" in table
        assert f"| {line.citation} |" in table
