"""Target modes: which records count, with which class, and why the others do not."""

import numpy as np
import pytest

from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES
from ecgcore.labels.targets import (
    MODES,
    class_counts,
    priority_class,
    rule_counts,
    targets,
    targets_summary,
)


def states(*records):
    """Build (N, 10) states from "LVH STD ?RVH": stated classes, and unknown ones after "?"."""
    made = np.zeros((len(records), len(CODES)), np.int8)
    for row, said in zip(made, records, strict=True):
        for word in said.split():
            row[CODES.index(word.strip("?"))] = -1 if word.startswith("?") else 1
    return made


def target_of(said, mode):
    """Return the code that a record is a target for, or why it is left out."""
    made = targets(states(said), mode)
    if not made.used[0]:
        assert np.isnan(made.y[0]).all()
        return made.reason[0]
    assert made.reason[0] == ""
    assert made.y[0].sum() == 1
    assert set(made.y[0]) == {0.0, 1.0}
    return CODES[made.y[0].argmax()]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("mode", ["exclusive", "priority"])
def test_a_class_alone_is_the_target(code, mode):
    assert target_of(code, mode) == code


@pytest.mark.parametrize("rate", ["STACH", "SBRAD"])
@pytest.mark.parametrize("morphology", CODES[3:])
def test_beside_a_rate_class_the_morphology_is_the_target(rate, morphology):
    assert target_of(f"{rate} {morphology}", "exclusive") == morphology


@pytest.mark.parametrize("primary", ["LBBB", "RBBB", "LVH", "RVH", "STEMI"])
def test_st_depression_beside_another_morphology_is_secondary(primary):
    assert target_of(f"STD {primary}", "exclusive") == primary


def test_rvh_beside_rbbb_is_rvh():
    assert target_of("RVH RBBB", "exclusive") == "RVH"
    assert target_of("RVH RBBB STD SBRAD", "exclusive") == "RVH"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("STACH SBRAD", "conflict: STACH and SBRAD"),
        ("LVH ECT", "conflict: LVH and ECT"),
        ("STD ECT", "conflict: STD and ECT"),
        ("LBBB LVH STD STACH", "conflict: LBBB and LVH"),
        ("RVH RBBB LVH", "conflict: LVH and RVH"),
        ("STEMI ECT LVH", "conflict: LVH and STEMI and ECT"),
        ("", "no class is stated"),
        ("?STEMI", "no class is stated"),
        (" ".join(f"?{code}" for code in CODES), "every class is unknown"),
    ],
)
def test_everything_else_is_left_out_of_exclusive_with_its_reason(said, reason):
    assert target_of(said, "exclusive") == reason


def test_an_unknown_class_is_no_conflict():
    assert target_of("RBBB ?LVH ?STEMI", "exclusive") == "RBBB"
    assert target_of("STACH ?STEMI", "exclusive") == "STACH"
    assert target_of("LVH ?STEMI", "priority") == "LVH"


def test_priority_decides_in_its_order():
    order = ["STEMI", "LBBB", "RBBB", "RVH", "LVH", "STD", "ECT", "STACH", "SBRAD", "NSR"]
    for place, code in enumerate(order):
        assert target_of(" ".join(order[place:]), "priority") == code
    assert target_of("", "priority") == "no class is stated"
    assert priority_class(states("ECT STACH", "")).tolist() == [CODES.index("ECT"), -1]


def test_multilabel_keeps_every_class_and_masks_the_unknown():
    made = targets(states("LVH STD ?STEMI", ""), "multilabel")
    assert made.y.dtype == np.float32
    assert made.used.all()
    assert np.isnan(made.y[0, CODES.index("STEMI")])
    assert np.nansum(made.y[0]) == 2
    assert (made.y[1] == 0).all()


def test_multilabel_leaves_out_only_what_is_wholly_unknown():
    made = targets(np.full((1, 10), -1, np.int8), "multilabel")
    assert not made.used[0]
    assert made.reason[0] == "every class is unknown"


@pytest.mark.parametrize("mode", MODES)
def test_no_records_give_no_targets(mode):
    assert targets(np.zeros((0, 10), np.int8), mode).y.shape == (0, 10)


@pytest.mark.parametrize("mode", MODES)
def test_many_records_at_once_give_what_each_gives_alone(mode):
    drawn = np.random.default_rng(1).choice([-1, 0, 1], (300, 10), p=[0.1, 0.7, 0.2])
    many = drawn.astype(np.int8)
    together = targets(many, mode)
    for row in range(len(many)):
        alone = targets(many[row : row + 1], mode)
        np.testing.assert_array_equal(alone.y[0], together.y[row])
        assert alone.used[0] == together.used[row]
        assert alone.reason[0] == together.reason[row]


def test_the_summary_accounts_for_every_record():
    many = np.random.default_rng(2).choice([-1, 0, 1], (500, 10), p=[0.1, 0.8, 0.1]).astype(np.int8)
    summary = targets_summary(many)
    assert set(summary) == set(MODES)
    for mode in MODES:
        told = summary[mode]
        assert set(told) == {"used", "left_out", "classes"}
        assert told["used"] + sum(told["left_out"].values()) == 500
        assert tuple(told["classes"]) == CODES
    assert summary["multilabel"]["classes"] == class_counts(many)
    for mode in ("exclusive", "priority"):
        assert sum(summary[mode]["classes"].values()) == summary[mode]["used"]


def test_the_counts_after_each_rule_end_where_exclusive_ends():
    many = np.random.default_rng(3).choice([0, 1], (500, 10), p=[0.8, 0.2]).astype(np.int8)
    counts = rule_counts(many)
    assert len(counts) == 4
    assert list(counts.values())[-1] == targets_summary(many)["exclusive"]["classes"]


def test_an_unknown_mode_is_refused_by_name():
    with pytest.raises(NotFound, match="Did you mean 'exclusive'"):
        targets(states("LVH"), "exclusiv")
