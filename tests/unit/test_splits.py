"""Splits: no patient and no recording in two parts, stratified, reproducible for a seed."""

import numpy as np
import pandas as pd
import pytest

from ecgcore.cohort.known_overlaps import overlaps_of
from ecgcore.cohort.splits import (
    PARTS,
    by_folds,
    by_patient,
    by_source,
    groups,
    held_out,
    published_folds,
    split,
)
from ecgcore.errors import NotFound, RequestError


def an_index(patients, signals=None, folds=None):
    n = len(patients)
    return pd.DataFrame(
        {
            "record": [f"{i:06d}" for i in range(n)],
            "patient": pd.Series(patients, dtype=object),
            "signal_hash": pd.Series(signals or [f"s{i}" for i in range(n)], dtype=object),
            "fold": pd.array(folds or [None] * n, dtype="Int64"),
        }
    )


def a_random_cohort(seed, n=600, folds=False):
    """Make patients with several records, some recordings filed twice, classes, and folds."""
    rng = np.random.default_rng(seed)
    patients = [f"p{k}" if k else None for k in rng.integers(0, n // 2, n)]
    signals = [f"s{k}" for k in rng.integers(0, n * 10, n)]
    index = an_index(patients, signals, rng.integers(1, 11, n).tolist() if folds else None)
    return index, rng.random((n, 10)) < np.linspace(0.01, 0.4, 10)


def leaks(index, part):
    """Return the patients and recordings that lie on more than one side."""
    frame = index.assign(part=part)[part != ""]
    spread = []
    for column in ("patient", "signal_hash"):
        sides = frame.dropna(subset=column).groupby(column)["part"].nunique()
        spread += sides.index[sides > 1].tolist()
    return spread


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("by", "folds"), [("patient", False), ("patient", True), ("folds", True)])
def test_no_patient_and_no_recording_lies_on_two_sides(seed, by, folds):
    index, stated = a_random_cohort(seed, folds=folds)
    part = split(index, stated, by=by, seed=seed)
    assert leaks(index, part) == []
    assert set(part) == set(PARTS if by == "patient" else PARTS[:3])


@pytest.mark.parametrize("seed", range(8))
def test_each_fold_is_left_out_once_with_all_who_reach_into_it(seed):
    index, stated = a_random_cohort(seed, folds=True)
    for fold in range(1, 11):
        part = split(index, stated, by=f"fold:{fold}", seed=seed)
        assert leaks(index, part) == []
        assert set(part) == {"train", "test"}
        assert (part[index["fold"] == fold] == "test").all()


def test_two_folds_are_left_out_together():
    index, stated = a_random_cohort(0, folds=True)
    part = split(index, stated, by="fold:2+5")
    single = [split(index, stated, by=f"fold:{fold}") == "test" for fold in (2, 5)]
    assert leaks(index, part) == []
    assert ((part == "test") == (single[0] | single[1])).all()


def test_all_records_train_where_nothing_is_left_out():
    index, stated = a_random_cohort(0)
    assert set(split(index, stated, by="none")) == {"train"}


@pytest.mark.parametrize("by", ["fold:", "fold:one", "fold:11", "fold:1+", "fold:1+11", "nothing"])
def test_a_fold_that_is_not_there_is_refused(by):
    index, stated = a_random_cohort(0, folds=True)
    with pytest.raises(NotFound, match="There is no"):
        split(index, stated, by=by)


def test_patients_who_share_a_recording_are_one_group_in_chains():
    index = an_index(["a", "b", "b", "c", "d", None, None], ["1", "1", "2", "2", "3", "3", "4"])
    group = groups(index)
    assert group.tolist() == [0, 0, 0, 0, 1, 1, 2]


def test_records_without_patient_or_hash_are_groups_of_their_own():
    index = an_index([None, None, "", ""], ["", "", None, None])
    assert len(set(groups(index))) == 4


def test_an_empty_index_has_no_groups():
    assert groups(an_index([])).shape == (0,)


def test_parts_hold_about_the_fractions_of_each_class():
    index, stated = a_random_cohort(0, n=6000)
    part = split(index, stated, seed=3)
    kept = part != "holdout"
    assert 0.10 < 1 - kept.mean() < 0.20
    for column in stated[kept].T:
        shares = [(part[kept][column] == name).mean() for name in PARTS[:3]]
        np.testing.assert_allclose(shares, (0.70, 0.15, 0.15), atol=0.08)


@pytest.mark.parametrize("n", range(3, 30))
def test_from_three_patients_on_every_part_gets_one(n):
    part = by_patient(np.arange(n), np.ones((n, 1), bool), seed=n)
    assert set(part) == set(PARTS[:3])


def test_the_same_seed_splits_the_same_and_another_differently():
    index, stated = a_random_cohort(1)
    first, again, other = (split(index, stated, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_holdout_records_do_not_depend_on_seed_classes_or_order():
    index, stated = a_random_cohort(2)
    holdout = split(index, stated, seed=1) == "holdout"
    np.testing.assert_array_equal(holdout, split(index, ~stated, seed=2) == "holdout")
    shuffled = index.sample(frac=1, random_state=0)
    again = pd.Series(held_out(shuffled, groups(shuffled)), shuffled.index).sort_index()
    np.testing.assert_array_equal(holdout, again)


def test_the_highest_published_fold_is_held_out():
    index = an_index(list("abcdef"), folds=[1, 2, 3, 3, 2, 1])
    assert held_out(index, groups(index)).tolist() == [False, False, True, True, False, False]


def test_whoever_shares_a_recording_with_the_holdout_fold_is_held_out_too():
    index = an_index(list("aab"), ["1", "2", "2"], folds=[1, 1, 2])
    assert held_out(index, groups(index)).all()


def test_a_single_fold_is_not_held_out_whole():
    index = an_index([f"p{i}" for i in range(200)], folds=[10] * 200)
    assert 10 < held_out(index, groups(index)).sum() < 60


def test_records_without_a_fold_beside_others_with_one_give_their_own_share():
    index = an_index([f"p{i}" for i in range(400)], folds=[1, 2] * 100 + [None] * 200)
    holdout = held_out(index, groups(index))
    assert holdout[:200].tolist() == [False, True] * 100
    assert 10 < holdout[200:].sum() < 60


def test_published_folds_train_validate_and_test_in_ascending_order():
    folds = [1, 2, 3, 8, 9, 10, None]
    index = an_index(list("abcdefg"), folds=folds)
    part = by_folds(index, groups(index))
    assert part.tolist() == ["train"] * 4 + ["validation", "test", ""]
    assert published_folds(index).tolist() == [1, 2, 3, 8, 9, 10]


def test_a_split_by_too_few_folds_is_refused():
    index = an_index(list("abc"), folds=[1, 2, 2])
    with pytest.raises(RequestError) as refused:
        split(index, np.zeros((3, 10), bool), by="folds")
    assert str(refused.value) == (
        "A split by published folds needs at least three folds; this cohort has 1, 2. "
        "Split by patient instead."
    )


def a_cohort_of_sources(seed=0, n=400):
    """Make patients of five sources, some of whom or whose recordings are in two of them."""
    index, stated = a_random_cohort(seed, n)
    rng = np.random.default_rng(seed)
    names = ("ptb-xl", "ecg-arrhythmia", "chapman-figshare", "georgia", "cpsc_2018_extra")
    index["source"] = rng.choice(names, n)
    numbers = pd.Series(rng.integers(1, 20_000, n)).map("JS{:05d}".format)
    is_js = index["source"] == "ecg-arrhythmia"
    index["record"] = index["record"].where(~is_js, numbers)
    return index, stated


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("source", ["ptb-xl", "georgia", "chapman-figshare", "ecg-arrhythmia"])
def test_all_of_a_left_out_source_tests_and_nobody_in_it_trains(seed, source):
    index, stated = a_cohort_of_sources(seed)
    part = split(index, stated, by=f"source:{source}", seed=seed)
    assert (part[index["source"] == source] == "test").all()
    assert (index["source"][part == "test"] == source).all()
    assert leaks(index, part) == []
    assert set(part) == {"train", "validation", "test", ""}
    share = (part == "train").sum() / np.isin(part, ["train", "validation"]).sum()
    assert share == pytest.approx(0.70 / 0.85, abs=0.06)


def test_sources_that_share_recordings_by_the_table_are_left_out():
    index, stated = a_cohort_of_sources()
    shared = (index["source"] == "ecg-arrhythmia") & (index["record"] <= "JS10646")
    part = split(index, stated, by="source:chapman-figshare")
    assert (part[shared] == "").all()
    others = (index["source"] == "ecg-arrhythmia") & (index["record"] > "JS10646")
    assert (part[others] != "").any()
    part = split(index, stated, by="source:ecg-arrhythmia")
    assert (part[index["source"] == "chapman-figshare"] == "").all()


def test_why_a_record_is_left_out_is_told():
    index = an_index(["a", "a", None, None], signals=["1", "2", "3", "4"])
    index["source"] = ["georgia", "ptb", "chapman-figshare", "unknown"]
    part, reason = by_source(index, groups(index), "georgia")
    assert part.tolist() == ["test", "", "train", "train"]
    assert reason.tolist() == ["", "same patient or recording as one of georgia", "", ""]
    index["source"] = ["chapman-figshare", "cpsc_2018", "ecg-arrhythmia", "unknown"]
    index["record"] = ["x", "A0001", "JS00007", "r1"]
    part, reason = by_source(index.iloc[1:], groups(index.iloc[1:]), "cpsc_2018")
    assert part.tolist() == ["test", "train", "train"]
    part, reason = by_source(index, groups(index), "chapman-figshare")
    assert reason[2] == "ecg-arrhythmia: recordings of chapman-figshare are in it"


def test_a_source_that_is_not_there_is_refused_with_those_that_are():
    index, stated = a_cohort_of_sources()
    with pytest.raises(NotFound, match=r"no source 'georgi'\. Did you mean 'georgia'"):
        split(index, stated, by="source:georgi")


def test_every_known_overlap_is_known_both_ways_and_has_its_evidence():
    line = next(o for o in overlaps_of("chapman-figshare") if o.other == "ecg-arrhythmia")
    assert (line.first, line.last, line.kind) == ("JS00001", "JS10646", "recordings")
    assert "doi:10.13026" in line.evidence
    turned = next(o for o in overlaps_of("ecg-arrhythmia") if o.other == "chapman-figshare")
    assert (turned.first, turned.last) == ("", "")
    assert overlaps_of("ptb-xl") == ()


def test_an_unknown_way_to_split_is_refused_by_name():
    with pytest.raises(NotFound, match="There is no way to split 'record'"):
        split(an_index(["a"]), np.zeros((1, 10), bool), by="record")


def test_two_hundred_thousand_records_are_split():
    index, stated = a_random_cohort(4, n=200_000)
    part = split(index, stated)
    assert leaks(index, part) == []
    assert (part == "train").mean() == pytest.approx(0.6, abs=0.03)
