"""Criteria labels, threshold by threshold, on constructed measurements."""

import csv
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES
from ecgcore.labels.criteria import (
    THRESHOLD_SETS,
    contiguous_leads,
    criteria_rows,
    criteria_states,
)
from ecgcore.labels.criteria_measures import DERIVED, DERIVED_BY_LEAD, measure_values
from ecgcore.labels.explain import criteria_labels
from ecgcore.measurement.measurements import MEASURE_SCHEMA
from ecgcore.records.record import LEADS

NORMAL = {
    "rate_bpm": 72.0,
    "rr_irregularity": 0.03,
    "premature_beats": 0.0,
    "aberrant_beats": 0.0,
    "p_wave": True,
    "pr_ms": 160.0,
    "qrs_ms": 90.0,
    "qt_ms": 380.0,
    "qtc_bazett_ms": 416.0,
    "axis_deg": 50.0,
    "sokolow_lyon_mv": 2.0,
    "cornell_mv": 1.0,
}
WAVES = {
    "p_mv": 0.1,
    "q_mv": 0.0,
    "r_mv": 0.8,
    "s_mv": -0.3,
    "r2_mv": 0.0,
    "t_mv": 0.3,
    "s_ms": 20.0,
    "r_peak_ms": 40.0,
    "st_j_mv": 0.0,
    "st_j60_mv": 0.02,
}
RIGHT_CHEST = {"V1_r_mv": 0.2, "V1_s_mv": -0.9, "V2_r_mv": 0.4, "V2_s_mv": -1.2}
LBBB = {
    "qrs_ms": 150.0,
    "V1_r_mv": 0.1,
    "V1_s_mv": -1.5,
    "V5_r_peak_ms": 80.0,
    "V6_r_peak_ms": 82.0,
}
RBBB = {"qrs_ms": 140.0, "V1_r2_mv": 0.6, "I_s_ms": 50.0, "V6_s_ms": 60.0, "V1_r_peak_ms": 90.0}
PRESENT, ABSENT, UNKNOWN = 1, 0, -1


def measured(**changes):
    """Return one row of a normal ECG's measurements, with ``changes``."""
    by_lead = {f"{lead}_{name}": value for lead in LEADS for name, value in WAVES.items()}
    return pd.DataFrame([{**NORMAL, **by_lead, **RIGHT_CHEST, **changes}])


def person(sex="male", age=60.0):
    return pd.DataFrame({"sex": [sex], "age": [age]})


def states(thresholds="paper", tier="core", who=None, **changes):
    who = person() if who is None else who
    array = criteria_states(measured(**changes), who, thresholds, tier)
    assert array.dtype == np.int8
    return dict(zip(CODES, array[0].tolist(), strict=True))


def present(**changes):
    return {code for code, state in states(**changes).items() if state == PRESENT}


def in_leads(leads, **waves):
    return {f"{lead}_{name}": value for lead in leads.split() for name, value in waves.items()}


def reasons_of(code, thresholds="paper", who=None, **changes):
    who = person() if who is None else who
    reasons = criteria_labels(measured(**changes), who, thresholds).reasons
    return [reason for reason in reasons if reason.startswith(code)]


@pytest.mark.parametrize("thresholds", THRESHOLD_SETS)
def test_a_normal_ecg_is_nsr_and_nothing_else(thresholds):
    assert present(thresholds=thresholds) == {"NSR"}
    assert UNKNOWN not in states(thresholds=thresholds).values()


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("rate_bpm", 59.9),
        ("rate_bpm", 100.1),
        ("rr_irregularity", 0.3),
        ("premature_beats", 1.0),
        ("p_wave", False),
        ("aVF_p_mv", -0.05),
        ("pr_ms", 119.0),
        ("pr_ms", 201.0),
        ("qrs_ms", 120.0),
        ("qtc_bazett_ms", 450.0),
        ("axis_deg", -31.0),
        ("axis_deg", 91.0),
        ("sokolow_lyon_mv", 3.5),
    ],
)
def test_anything_out_of_its_range_is_not_nsr(change, value):
    assert states(**{change: value})["NSR"] == ABSENT


