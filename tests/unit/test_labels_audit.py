"""Label audit, contradictions and doubts: counts add up, and texts name the cause."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from ecgcore import cli
from ecgcore.cohort.label_audit import audit_cohort, explain_stored
from ecgcore.cohort.store import Cohort
from ecgcore.labels.agreement import agreement
from ecgcore.labels.audit import audit
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.code_tables import statement_rules
from ecgcore.labels.contradictions import (
    contradictions,
    contradictory_pairs,
    describe_doubts,
    measurement_checks,
)
from ecgcore.labels.expert import label, resolve_statements
from ecgcore.labels.explain import explain_labels
from ecgcore.measurement.measurements import MEASURE_SCHEMA, Measurements
from ecgcore.records.record import Record, Statement


def scp(**likelihoods):
    return [Statement("scp", code, float(value)) for code, value in likelihoods.items()]


def contradictions_of(statements, details=None):
    return contradictions(resolve_statements(statements, details))


def index_of(*records, source="ptb-xl"):
    """Return an index as a cohort stores it, of (statements, details) pairs."""
    rows = []
    for statements, details in records:
        states = {
            f"{tier}_{code}": state
            for tier in TIERS
            for code, state in zip(
                CODES, label(statements, source, details, tier).states.tolist(), strict=True
            )
        }
        rows_of_statements = [[s.system, s.code, s.likelihood] for s in statements]
        rows.append(
            {
                "source": source,
                "statements": json.dumps(rows_of_statements),
                "details": json.dumps(details),
                "sex": "female",
                "age": 60.0,
            }
            | states
        )
    return pd.DataFrame(rows)


NORMAL = (scp(NORM=100, SR=0), {})
OLD_INFARCTION = (scp(IMI=100, SR=0), {"infarction_stadium1": "Stadium III"})
ACUTE_INFARCTION = (scp(IMI=100, STE_=0), {})
UNSURE_LVH = (scp(LVH=35, SR=0), {})
LOW_VOLTAGE = (scp(NORM=100, SR=0, LVOLT=0), {})
NEW_WORD = (scp(NEWCODE=100), {})
NOTHING = ([], {})
TWO_BLOCKS = (scp(CLBBB=100, CRBBB=100), {})
BLOCK_WITH_DEPRESSION = (scp(CLBBB=100, STD_=0), {})
ALL = (
    NORMAL,
    NORMAL,
    OLD_INFARCTION,
    ACUTE_INFARCTION,
    UNSURE_LVH,
    LOW_VOLTAGE,
    NEW_WORD,
    NOTHING,
    TWO_BLOCKS,
    BLOCK_WITH_DEPRESSION,
)


def effect(answer, code):
    return next(one for one in answer["statements"] if one["code"] == code)["became"]


def test_an_audit_counts_the_effects_of_each_statement():
    answer = audit(index_of(*ALL))
    assert effect(answer, "IMI") == {
        "would be STEMI, but never here (old, or another cause is stated): excludes NSR": 1,
        "makes STEMI in both tiers": 1,
    }
    assert effect(answer, "LVH") == {"likelihood of 1 to 49: makes nothing, excludes NSR": 1}
    assert effect(answer, "LVOLT") == {"benign: no class, does not exclude NSR": 1}
    assert effect(answer, "NEWCODE") == {"in no table: no class, excludes NSR": 1}
    assert effect(answer, "NORM") == {"states a normal ECG, with sinus rhythm": 3}
    most = answer["statements"][0]
    assert (most["code"], most["records"], most["words"]) == ("SR", 5, "sinus rhythm")


def test_free_text_of_a_machine_is_counted_as_not_read():
    answer = audit(index_of(([Statement("text", "Sinus rhythm")], {}), source="unknown"))
    assert effect(answer, "Sinus rhythm") == {"free words: not read as a label": 1}
    assert answer["flow"]["not_labelled"] == {
        "nothing that it states says anything of the ten classes": 1
    }


def test_the_effects_of_a_statement_add_up_to_its_records():
    for one in audit(index_of(*ALL))["statements"]:
        assert sum(one["became"].values()) == one["records"]


def test_the_flow_loses_records_only_with_a_reason():
    answer = audit(index_of(*ALL), unreadable={"it has no signal file": 2})
    flow = answer["flow"]
    assert flow["found"] == 12
    assert flow["found"] - sum(flow["not_readable"].values()) == flow["readable"] == len(ALL)
    assert flow["not_labelled"] == {"the source states nothing about it": 1}
    assert flow["readable"] - sum(flow["not_labelled"].values()) == flow["labelled"] == 9
    for used in flow["used"].values():
        assert used["used"] + sum(used["left_out"].values()) == flow["readable"]
    assert flow["used"]["exclusive"]["left_out"]["conflict: LBBB and RBBB"] == 1


def test_states_of_every_class_add_up_to_all_records():
    answer = audit(index_of(*ALL))
    for tier in TIERS:
        counts = answer["classes"][tier]
        for code in CODES:
            assert sum(counts[state][code] for state in counts) == len(ALL)
    assert answer["classes"]["core"]["present"]["STEMI"] == 1


def test_the_rules_of_exclusive_targets_are_counted_one_after_another():
    rules = audit(index_of(*ALL))["rules"]
    assert [counts["LBBB"] for counts in rules.values()] == [0, 0, 1, 1]


def test_without_measurements_there_are_no_criteria_and_no_doubts():
    answer = audit(index_of(*ALL))
    assert answer["criteria"] == {}
    assert answer["doubts"] == {}


def test_an_audit_of_no_records_is_all_zeros():
    answer = audit(index_of(*ALL)[:0])
    assert answer["records"] == answer["flow"]["found"] == 0
    assert answer["statements"] == []


# Contradictions and doubts


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (scp(STACH=0, SBRAD=0), "sinus tachycardia and sinus bradycardia"),
        (scp(CLBBB=100, CRBBB=100), "left and right bundle branch block"),
        (scp(NORM=80, LVH=100), "a normal ECG and left ventricular hypertrophy"),
        (scp(NORM=100, IMI=100), "a normal ECG and inferior myocardial infarction"),
        (scp(SR=0, AFIB=0), "sinus rhythm and atrial fibrillation"),
        ([Statement("code15", "normal_ecg"), Statement("code15", "ST")], "a normal ECG and sinus "),
    ],
)
def test_statements_that_exclude_each_other_are_a_contradiction(statements, words):
    [contradiction] = contradictions_of(statements)
    assert contradiction.startswith(words)


@pytest.mark.parametrize(
    "statements",
    [
        scp(NORM=100, SR=0),
        scp(NORM=80, SBRAD=0),
        scp(NORM=100, SR=0, LVH=35),
        scp(CLBBB=100, ILBBB=0, STD_=0)[::2],
        scp(AFIB=0, PVC=100),
        [],
    ],
)
def test_compatible_statements_are_not_a_contradiction(statements):
    assert contradictions_of(statements) == ()


def one_row(**measured):
    return pd.DataFrame([Measurements(**measured).as_row()])


def test_a_stated_rate_is_compared_with_the_measured_one():
    states = label(scp(STACH=0), "ptb-xl").states
    assert describe_doubts(states, one_row(rate_bpm=70.0)) == (
        "sinus tachycardia is stated, but rate was measured as 70 bpm: it begins above 100 bpm "
        "(paper 001); 5 bpm are left for how a rate is counted",
    )
    assert describe_doubts(states, one_row(rate_bpm=98.0)) == ()
    assert describe_doubts(states, one_row()) == ()


def test_a_left_bundle_branch_block_of_chapman_with_a_narrow_qrs_is_doubted_twice():
    record = Record(
        np.zeros((12, 10), np.float32),
        500,
        "JS00001",
        "ecg-arrhythmia",
        statements=(Statement("snomed", "164909002"),),
    )
    doubts = explain_labels(record, Measurements(qrs_ms=96.0).as_row())["doubts"]
    assert doubts == [
        "snomed 164909002: this source files fascicular blocks (left front, left back) under it "
        "too: see whether QRS is 120 ms or more",
        "left bundle branch block is stated, but qrs was measured as 96 ms: QRS is 120 ms or more "
        "(AHA/ACCF/HRS part III 2009)",
    ]
    assert len(explain_labels(record, Measurements(qrs_ms=150.0).as_row())["doubts"]) == 1


def test_doubts_are_counted_in_an_audit():
    measures = pd.concat([one_row(qrs_ms=90.0), one_row(qrs_ms=150.0)], ignore_index=True)
    statements = [Statement("snomed", "164909002")]
    index = index_of((statements, {}), (statements, {}), source="ecg-arrhythmia")
    doubts = audit(index, measures)["doubts"]
    assert list(doubts.values()) == [2, 1]
    assert list(doubts)[1] == ("left bundle branch block is stated, but qrs measured < 120 ms")


def test_every_check_and_pair_names_known_classes_measures_and_codes():
    columns = {field.name for field in MEASURE_SCHEMA}
    for check in measurement_checks():
        assert check.code_class in CODES
        assert check.measure in columns
    for pair in contradictory_pairs():
        for code in (pair.code, pair.other_code):
            if pair.system == "class":
                assert code in CODES
            else:
                assert (pair.system, code) in statement_rules()


# Agreement


def test_agreement_counts_only_records_that_both_label():
    expert = np.full((6, len(CODES)), -1, np.int8)
    criteria = np.zeros((6, len(CODES)), np.int8)
    expert[:, 5] = [1, 1, 1, 0, 0, -1]
    criteria[:, 5] = [1, 0, -1, 1, 0, 1]
    lvh = agreement(expert, criteria)["LVH"]
    assert lvh.as_json() == {
        "both": 1,
        "expert_only": 1,
        "criteria_only": 1,
        "neither": 1,
        "not_measured": 1,
        "sensitivity": 0.5,
        "specificity": 0.5,
    }
    assert agreement(expert, criteria)["RVH"].sensitivity is None


# On stored records, and on the command line


def test_the_audit_of_a_stored_cohort_compares_its_criteria_with_its_experts(examples_home):
    cohort = Cohort.open("examples", examples_home)
    answer = audit_cohort(cohort)
    assert answer["cohort"] == "examples"
    assert answer["flow"]["readable"] == 160
    agreements = answer["criteria"]["paper"]
    for code in CODES:
        known = sum(
            agreements[code][k] for k in ("both", "expert_only", "criteria_only", "neither")
        )
        assert known + agreements[code]["not_measured"] <= 160
    assert agreements["STACH"]["sensitivity"] >= 0.8
    assert agreements["STEMI"]["both"] >= 3


def test_a_stored_record_is_explained_with_its_stored_states(examples_home):
    cohort = Cohort.open("examples", examples_home)
    name = cohort.index["record"].iloc[0]
    answer = explain_stored(cohort, name)
    assert answer["record"] == name
    for tier in TIERS:
        states = dict(zip(CODES, cohort.states(tier)[0].tolist(), strict=True))
        words = {1: "present", 0: "absent", -1: "unknown"}
        for code, one in answer["expert"][tier].items():
            assert one["state"] == words[states[code]]
            assert one["why"]


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["ecgcore", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
    return code, capsys.readouterr()


def test_the_audit_command_answers_machines_and_people(examples_home, monkeypatch, capsys):
    command = ("label", "audit", "examples", "--home", examples_home.path)
    code, captured = run(monkeypatch, capsys, *command, "--json")
    assert code == 0
    assert json.loads(captured.out.splitlines()[-1])["records"] == 160
    code, captured = run(monkeypatch, capsys, *command)
    assert code == 0
    assert "found 160" in captured.out
    assert "makes LBBB in both tiers" in captured.out
    assert captured.err == "Measurements and labels from them are automatic, unconfirmed.\n"


def test_the_explain_command_takes_a_file_or_a_records_id(examples_home, monkeypatch, capsys):
    cohort = Cohort.open("examples", examples_home)
    name = cohort.index["record"].iloc[0]
    by_id = ("label", "explain", name, "--cohort", "examples", "--home", examples_home.path)
    code, captured = run(monkeypatch, capsys, *by_id, "--json")
    assert code == 0
    stored = json.loads(captured.out.splitlines()[-1])
    code, captured = run(monkeypatch, capsys, "label", "explain", cohort.path_of(name), "--json")
    assert code == 0
    read = json.loads(captured.out.splitlines()[-1])
    assert read["expert"] == stored["expert"]
    assert set(read["criteria"]) == {"paper", "aha2009", "udmi2018"}
    code, captured = run(monkeypatch, capsys, "label", "explain", cohort.path_of(name))
    assert code == 0
    assert "expert, core tier" in captured.out
    assert "criteria, udmi2018" in captured.out


def test_an_id_without_its_cohort_is_refused_with_what_to_do(monkeypatch, capsys):
    code, captured = run(monkeypatch, capsys, "label", "explain", "00147_lr")
    assert code == 2
    assert captured.err == (
        "There is no file 00147_lr; for a record of a cohort add --cohort NAME.\n"
    )
