"""Criteria labels, threshold by threshold, on measurements made by hand."""

import csv
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from ecgcore.errors import NotFound
from ecgcore.labels import criteria
from ecgcore.labels.classes import CODES
from ecgcore.labels.criteria import SETS, criteria_states, neighbours
from ecgcore.labels.criteria_measures import DERIVED, DERIVED_BY_LEAD, values
from ecgcore.labels.explain import criteria_labels
from ecgcore.measure.measurements import MEASURE_SCHEMA
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
    found = criteria_states(measured(**changes), who, thresholds, tier)
    assert found.dtype == np.int8
    return dict(zip(CODES, found[0].tolist(), strict=True))


def present(**changes):
    return {code for code, state in states(**changes).items() if state == PRESENT}


def in_leads(leads, **waves):
    return {f"{lead}_{name}": value for lead in leads.split() for name, value in waves.items()}


def sentence(code, thresholds="paper", who=None, **changes):
    who = person() if who is None else who
    trace = criteria_labels(measured(**changes), who, thresholds).trace
    return [told for told in trace if told.startswith(code)]


@pytest.mark.parametrize("thresholds", SETS)
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
    ("rate", "made"), [(100.0, None), (100.1, "STACH"), (60.0, None), (59.9, "SBRAD")]
)
def test_rates_are_compared_as_the_paper_says(rate, made):
    assert present(rate_bpm=rate) - {"NSR"} == ({made} if made else set())


def test_an_irregular_rhythm_without_p_waves_is_not_sinus_tachycardia_nor_ectopy():
    fibrillation = {"rate_bpm": 120.0, "p_wave": False, "rr_irregularity": 0.3}
    assert present(**fibrillation, premature_beats=3.0) == set()


def test_a_regular_tachycardia_whose_p_waves_hide_counts_as_sinus():
    assert present(rate_bpm=130.0, p_wave=False, rr_irregularity=0.02) == {"STACH"}


@pytest.mark.parametrize("thresholds", ["paper", "aha2009"])
def test_bundle_branch_blocks_are_told_from_each_other(thresholds):
    assert present(thresholds=thresholds, **LBBB) == {"LBBB"}
    assert present(thresholds=thresholds, **RBBB) == {"RBBB"}


@pytest.mark.parametrize(("shape", "code", "width"), [(LBBB, "LBBB", 115.0), (RBBB, "RBBB", 112.0)])
def test_an_incomplete_block_is_one_in_the_broad_tier_only(shape, code, width):
    narrower = shape | {"qrs_ms": width}
    assert states(**narrower)[code] == ABSENT
    assert states(tier="broad", **narrower)[code] == PRESENT


def test_a_wide_qrs_of_no_shape_is_no_block():
    assert present(qrs_ms=150.0) == set()


@pytest.mark.parametrize(
    ("sex", "cornell_mv", "made"),
    [("male", 2.8, 0), ("male", 2.81, 1), ("female", 2.0, 0), ("female", 2.01, 1)],
)
def test_cornell_voltage_has_a_threshold_for_each_sex(sex, cornell_mv, made):
    assert states(who=person(sex), cornell_mv=cornell_mv)["LVH"] == made