@pytest.mark.parametrize(
    ("rate", "expected"), [(100.0, None), (100.1, "STACH"), (60.0, None), (59.9, "SBRAD")]
)
def test_rates_are_compared_as_in_the_paper(rate, expected):
    assert present(rate_bpm=rate) - {"NSR"} == ({expected} if expected else set())


def test_an_irregular_rhythm_without_p_waves_is_not_sinus_tachycardia_nor_ectopy():
    fibrillation = {"rate_bpm": 120.0, "p_wave": False, "rr_irregularity": 0.3}
    assert present(**fibrillation, premature_beats=3.0) == set()


def test_a_regular_tachycardia_whose_p_waves_hide_counts_as_sinus():
    assert present(rate_bpm=130.0, p_wave=False, rr_irregularity=0.02) == {"STACH"}


@pytest.mark.parametrize("thresholds", ["paper", "aha2009"])
def test_bundle_branch_blocks_are_distinguished(thresholds):
    assert present(thresholds=thresholds, **LBBB) == {"LBBB"}
    assert present(thresholds=thresholds, **RBBB) == {"RBBB"}


@pytest.mark.parametrize(("shape", "code", "width"), [(LBBB, "LBBB", 115.0), (RBBB, "RBBB", 112.0)])
def test_an_incomplete_block_is_one_in_the_broad_tier_only(shape, code, width):
    narrower = shape | {"qrs_ms": width}
    assert states(**narrower)[code] == ABSENT
    assert states(tier="broad", **narrower)[code] == PRESENT


def test_a_wide_qrs_without_the_shape_is_not_a_block():
    assert present(qrs_ms=150.0) == set()


@pytest.mark.parametrize(
    ("sex", "cornell_mv", "expected"),
    [("male", 2.8, 0), ("male", 2.81, 1), ("female", 2.0, 0), ("female", 2.01, 1)],
)
def test_cornell_voltage_has_a_threshold_for_each_sex(sex, cornell_mv, expected):
    assert states(who=person(sex), cornell_mv=cornell_mv)["LVH"] == expected


@pytest.mark.parametrize("sex", [None, np.nan, "other"])
def test_unknown_sex_takes_the_stricter_threshold_and_says_so(sex):
    assert states(who=person(sex), cornell_mv=2.5)["LVH"] == ABSENT
    assert states(who=person(sex), cornell_mv=2.9)["LVH"] == PRESENT
    assert reasons_of("LVH", who=person(sex), cornell_mv=2.9) == [
        "LVH present: Cornell: R aVL + S V3 2.9 mV > 2.8 mV (paper 001, section 2.3; sex unknown: "
        "the stricter threshold)."
    ]


def test_right_ventricular_hypertrophy_needs_both_axis_and_a_dominant_r():
    tall = {"V1_r_mv": 0.9, "V1_s_mv": -0.4}
    assert present(axis_deg=110.0, **tall) == {"RVH"}
    assert "RVH" not in present(**tall)
    assert "RVH" not in present(axis_deg=110.0)


@pytest.mark.parametrize(
    ("sex", "age", "just_enough_mv"),
    [
        ("male", 40.0, 0.2),
        ("male", 39.0, 0.25),
        ("female", 30.0, 0.15),
        ("female", 80.0, 0.15),
        ("male", None, 0.25),
        (None, 50.0, 0.2),
        (None, None, 0.25),
    ],
)
@pytest.mark.parametrize("thresholds", THRESHOLD_SETS)
def test_st_elevation_in_v2_and_v3_is_judged_by_sex_and_age(sex, age, just_enough_mv, thresholds):
    for st_mv, expected in ((just_enough_mv, PRESENT), (just_enough_mv - 0.01, ABSENT)):
        raised = in_leads("V2 V3", st_j_mv=st_mv)
        assert states(thresholds=thresholds, who=person(sex, age), **raised)["STEMI"] == expected


@pytest.mark.parametrize(
    ("leads", "expected"),
    [
        ("II III", 1),
        ("II aVF", 1),
        ("I aVL", 1),
        ("V5 V6", 1),
        ("II V5", 0),
        ("I II", 0),
        ("II", 0),
    ],
)
def test_st_elevation_counts_in_neighbouring_leads_only(leads, expected):
    assert states(**in_leads(leads, st_j_mv=0.1))["STEMI"] == expected


