"""Label sets: their classes, how statements are counted, and the counts on PTB-XL."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES
from ecgcore.labels.label_sets import LABEL_SETS, label_set
from ecgcore.records.record import Statement

ROOT = Path(__file__).parents[2]
PTB_XL = ROOT / "data/ptb-xl/ptbxl_database.csv"
SCP_TABLE = ROOT / "examples/ptb-xl/scp_statements.csv"


def published():
    with SCP_TABLE.open(encoding="utf-8", newline="") as file:
        return {row[""]: row for row in csv.DictReader(file)}


def scp(**likelihoods):
    return [Statement("scp", code, value) for code, value in likelihoods.items()]


def named(chosen, statements):
    return dict(zip(chosen.codes, chosen.states([statements])[0].tolist(), strict=True))


def test_the_71_statements_are_the_published_ones_in_the_benchmarks_order():
    chosen = label_set("ptbxl71")
    assert chosen.codes == tuple(sorted(published()))
    assert len(chosen.codes) == 71
    assert [c.name for c in chosen.classes] == [
        published()[code]["description"] for code in chosen.codes
    ]


def test_the_superclasses_hold_exactly_the_diagnostic_statements():
    chosen = label_set("ptbxl5")
    assert chosen.codes == ("CD", "HYP", "MI", "NORM", "STTC")
    assert chosen.class_of == {
        code: row["diagnostic_class"]
        for code, row in published().items()
        if row["diagnostic"] == "1.0"
    }


def test_paper10_is_the_default_labelling():
    chosen = label_set("paper10")
    assert chosen.codes == CODES
    assert named(chosen, scp(NORM=100.0, SR=0.0))["NSR"] == 1


@pytest.mark.parametrize("likelihood", [100.0, 15.0, 0.0])
def test_the_benchmark_counts_a_statement_at_any_likelihood(likelihood):
    assert named(label_set("ptbxl71"), scp(IMI=likelihood))["IMI"] == 1
    assert named(label_set("ptbxl5"), scp(IMI=likelihood))["MI"] == 1


def test_what_is_not_stated_is_absent_in_the_benchmark():
    states = named(label_set("ptbxl5"), scp(IMI=100.0, LVH=50.0))
    assert states == {"CD": 0, "HYP": 1, "MI": 1, "NORM": 0, "STTC": 0}


def test_a_record_without_a_diagnostic_statement_has_no_superclass_but_its_statements():
    assert set(named(label_set("ptbxl5"), scp(AFIB=0.0)).values()) == {-1}
    states = named(label_set("ptbxl71"), scp(AFIB=0.0))
    assert (states["AFIB"], states["NORM"]) == (1, 0)


def test_other_systems_say_nothing_of_published_sets():
    assert set(named(label_set("ptbxl71"), [Statement("snomed", "164865005")]).values()) == {-1}


@pytest.mark.parametrize("name", LABEL_SETS)
def test_no_records_give_no_rows(name):
    chosen = label_set(name)
    states = chosen.states([])
    assert states.shape == (0, len(chosen.codes))
    assert states.dtype == np.int8


def test_an_unknown_set_is_named_with_those_there_are():
    with pytest.raises(NotFound) as error:
        label_set("ptbxl7")
    assert str(error.value) == (
        "There is no label set 'ptbxl7'. Did you mean 'ptbxl71'? "
        "Available: paper10, ptbxl5, ptbxl71."
    )


@pytest.mark.data
@pytest.mark.skipif(not PTB_XL.exists(), reason="data/ptb-xl is not unpacked")
def test_counts_on_ptbxl_are_those_of_its_table():
    table = pd.read_csv(PTB_XL, usecols=["scp_codes", "strat_fold"])
    table = table.loc[table["strat_fold"] <= 5, "scp_codes"]
    cells = table.str.findall(r"'([^']+)': ([\d.]+)")
    statements = [[Statement("scp", code, float(value)) for code, value in c] for c in cells]
    five = (label_set("ptbxl5").states(statements) == 1).sum(axis=0)
    assert dict(zip(label_set("ptbxl5").codes, five.tolist(), strict=True)) == {
        "CD": 2444,
        "HYP": 1317,
        "MI": 2729,
        "NORM": 4765,
        "STTC": 2624,
    }
    all71 = label_set("ptbxl71")
    counts = (all71.states(statements) == 1).sum(axis=0)
    for code in ("NORM", "SR", "PVC", "STD_"):
        assert counts[all71.codes.index(code)] == table.str.contains(f"'{code}'").sum()
