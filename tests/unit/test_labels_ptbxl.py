"""Labels of real records: the published counts on PTB-XL, and what the examples promise."""

import filecmp
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgcore.labels.classes import CODES
from ecgcore.labels.expert import label, label_record
from ecgcore.labels.targets import class_counts, rule_counts, targets, targets_summary
from ecgcore.records.formats.wfdb import read_wfdb
from ecgcore.records.record import Statement

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/ptb-xl"
PTB_XL = ROOT / "data/ptb-xl"
SCP = "scp"
INFARCTION = "AMI ASMI ALMI LMI IMI ILMI IPLMI IPMI PMI".split()

with_data = pytest.mark.skipif(
    not (PTB_XL / "ptbxl_database.csv").exists(), reason="data/ptb-xl is not unpacked"
)


@cache
def ptbxl_states(tier):
    """Label PTB-XL's table itself, whichever reader the product has."""
    states = []
    for row in ptbxl_table().itertuples():
        stadiums = {"infarction_stadium1": row.infarction_stadium1}
        stadiums["infarction_stadium2"] = row.infarction_stadium2
        states.append(label(row.statements, "ptb-xl", stadiums, tier).states)
    return np.stack(states)


@cache
def ptbxl_table():
    """Return folds 1 to 5, of which the counts below are known, whatever more is at hand."""
    table = pd.read_csv(PTB_XL / "ptbxl_database.csv", keep_default_na=False)
    table = table[table["strat_fold"] <= 5]
    cells = table["scp_codes"].str.findall(r"'([^']+)': ([\d.]+)")
    return table.assign(
        statements=[[Statement(SCP, code, float(value)) for code, value in c] for c in cells]
    )


@pytest.mark.data
@with_data
def test_core_counts_on_ptbxl_are_the_known_ones():
    assert len(ptbxl_table()) == 10896
    assert class_counts(ptbxl_states("core")) == {
        "NSR": 3579,
        "STACH": 413,
        "SBRAD": 318,
        "LBBB": 267,
        "RBBB": 270,
        "LVH": 888,
        "RVH": 57,
        "STEMI": 64,
        "STD": 1584,
        "ECT": 760,
    }


@pytest.mark.data
@with_data
def test_broad_counts_on_ptbxl_hold_the_core_and_every_infarction_that_is_not_old():
    core, broad = ptbxl_states("core") == 1, ptbxl_states("broad") == 1
    assert (broad | ~core).all()
    table = ptbxl_table()
    infarction = np.array(
        [
            any(s.code in INFARCTION and (s.likelihood == 0 or s.likelihood >= 50) for s in said)
            for said in table["statements"]
        ]
    )
    assert infarction.sum() == 1964
    old = (table[["infarction_stadium1", "infarction_stadium2"]] == "Stadium III").any(axis=1)
    np.testing.assert_array_equal(broad[:, CODES.index("STEMI")], infarction & ~old)


@pytest.mark.data
@with_data
def test_the_rule_on_secondary_depression_decides_how_many_lvh_there_are():
    after = [counts["LVH"] for counts in rule_counts(ptbxl_states("core")).values()]
    assert after == [209, 222, 746, 746]
    exclusive = targets_summary(ptbxl_states("core"))["exclusive"]
    assert exclusive["used"] == 6682
    assert exclusive["left_out"]["no class is stated"] == 3907
    assert exclusive["classes"]["RVH"] == 50
    assert exclusive["classes"]["STEMI"] == 42


@cache
def example_records():
    return [read_wfdb(path) for path in sorted(EXAMPLES.glob("records100/*/*.hea"))]


def test_the_examples_are_sixteen_of_each_class_of_different_patients():
    records = example_records()
    states = np.stack([label_record(record, "core").states for record in records])
    made = targets(states, "exclusive")
    assert made.used.all()
    assert class_counts(made.y) == dict.fromkeys(CODES, 16)
    assert len({record.patient for record in records}) == 160


def test_the_examples_are_whole_and_spread_over_the_folds():
    for record in example_records():
        assert record.signal_mv.shape == (12, 1000)
        assert record.fs_hz == 100
        assert np.isfinite(record.signal_mv).all()
        assert (record.signal_mv.std(axis=1) > 0).all()
    folds = [record.fold for record in example_records()]
    assert {fold: folds.count(fold) for fold in sorted(set(folds))} == dict.fromkeys(
        range(1, 6), 32
    )


def test_the_examples_name_no_hospital_device_date_or_report():
    table = pd.read_csv(EXAMPLES / "ptbxl_database.csv")
    emptied = "height weight nurse site device recording_date report validated_by".split()
    assert len(table) == 160
    assert table[emptied].isna().all(axis=None)
    assert table["age"].max() < 90


@pytest.mark.data
@with_data
def test_the_examples_are_the_published_files_byte_by_byte():
    for file in EXAMPLES.rglob("*.*"):
        if file.name != "ptbxl_database.csv":
            assert filecmp.cmp(file, PTB_XL / file.relative_to(EXAMPLES), shallow=False)
