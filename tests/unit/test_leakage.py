"""The leak check: it finds a patient or a recording on two sides, and says what it looked at."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecgcore.cohort.leakage import LeakCheck, check_sides
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import plan
from ecgcore.errors import EcgError
from ecgcore.runs.config import TrainConfig
from ecgcore.training.prepare import prepare


@pytest.fixture(scope="module")
def examples(examples_home):
    cohort = Cohort.open("examples", examples_home)
    return cohort, plan(cohort, "all", "multilabel")


def test_a_sound_split_passes_with_its_numbers(examples):
    cohort, drawn = examples
    found = check_sides(cohort.index, drawn)
    assert found.passed
    rows = cohort.index.iloc[drawn.rows]
    assert found.text == (
        "No patient and no recording on two sides: checked "
        f"({len(rows):,} records, {rows['patient'].nunique():,} patients and "
        f"{rows['signal_hash'].nunique():,} recordings looked at)."
    )


@pytest.mark.parametrize("column", ["patient", "signal_hash"])
def test_one_patient_or_recording_on_two_sides_is_found(examples, column):
    cohort, drawn = examples
    train, test = (drawn.rows[drawn.part == part][0] for part in ("train", "test"))
    index = cohort.index.copy()
    index.loc[index.index[test], column] = index[column].iloc[train]
    found = check_sides(index, drawn)
    shared = (found.shared_patients, found.shared_recordings)
    assert shared == ((1, 0) if column == "patient" else (0, 1))
    assert not found.passed
    assert "Do not train on this split." in found.text


def test_patients_without_a_number_are_counted_and_are_nobody_s_copies(examples):
    cohort, drawn = examples
    rows = np.flatnonzero(np.isin(drawn.part, ("train", "test")))
    index = cohort.index.assign(patient=pd.Series([None] * len(cohort), dtype=object))
    found = check_sides(index, replace(drawn, rows=drawn.rows[rows], part=drawn.part[rows]))
    assert (found.patients, found.nameless, found.passed) == (0, len(rows), True)
    assert f"{len(rows):,} records name no patient; each counts as one of its own." in found.text


def test_a_training_on_a_leaky_split_is_refused_and_writes_nothing(examples_home, monkeypatch):
    leaky = LeakCheck(160, 158, 160, 0, shared_patients=2, shared_recordings=0)
    monkeypatch.setattr("ecgcore.training.prepare.check_sides", lambda index, plan: leaky)
    before = sorted(examples_home.runs.glob("*"))
    with pytest.raises(EcgError, match=r"^2 patients and 0 recordings are on two sides"):
        prepare(TrainConfig("examples", "alexnet_gap", level="all"), examples_home)
    assert sorted(examples_home.runs.glob("*")) == before