def test_elevation_in_v1_and_v2_asks_each_lead_for_its_own_threshold():
    assert states(V1_st_j_mv=0.1, V2_st_j_mv=0.1)["STEMI"] == ABSENT
    assert states(V1_st_j_mv=0.1, V2_st_j_mv=0.2)["STEMI"] == PRESENT


def test_the_universal_definition_leaves_out_hypertrophy_and_left_bundle_branch_block():
    raised = in_leads("V2 V3", st_j_mv=0.4)
    for confounder in ({"sokolow_lyon_mv": 5.0}, LBBB):
        assert states(**raised, **confounder)["STEMI"] == PRESENT
        assert states("udmi2018", **raised, **confounder)["STEMI"] == ABSENT


def test_st_depression_must_be_horizontal_or_downsloping_in_the_same_two_leads():
    flat = in_leads("V5 V6", st_j_mv=-0.12, st_j60_mv=-0.13)
    rising = in_leads("V5 V6", st_j_mv=-0.12, st_j60_mv=-0.05)
    assert states(**flat)["STD"] == PRESENT
    assert states(**rising)["STD"] == ABSENT
    apart = in_leads("V5", st_j_mv=-0.12, st_j60_mv=-0.13) | in_leads("II", st_j_mv=-0.2)
    assert states(**apart)["STD"] == ABSENT


def test_the_2009_statement_asks_less_depression_of_v2_and_v3_than_elsewhere():
    assert states("aha2009", **in_leads("V2 V3", st_j_mv=-0.06))["STD"] == PRESENT
    assert states("aha2009", **in_leads("V5 V6", st_j_mv=-0.06))["STD"] == ABSENT
    assert states("aha2009", **in_leads("V5 V6", st_j_mv=-0.1))["STD"] == PRESENT


def test_premature_beats_are_ectopy_in_sinus_rhythm_or_where_their_shape_differs():
    assert present(premature_beats=2.0) == {"ECT"}
    assert present(premature_beats=2.0, aberrant_beats=2.0, p_wave=False) == {"ECT"}
    assert present(aberrant_beats=1.0) == {"NSR"}


@pytest.mark.parametrize("missing", ["qrs_ms", "sokolow_lyon_mv", "rate_bpm", "axis_deg"])
def test_a_missing_measurement_leaves_its_class_and_nsr_unknown(missing):
    of_classes = states(**{missing: np.nan})
    assert UNKNOWN in of_classes.values()
    assert of_classes["NSR"] == UNKNOWN
    assert PRESENT not in of_classes.values()


def test_a_missing_measurement_does_not_matter_where_the_others_decide():
    assert states(sokolow_lyon_mv=np.nan, cornell_mv=3.5)["LVH"] == PRESENT
    assert states(V1_r2_mv=np.nan, qrs_ms=90.0)["RBBB"] == ABSENT


def test_without_measurements_all_classes_are_unknown():
    empty = pd.DataFrame({field.name: [None] for field in MEASURE_SCHEMA})
    assert set(criteria_states(empty, person()).ravel()) == {UNKNOWN}


def test_no_records_give_no_rows():
    assert criteria_states(measured()[:0], person()[:0]).shape == (0, len(CODES))


def test_many_records_are_labelled_as_each_alone():
    rng = np.random.default_rng(0)
    names = [field.name for field in MEASURE_SCHEMA if field.name != "r_peaks_s"]
    many = pd.DataFrame(rng.normal(0, 1, (60, len(names))), columns=names) * 0.3
    many["qrs_ms"] = rng.uniform(80, 160, 60)
    many["rate_bpm"] = rng.uniform(40, 130, 60)
    many = many.mask(rng.random(many.shape) < 0.05)
    who = pd.DataFrame(
        {"sex": rng.choice(["male", "female", ""], 60), "age": rng.uniform(20, 90, 60)}
    )
    together = criteria_states(many, who)
    alone = [criteria_states(many.iloc[[i]], who.iloc[[i]])[0] for i in range(60)]
    np.testing.assert_array_equal(together, np.stack(alone))
    assert (together == 1).any(axis=0).sum() >= 4


