"""Levels: balanced draws with notes on lacking records, and the same holdout every time."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ecgcore.cohort.splits import PARTS
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import build_split, class_quotas
from ecgcore.errors import NotFound, RequestError
from ecgcore.labels.classes import CODES
from ecgcore.labels.label_sets import label_set
from ecgcore.labels.targets import targets

RVH, STEMI, STD = (CODES.index(code) for code in ("RVH", "STEMI", "STD"))


def a_cohort(each=60, folds=True, seed=0, patients=None, **fewer):
    """Make a cohort of single-class records: ``each`` a class, or ``RVH=7`` of a class.

    A tenth as many again states nothing, and as many LVH with ECT, a conflict.
    """
    numbers = [fewer.get(code, each) for code in CODES]
    states = np.zeros((sum(numbers) + 2 * (each // 10), 10), np.int8)
    states[np.arange(sum(numbers)), np.repeat(np.arange(10), numbers)] = 1
    states[sum(numbers) : sum(numbers) + each // 10, [CODES.index("LVH"), CODES.index("ECT")]] = 1
    n = len(states)
    rng = np.random.default_rng(seed)
    states = states[rng.permutation(n)]
    who = rng.integers(0, patients or n, n)
    index = pd.DataFrame(
        {
            "record": [f"{i:06d}" for i in range(n)],
            "patient": [f"p{k}" for k in who],
            "signal_hash": [f"s{i}" for i in range(n)],
            "fold": pd.array((who % 5 + 1) if folds else [None] * n, dtype="Int64"),
        }
    )
    return SimpleNamespace(index=index, states=lambda *of: states)


def test_204_are_twenty_or_twenty_one_a_class_and_440_are_44():
    assert class_quotas(204).tolist() == [21] * 4 + [20] * 6
    assert class_quotas(440).tolist() == [44] * 10
    assert class_quotas("all") is None


@pytest.mark.parametrize("mode", ["exclusive", "priority", "multilabel"])
@pytest.mark.parametrize("level", [204, 440])
def test_a_level_draws_evenly_where_there_is_enough(level, mode):
    drawn = build_split(a_cohort(each=90), level, mode)
    assert drawn.counts["drawn"].tolist() == class_quotas(level).tolist()
    assert (drawn.part != "holdout").sum() == level
    each = "20 or 21" if level == 204 else "44"
    assert drawn.notes[0] == f"{level} records requested, {each} per class; {level} drawn."
    assert len(drawn.notes) == 2


def test_where_a_class_has_fewer_the_draw_takes_them_all_and_says_so():
    cohort = a_cohort(each=90, folds=False, RVH=12, STEMI=3)
    drawn = build_split(cohort, 440, "exclusive")
    available = drawn.counts["available"]
    assert available["RVH"] <= 12
    assert available["STEMI"] <= 3
    assert drawn.counts["drawn"].to_dict() == {code: min(44, available[code]) for code in CODES}
    total = 8 * 44 + available["RVH"] + available["STEMI"]
    assert drawn.notes[:2] == (
        f"440 records requested, 44 per class; {total} drawn.",
        f"Too few records available: RVH {available['RVH']}, STEMI {available['STEMI']}. "
        "No record was drawn twice.",
    )


def test_a_class_that_is_not_there_at_all_is_named():
    cohort = a_cohort(RVH=0)
    assert "No record of RVH." in build_split(cohort, "all", "exclusive").notes
    assert any("RVH 0" in note for note in build_split(cohort, 204, "exclusive").notes)


@pytest.mark.parametrize("split", ["patient", "folds"])
@pytest.mark.parametrize("level", [204, "all"])
def test_no_record_twice_and_no_patient_on_two_sides(level, split):
    cohort = a_cohort(each=100, patients=400)
    drawn = build_split(cohort, level, "multilabel", split=split, seed=4)
    assert len(set(drawn.rows.tolist())) == len(drawn.rows)
    assert (np.diff(drawn.rows) > 0).all()
    sides = cohort.index.loc[drawn.rows, "patient"].to_frame().assign(part=drawn.part)
    assert sides.groupby("patient")["part"].nunique().max() == 1
    assert set(drawn.part) == set(PARTS if split == "patient" else PARTS[:3])
    assert drawn.patients == {
        name: sides.loc[sides["part"] == name, "patient"].nunique() for name in PARTS
    }


def test_the_holdout_records_are_the_same_for_all_levels_and_seeds_and_ways():
    cohort = a_cohort(each=100)
    first = build_split(cohort, 204, "exclusive", seed=1)
    holdout = first.rows[first.part == "holdout"]
    for level, seed, split, name in [
        (440, 2, "patient", "holdout"),
        ("all", 3, "patient", "holdout"),
        (204, 1, "folds", "test"),
    ]:
        other = build_split(cohort, level, "exclusive", seed=seed, split=split)
        np.testing.assert_array_equal(holdout, other.rows[other.part == name])
    folds = cohort.index["fold"]
    used = targets(cohort.states(), "exclusive").used
    np.testing.assert_array_equal(holdout, np.flatnonzero((folds == 5) & used))
    assert first.notes[-1] == (
        f"Holdout: published fold 5, {len(holdout):,} records, the same for every level, "
        "model and seed."
    )


def test_a_cohort_without_folds_holds_out_a_fixed_share():
    drawn = build_split(a_cohort(each=200, folds=False), 204, "exclusive")
    holdout = (drawn.part == "holdout").sum()
    assert 0.10 < holdout / 2000 < 0.20
    assert drawn.notes[-1].startswith("Holdout: a fixed 15 % of patients by hash")


def test_the_same_seed_gives_the_same_plan_and_another_another():
    cohort = a_cohort(each=100)
    first, again, other = (build_split(cohort, 204, "exclusive", seed=seed) for seed in (1, 1, 2))
    assert first.hash == again.hash
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.part, again.part)
    assert first.hash != other.hash


def test_a_smaller_level_is_part_of_a_larger_one():
    cohort = a_cohort(each=100)
    small, large = (build_split(cohort, level, "exclusive", seed=7) for level in (204, 440))
    assert set(small.rows) < set(large.rows)


def test_other_patients_are_drawn_before_a_second_record_of_one():
    cohort = a_cohort(each=100, folds=False)
    cohort.index["patient"] = [f"p{i // 2}" for i in range(len(cohort.index))]
    one_class = np.zeros((len(cohort.index), 10), np.int8)
    one_class[:, STD] = 1
    drawn = build_split(
        SimpleNamespace(index=cohort.index, states=lambda *of: one_class), 440, "exclusive"
    )
    patients = cohort.index.loc[drawn.rows[drawn.part != "holdout"], "patient"]
    assert patients.nunique() == len(patients) == 44


def test_every_record_is_used_or_left_out_for_a_reason():
    cohort = a_cohort(each=100)
    for level, split in [(204, "patient"), ("all", "patient"), ("all", "folds")]:
        drawn = build_split(cohort, level, "exclusive", split=split)
        assert len(drawn.rows) + sum(drawn.left_out.values()) == len(cohort.index)
        assert drawn.left_out["no class is stated"] == 10
        assert drawn.left_out["conflict: LVH and ECT"] == 10
    assert "not among the 204 drawn" in build_split(cohort, 204, "exclusive").left_out


def test_records_without_a_published_fold_are_left_out_of_a_split_by_folds():
    cohort = a_cohort(each=50)
    cohort.index["patient"] = None
    cohort.index.loc[:99, "fold"] = pd.NA
    assert build_split(cohort, "all", "multilabel", split="folds").left_out == {
        "no published fold": 100
    }


def test_a_plan_has_the_targets_of_its_mode():
    cohort = a_cohort(each=50)
    for mode in ("multilabel", "exclusive"):
        drawn = build_split(cohort, "all", mode)
        wanted = targets(cohort.states(), mode).y[drawn.rows]
        np.testing.assert_array_equal(drawn.y, wanted)


def test_in_multilabel_mode_a_level_draws_by_the_first_class_in_priority():
    states = np.zeros((400, 10), np.int8)
    states[:200, [STEMI, STD]] = 1
    states[200:, STD] = 1
    cohort = a_cohort(each=40)
    cohort = SimpleNamespace(index=cohort.index[:400], states=lambda *of: states)
    drawn = build_split(cohort, 204, "multilabel")
    assert drawn.counts.loc[["STEMI", "STD"], "drawn"].tolist() == [20, 20]
    assert drawn.counts.loc["STD", list(PARTS[:3])].sum() == 40


def test_the_parts_of_a_level_are_70_15_15():
    drawn = build_split(a_cohort(each=90), 440, "exclusive")
    number = {name: (drawn.part == name).sum() for name in PARTS[:3]}
    assert number["train"] == pytest.approx(0.70 * 440, abs=10)
    assert number["validation"] == pytest.approx(0.15 * 440, abs=10)
    assert number["test"] == pytest.approx(0.15 * 440, abs=10)


@pytest.mark.parametrize("level", [9, 0, "many", 204.5])
def test_a_level_that_is_no_number_of_records_is_refused(level):
    with pytest.raises(RequestError) as refused:
        build_split(a_cohort(), level, "exclusive")
    assert str(refused.value) == (
        f"Level '{level}' is neither 'all' nor a number of records from 10 up."
    )


def of_sources(cohort, *names):
    cohort.index["source"] = [names[i % len(names)] for i in range(len(cohort.index))]
    return cohort


def test_a_left_out_source_tests_whatever_the_level_and_seed():
    cohort = of_sources(a_cohort(each=100), "georgia", "ptb-xl", "ptb-xl", "ptb")
    plans = [
        build_split(cohort, level, "exclusive", split="source:georgia", seed=seed)
        for level, seed in ((204, 1), ("all", 2))
    ]
    tests = [drawn.rows[drawn.part == "test"] for drawn in plans]
    np.testing.assert_array_equal(*tests)
    assert set(cohort.index["source"][tests[0]]) == {"georgia"}
    assert plans[0].counts["drawn"].sum() == 204
    for drawn in plans:
        assert len(drawn.rows) + sum(drawn.left_out.values()) == len(cohort.index)
        assert drawn.notes[-1].startswith("Test: source georgia, ")
        assert "the same for every level" in drawn.notes[-1]


def test_what_a_left_out_source_shares_with_others_is_said():
    cohort = of_sources(a_cohort(each=60), "cpsc_2018", "cpsc_2018_extra", "unknown")
    notes = build_split(cohort, "all", "multilabel", split="source:cpsc_2018").notes
    assert any(n.startswith("Caution: 204 records of cpsc_2018_extra train") for n in notes)
    assert any(n.startswith("Caution: 204 records of unknown source train") for n in notes)
    cohort = of_sources(a_cohort(each=60), "chapman-figshare", "ecg-arrhythmia", "ptb-xl")
    cohort.index["record"] = [f"JS{i:05d}" for i in range(len(cohort.index))]
    drawn = build_split(cohort, "all", "multilabel", split="source:chapman-figshare")
    assert any(n.startswith("Excluded: 204 records of ecg-arrhythmia, as the") for n in drawn.notes)
    assert drawn.left_out["ecg-arrhythmia: recordings of chapman-figshare are in it"] > 100


def test_labels_by_criteria_are_asked_for_and_said():
    calls = []
    cohort = a_cohort(each=40)
    states = cohort.states()
    cohort.states = lambda *of: calls.append(of) or states
    drawn = build_split(cohort, "all", "multilabel", label_source="criteria", thresholds="aha2009")
    assert calls == [("core", "criteria", "aha2009", "paper10")]
    assert drawn.notes[-1] == (
        "Labels by criteria (aha2009) from measurements: automatic, unconfirmed."
    )


def test_an_unknown_way_to_split_is_refused_by_name():
    with pytest.raises(NotFound, match="There is no way to split 'record'"):
        build_split(a_cohort(), 204, "exclusive", split="record")


@pytest.mark.parametrize(("level", "mode"), [("all", "multilabel"), (440, "exclusive")])
def test_two_hundred_thousand_records_are_planned(level, mode):
    cohort = a_cohort(each=19_608, folds=False, patients=150_000)
    drawn = build_split(cohort, level, mode)
    assert len(cohort.index) == 200_000
    assert len(drawn.rows) + sum(drawn.left_out.values()) == 200_000


def test_other_label_sets_are_drawn_by_their_rarest_stated_class(examples_home):
    cohort = Cohort.open("examples", examples_home)
    drawn = build_split(cohort, 50, "multilabel", label_set="ptbxl5")
    assert drawn.classes == label_set("ptbxl5").codes
    assert drawn.y.shape[1] == 5
    assert drawn.counts["drawn"].sum() == 50
    assert not np.isnan(drawn.y).any()  # what PTB-XL does not state is absent
    alone = build_split(cohort, "all", "exclusive", label_set="ptbxl5")
    assert (alone.y.sum(axis=1) == 1).all()
    assert any(why.startswith("conflict: ") for why in alone.left_out)
    with pytest.raises(RequestError, match="neither 'all' nor a number of records from 71 up"):
        build_split(cohort, 50, "multilabel", label_set="ptbxl71")
    with pytest.raises(RequestError, match="no order of priority"):
        build_split(cohort, "all", "priority", label_set="ptbxl5")