@pytest.mark.parametrize("sex", [None, np.nan, "other"])
def test_unknown_sex_takes_the_stricter_threshold_and_says_so(sex):
    assert states(who=person(sex), cornell_mv=2.5)["LVH"] == ABSENT
    assert states(who=person(sex), cornell_mv=2.9)["LVH"] == PRESENT
    assert sentence("LVH", who=person(sex), cornell_mv=2.9) == [
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
@pytest.mark.parametrize("thresholds", SETS)
def test_st_elevation_in_v2_and_v3_is_judged_by_sex_and_age(sex, age, just_enough_mv, thresholds):
    for st_mv, made in ((just_enough_mv, PRESENT), (just_enough_mv - 0.01, ABSENT)):
        raised = in_leads("V2 V3", st_j_mv=st_mv)
        assert states(thresholds=thresholds, who=person(sex, age), **raised)["STEMI"] == made


@pytest.mark.parametrize(
    ("leads", "made"),
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
def test_st_elevation_counts_in_neighbouring_leads_only(leads, made):
    assert states(**in_leads(leads, st_j_mv=0.1))["STEMI"] == made


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
def test_what_is_not_measured_is_unknown_and_nsr_with_it(missing):
    found = states(**{missing: np.nan})
    assert UNKNOWN in found.values()
    assert found["NSR"] == UNKNOWN
    assert PRESENT not in found.values()


def test_what_is_not_measured_does_not_matter_where_the_rest_decides():
    assert states(sokolow_lyon_mv=np.nan, cornell_mv=3.5)["LVH"] == PRESENT
    assert states(V1_r2_mv=np.nan, qrs_ms=90.0)["RBBB"] == ABSENT


def test_nothing_measured_is_all_unknown():
    empty = pd.DataFrame({field.name: [None] for field in MEASURE_SCHEMA})
    assert set(criteria_states(empty, person()).ravel()) == {UNKNOWN}


def test_no_records_give_no_rows():
    assert criteria_states(measured()[:0], person()[:0]).shape == (0, len(CODES))


def test_many_records_are_judged_as_each_alone():
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


# Traces


def test_a_trace_names_measurement_threshold_and_source():
    assert sentence("SBRAD", rate_bpm=48.0)[0] == (
        "SBRAD present: P wave: rate 48 bpm < 60 bpm (paper 001, section 2.3); "
        "P wave found (paper 001, section 2.3)."
    )


def test_a_trace_says_in_which_leads():
    raised = in_leads("II III", st_j_mv=0.15)
    told = sentence("STEMI", **raised)
    assert told == [
        "STEMI present: ST elevation: ST at J in II 0.15 mV ≥ 0.1 mV, in III 0.15 mV ≥ 0.1 mV "
        "(paper 001, section 2.3)."
    ]


def test_a_trace_of_absence_says_what_was_nearest():
    assert sentence("STEMI", V5_st_j_mv=0.08) == [
        "STEMI absent: ST elevation: ST at J not in two contiguous leads, nearest in V5 0.08 mV, "
        "not ≥ 0.1 mV (paper 001, section 2.3)."
    ]


def test_a_trace_of_the_unknown_says_what_was_not_measured():
    assert sentence("LVH", sokolow_lyon_mv=np.nan) == [
        "LVH unknown: Sokolow-Lyon: S V1 + R V5 or V6 not measured (paper 001, section 2.3)."
    ]


@pytest.mark.parametrize("thresholds", SETS)
def test_every_class_has_a_sentence_that_agrees_with_its_state(thresholds):
    labels = criteria_labels(measured(qrs_ms=np.nan), person(None, None), thresholds)
    for code, state in zip(CODES, labels.states.tolist(), strict=True):
        word = {1: "present", 0: "absent", -1: "unknown"}[state]
        assert any(told.startswith(f"{code} {word}: ") for told in labels.trace)


# Tables


def test_every_line_names_a_measure_that_is_measured_and_a_source():
    columns = {field.name for field in MEASURE_SCHEMA}
    for line in criteria.lines():
        assert line.source
        assert line.set in SETS
        assert line.code_class in CODES
        assert line.year or line.source.startswith(("paper 001", "ours"))
        for lead in line.leads or (None,):
            name = line.measure if lead is None else f"{lead}_{line.measure}"
            ours = {*DERIVED, *DERIVED_BY_LEAD, *CODES, "findings"}
            assert name in columns or line.measure in ours


def test_derived_measures_follow_from_the_waves():
    row = measured(V1_r_mv=0.3, V1_s_mv=0.0, V1_q_mv=-0.1, V5_s_mv=-0.5, III_s_mv=-1.5, I_r_mv=1.2)
    assert np.isinf(values(measured(V1_s_mv=0.0), "r_to_s", ["V1"])[0, 0])
    assert values(row, "r_to_s", ["V1"])[0, 0] == pytest.approx(3.0)
    assert values(row, "qr_mv", ["V1", "V2"])[0].tolist() == [0.3, 0.0]
    assert values(row, "st_slope_mv", ["V5"])[0, 0] == pytest.approx(0.02)
    assert values(row, "r_v1_s_v56_mv")[0, 0] == pytest.approx(0.8)
    assert values(row, "gubner_mv")[0, 0] == pytest.approx(2.7)


def test_neighbours_are_leads_and_say_where_that_stands():
    assert {lead for pair in neighbours() for lead in pair} == {*LEADS} - {"aVR"}
    with files("ecgcore.labels").joinpath("contiguous.csv").open(encoding="utf-8") as file:
        assert all(row["source"] for row in csv.DictReader(file))


def test_an_unknown_set_is_named_with_those_there_are():
    with pytest.raises(NotFound) as error:
        states(thresholds="aha")
    assert str(error.value) == (
        "There is no set of thresholds 'aha'. Did you mean 'aha2009'? "
        "There is: paper, aha2009, udmi2018."
    )