# Reasons


def test_a_reason_names_measurement_threshold_and_source():
    assert reasons_of("SBRAD", rate_bpm=48.0)[0] == (
        "SBRAD present: P wave: rate 48 bpm < 60 bpm (paper 001, section 2.3); "
        "P wave found (paper 001, section 2.3)."
    )


def test_a_reason_names_the_leads():
    raised = in_leads("II III", st_j_mv=0.15)
    assert reasons_of("STEMI", **raised) == [
        "STEMI present: ST elevation: ST at J in II 0.15 mV ≥ 0.1 mV, in III 0.15 mV ≥ 0.1 mV "
        "(paper 001, section 2.3)."
    ]


def test_the_reason_for_an_absent_class_names_the_nearest_lead():
    assert reasons_of("STEMI", V5_st_j_mv=0.08) == [
        "STEMI absent: ST elevation: ST at J not in two contiguous leads, nearest in V5 0.08 mV, "
        "not ≥ 0.1 mV (paper 001, section 2.3)."
    ]


def test_the_reason_for_an_unknown_class_names_the_missing_measurement():
    assert reasons_of("LVH", sokolow_lyon_mv=np.nan) == [
        "LVH unknown: Sokolow-Lyon: S V1 + R V5 or V6 not measured (paper 001, section 2.3)."
    ]


@pytest.mark.parametrize("thresholds", THRESHOLD_SETS)
def test_every_class_has_a_reason_that_agrees_with_its_state(thresholds):
    labels = criteria_labels(measured(qrs_ms=np.nan), person(None, None), thresholds)
    for code, state in zip(CODES, labels.states.tolist(), strict=True):
        word = {1: "present", 0: "absent", -1: "unknown"}[state]
        assert any(reason.startswith(f"{code} {word}: ") for reason in labels.reasons)


# Tables


def test_every_row_names_a_known_measure_and_a_source():
    columns = {field.name for field in MEASURE_SCHEMA}
    for row in criteria_rows():
        assert row.source
        assert row.set in THRESHOLD_SETS
        assert row.code_class in CODES
        assert row.year or row.source.startswith(("paper 001", "ours"))
        for lead in row.leads or (None,):
            name = row.measure if lead is None else f"{lead}_{row.measure}"
            derived = {*DERIVED, *DERIVED_BY_LEAD, *CODES, "findings"}
            assert name in columns or row.measure in derived


def test_derived_measures_follow_from_the_waves():
    row = measured(V1_r_mv=0.3, V1_s_mv=0.0, V1_q_mv=-0.1, V5_s_mv=-0.5, III_s_mv=-1.5, I_r_mv=1.2)
    assert np.isinf(measure_values(measured(V1_s_mv=0.0), "r_to_s", ["V1"])[0, 0])
    assert measure_values(row, "r_to_s", ["V1"])[0, 0] == pytest.approx(3.0)
    assert measure_values(row, "qr_mv", ["V1", "V2"])[0].tolist() == [0.3, 0.0]
    assert measure_values(row, "st_slope_mv", ["V5"])[0, 0] == pytest.approx(0.02)
    assert measure_values(row, "r_v1_s_v56_mv")[0, 0] == pytest.approx(0.8)
    assert measure_values(row, "gubner_mv")[0, 0] == pytest.approx(2.7)


def test_contiguous_leads_are_leads_with_a_source():
    assert {lead for pair in contiguous_leads() for lead in pair} == {*LEADS} - {"aVR"}
    with files("ecgcore.labels").joinpath("contiguous.csv").open(encoding="utf-8") as file:
        assert all(row["source"] for row in csv.DictReader(file))


def test_an_unknown_set_is_refused_with_the_known_ones():
    with pytest.raises(NotFound) as error:
        states(thresholds="aha")
    assert str(error.value) == (
        "There is no set of thresholds 'aha'. Did you mean 'aha2009'? "
        "Available: paper, aha2009, udmi2018."
    )
