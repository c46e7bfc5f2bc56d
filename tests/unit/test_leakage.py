"""Leak check: a patient or recording in two parts is found; the text states what was examined."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecgcore.cohort.leakage import LeakCheck, check_leakage
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import build_split
from ecgcore.errors import EcgError
from ecgcore.runs.config import TrainConfig
from ecgcore.training.prepare import prepare


@pytest.fixture(scope="module")
def examples(examples_home):
    cohort = Cohort.open("examples", examples_home)
    return cohort, build_split(cohort, "all", "multilabel")


def test_a_sound_split_passes_with_its_numbers(examples):
    cohort, split = examples
    result = check_leakage(cohort.index, split)
    assert result.passed
    rows = cohort.index.iloc[split.rows]
    assert result.text == (
        "No patient and no recording is in two parts "
        f"({len(rows):,} records, {rows['patient'].nunique():,} patients and "
        f"{rows['signal_hash'].nunique():,} recordings examined)."
    )


@pytest.mark.parametrize("column", ["patient", "signal_hash"])
def test_one_patient_or_recording_in_two_parts_is_found(examples, column):
    cohort, split = examples
    train, test = (split.rows[split.part == part][0] for part in ("train", "test"))
    index = cohort.index.copy()
    index.loc[index.index[test], column] = index[column].iloc[train]
    result = check_leakage(index, split)
    shared = (result.shared_patients, result.shared_recordings)
    assert shared == ((1, 0) if column == "patient" else (0, 1))
    assert not result.passed
    assert "Do not train on this split." in result.text


def test_records_without_a_patient_id_are_counted_and_count_as_own_patients(examples):
    cohort, split = examples
    rows = np.flatnonzero(np.isin(split.part, ("train", "test")))
    index = cohort.index.assign(patient=pd.Series([None] * len(cohort), dtype=object))
    result = check_leakage(index, replace(split, rows=split.rows[rows], part=split.part[rows]))
    assert (result.patients, result.nameless, result.passed) == (0, len(rows), True)
    assert f"{len(rows):,} records have no patient id; each counts as one patient." in result.text


def test_a_training_on_a_leaky_split_is_refused_and_writes_nothing(examples_home, monkeypatch):
    leaky = LeakCheck(160, 158, 160, 0, shared_patients=2, shared_recordings=0)
    monkeypatch.setattr("ecgcore.training.prepare.check_leakage", lambda index, split: leaky)
    before = sorted(examples_home.runs.glob("*"))
    with pytest.raises(EcgError, match=r"^2 patients and 0 recordings are in two parts"):
        prepare(TrainConfig("examples", "alexnet_gap", level="all"), examples_home)
    assert sorted(examples_home.runs.glob("*")) == before
