"""Listing: the rows shown and filtered agree with the index and the measurements."""

import json

import numpy as np
import pytest

from ecgcore.cohort.listing import NO_DOUBT, NOT_MEASURED, Filters, Listing, class_counts_of
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES
from ecgcore.labels.targets import class_counts


@pytest.fixture(scope="module")
def cohort(examples_home) -> Cohort:
    return Cohort.open("examples", examples_home)


@pytest.fixture(scope="module")
def listing(cohort) -> Listing:
    return Listing(cohort)


def names(listing: Listing, **filters) -> list[str]:
    return [listing.name_of(row) for row in listing.select_rows(Filters(**filters))]


def test_without_filters_all_records_are_listed_in_order(cohort, listing):
    assert names(listing) == cohort.index["record"].tolist()
    shown = listing.table(np.arange(len(listing)), "core").to_pylist()
    for row, expected in zip(shown[:40], cohort.index.head(40).itertuples(), strict=True):
        assert (row["record"], row["sex"], row["source"]) == (
            expected.record,
            expected.sex,
            expected.source,
        )
        assert row["age"] == expected.age
        assert row["classes"] == [c for c in CODES if getattr(expected, f"core_{c}") == 1]
        assert row["statements"].split(", ") == [s[1] for s in json.loads(expected.statements)]


@pytest.mark.parametrize("policy", ["core", "broad", "criteria"])
def test_a_class_means_what_the_policy_says(cohort, listing, policy):
    tier, by = ("core", "criteria") if policy == "criteria" else (policy, "expert")
    states = cohort.states(tier, by)
    for i, code in enumerate(CODES):
        wanted = cohort.index["record"][states[:, i] == 1].tolist()
        assert names(listing, label_source=policy, classes=(code,)) == wanted
    kept = listing.select_rows(Filters(label_source=policy, classes=("LVH",)))
    assert all("LVH" in row["classes"] for row in listing.table(kept, policy).to_pylist())


def test_policies_differ_where_the_labels_do(listing):
    lvh = [
        len(names(listing, label_source=p, classes=("LVH",))) for p in ("core", "broad", "criteria")
    ]
    assert len(set(lvh)) == 3


def test_quality_is_filtered_by_the_codes_of_its_flags(cohort, listing):
    flags = [json.loads(text) for text in cohort.measures["quality"]]
    records = cohort.index["record"].tolist()
    none = [record for record, found in zip(records, flags, strict=True) if not found]
    assert names(listing, quality=(NO_DOUBT,)) == none
    baseline = [
        record
        for record, found in zip(records, flags, strict=True)
        if any(flag.startswith("baseline:") for flag in found)
    ]
    assert names(listing, quality=("baseline",)) == baseline
    assert baseline
    assert listing.quality[0] == NO_DOUBT
    assert NOT_MEASURED not in listing.quality


def test_age_sex_and_source_are_filtered_and_unknown_is_asked_for_by_name(cohort, listing):
    index = cohort.index
    wanted = index["record"][index["age"].between(40, 60) & (index["sex"] == "female")].tolist()
    assert names(listing, ages=(40, 60), sexes=("female",)) == wanted
    unknown = index["record"][index["sex"].isna()].tolist()
    assert names(listing, sexes=("unknown",)) == unknown
    assert names(listing, sources=("georgia",)) == []
    assert len(names(listing, sources=("ptb-xl",))) == len(index)


def test_text_is_sought_in_codes_words_records_and_sources_whatever_its_case(cohort, listing):
    stated = [json.loads(text) for text in cohort.index["statements"]]
    clbbb = [
        record
        for record, said in zip(cohort.index["record"], stated, strict=True)
        if any(code == "CLBBB" for _, code, _ in said)
    ]
    assert names(listing, text="clbbb") == clbbb
    assert set(clbbb) <= set(names(listing, text="Left bundle branch"))
    assert names(listing, text=" 00530_LR ") == ["00530_lr"]
    assert len(names(listing, text="PTB-xl")) == len(cohort)
    assert names(listing, text=".*") == []


def test_a_set_of_records_is_listed_and_what_is_not_there_is_left_out(listing):
    assert names(listing, records=("00747_lr", "gone", "00530_lr")) == ["00530_lr", "00747_lr"]
    assert names(listing, records=("00530_lr",), classes=("NSR",)) == []


def test_what_there_is_not_is_named(listing):
    with pytest.raises(NotFound, match="no class 'LVHH'"):
        listing.select_rows(Filters(classes=("LVHH",)))
    with pytest.raises(NotFound, match="no label source 'narrow'"):
        listing.states("narrow")
    assert listing.row_of("gone") is None


def test_counts_of_classes_are_those_of_the_index(cohort):
    assert class_counts_of(cohort) == class_counts(cohort.states("core"))


def test_a_record_is_read_without_the_whole_index(examples_home):
    fresh, whole = (Cohort.open("examples", examples_home) for _ in range(2))
    row = len(whole.index) - 1
    assert fresh.record(row) is not None
    assert "index" not in fresh.__dict__
    for wanted in (0, row):
        one, other = fresh.record(wanted), whole.record(wanted)
        assert (one.name, one.statements, one.details) == (
            other.name,
            other.statements,
            other.details,
        )
        np.testing.assert_array_equal(one.signal_mv, other.signal_mv)
