"""External validation: records of training are excluded, unannotated classes are named."""

import json
import shutil

import numpy as np
import pytest
from recordings import limb_consistent_uv, write_wfdb

from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.evaluation.external import evaluate_cohort
from ecgcore.evaluation.text import report_text
from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import load_model
from ecgcore.inference.predict import row_predictor
from ecgcore.labels.classes import CODES
from ecgcore.runs.provenance import (
    COPY,
    OVERLAP,
    PATIENT,
    RECORDING,
    find_contamination,
    lineage_of,
)
from ecgcore.runs.split import Lineage

STATED = {"JS00011": "426783006", "JS00012": "427084000", "JS00013": "426177001"}


@pytest.fixture(scope="module")
def at_home(small_pair, tmp_path_factory):
    """Return (a workspace of its own, a run in it)."""
    workspace, run, _ = small_pair
    shutil.copytree(workspace.path, copy := tmp_path_factory.mktemp("external") / "home")
    mine = type(workspace)(copy)
    return mine, type(run)(mine.runs / run.id)


@pytest.fixture(scope="module")
def elsewhere(at_home, tmp_path_factory):
    """Return (workspace, run, cohort of 12 records at 500 Hz without annotated infarctions)."""
    workspace, run = at_home
    folder = tmp_path_factory.mktemp("other") / "ecg-arrhythmia" / "WFDBRecords"
    codes = list(STATED.values())
    for i in range(12):
        sex = "Male" if i % 2 else "Female"
        comments = (f"Age: {30 + 5 * i}", f"Sex: {sex}", f"Dx: {codes[i % 3]}")
        signal = limb_consistent_uv(5000, seed=i)
        write_wfdb(folder, f"JS{20000 + i}", signal, suffix=".mat", comments=comments)
    ingest(folder.parent, "other", workspace, workers=1)
    return workspace, run, Cohort.open("other", workspace)


def evaluate(run, cohort, workspace):
    """Return the JSON form of a run's evaluation on a cohort of the same workspace."""
    predict = row_predictor(load_model(run.id, workspace))
    opened = Cohort.open(cohort, workspace)
    return evaluate_cohort(run, opened, predict, workspace, resamples=50).as_json()


def test_another_cohort_is_predicted_at_the_runs_rate_and_scored(elsewhere):
    workspace, run, cohort = elsewhere
    progress = []
    predict = row_predictor(load_model(run.id, workspace), lambda *done: progress.append(done))
    answer = evaluate_cohort(run, cohort, predict, workspace, resamples=50).as_json()
    assert (answer["part"], answer["n"], answer["run"]) == ("external", 12, run.id)
    assert answer["cohort"]["sources"] == {"ecg-arrhythmia": 12}
    assert answer["brought_to"] == ["Resampled from 500 to 100 Hz, without aliasing."]
    assert answer["excluded"] == answer["left_out"] == {}
    assert answer["not_available"]["STEMI"] == "n/a: not annotated in ecg-arrhythmia"
    assert answer["not_available"]["LVH"] == "n/a (0 positives)"
    assert "The most probable class is sought among all but STEMI." in answer["notes"]
    assert not any(row[CODES.index("STEMI")] for row in answer["confusion"])
    assert answer["classes"]["STACH"]["n"] == 4
    assert set(answer["subgroups"]["sex"]) == {"female", "male"}
    assert progress[-1] == (12, 12)
    assert "cohort 'other': 12 records" in report_text(answer)
    json.dumps(answer, allow_nan=False)


def test_it_answers_as_classify_does(elsewhere):
    workspace, run, cohort = elsewhere
    classifier = load_model(run.id, workspace)
    paths = [cohort.path_of(record) for record in cohort.index["record"]]
    p = np.array([list(a["probabilities"].values()) for a in classify_paths(paths, classifier)])
    answer = evaluate_cohort(
        run, cohort, row_predictor(classifier), workspace, resamples=50
    ).as_json()
    stach = CODES.index("STACH")
    y = cohort.states()[:, stach] == 1
    pairs = p[y, stach][:, None] - p[~y, stach]
    auc = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert answer["classes"]["STACH"]["auc"] == pytest.approx(auc, abs=1 / pairs.size)


def test_on_its_own_cohort_only_what_it_did_not_learn_from_is_left(small_pair):
    workspace, run, _ = small_pair
    answer = evaluate(run, "examples", workspace)
    test = run.predictions.query("part == 'test' or part == 'holdout'")
    assert answer["n"] == len(test)
    assert answer["excluded"][RECORDING] == sum(
        run.meta["split"]["records"][part] for part in ("train", "validation")
    )


def test_recordings_are_known_by_signal_and_name_and_shape_and_by_their_patients(
    small_pair, tmp_path, monkeypatch
):
    workspace, run, _ = small_pair
    learnt = lineage_of(run, workspace).records
    cohort = Cohort.open("examples", workspace)
    own = cohort.index.set_index("record")
    free = own[~own.index.isin(learnt["record"]) & ~own["patient"].isin(learnt["patient"])]
    index = free.iloc[:5].reset_index().copy()
    other = Cohort.open("examples", workspace)
    other.__dict__["index"] = index
    monkeypatch.setattr(Cohort, "__len__", lambda self: len(self.index))
    assert (find_contamination(other, run, workspace).why == "").all()
    index.loc[0, "signal_hash"] = learnt["signal_hash"].iloc[0]
    index.loc[1, "record"] = learnt["record"].iloc[1].replace("_lr", "_hr")
    index.loc[2, "patient"] = learnt["patient"].dropna().iloc[2]
    index.loc[[0, 3], "patient"] = "one patient"
    assert find_contamination(other, run, workspace).why.tolist() == [
        RECORDING,
        RECORDING,
        PATIENT,
        PATIENT,
        "",
    ]
    away = type(workspace)(tmp_path)
    seen = find_contamination(other, run, away)
    assert seen.why.tolist() == [RECORDING, RECORDING, PATIENT, PATIENT, ""]
    assert "not in this home" in seen.notes[0]


def test_a_copy_at_another_gain_is_known_by_its_shape(at_home, tmp_path):
    workspace, run = at_home
    name = lineage_of(run, workspace).records["record"].iloc[0]
    record = Cohort.open("examples", workspace).record(name)
    stored = np.rint(record.signal_mv * 500).astype(np.int16)
    write_wfdb(
        tmp_path / "copies", "copied", stored, fs_hz=100, gain="400/mV", comments=("Dx: 426177001",)
    )
    ingest(tmp_path / "copies", "copies", workspace, workers=1)
    seen = find_contamination(Cohort.open("copies", workspace), run, workspace)
    assert seen.why.tolist() == [COPY]
    with pytest.raises(RequestError) as refused:
        evaluate(run, "copies", workspace)
    assert str(refused.value) == (
        f"Cohort 'copies' has no labelled record for run {run.id} that it was not trained on "
        f"({COPY}: 1), of 1; choose another cohort."
    )


def test_databases_known_to_share_recordings_are_left_out(elsewhere, tmp_path, monkeypatch):
    workspace, run, cohort = elsewhere
    learnt = Lineage(lineage_of(run, workspace).records.assign(source="chapman-figshare"))
    monkeypatch.setattr("ecgcore.runs.provenance.lineage_of", lambda run, workspace: learnt)
    assert (
        find_contamination(cohort, run, workspace).why == ""
    ).all()  # JS20000 and later are of no overlap
    index = cohort.index.assign(record=[f"JS{i:05}" for i in range(10_641, 10_653)])
    monkeypatch.setitem(cohort.__dict__, "index", index)
    assert (find_contamination(cohort, run, workspace).why == OVERLAP).sum() == 6


def test_a_run_that_cannot_say_what_it_learnt_from_says_so(small_pair, tmp_path):
    workspace, run, _ = small_pair
    copy = tmp_path / "runs" / run.id
    shutil.copytree(run.folder, copy)
    (copy / "split.parquet").unlink()
    away = type(run)(copy)
    assert (
        lineage_of(away, workspace).records["record"].tolist()
        == lineage_of(run, workspace).records["record"].tolist()
    )
    seen = find_contamination(Cohort.open("examples", workspace), away, type(workspace)(tmp_path))
    assert not (seen.why != "").any()
    assert "cannot be checked" in seen.notes[0]


def test_shipped_models_are_not_scored_on_what_they_learnt_from(run, examples_home):
    asked = ("evaluate", "alexnet_m_se_gap", "--cohort", "examples", "--home", examples_home.path)
    code, _, err = run(*asked, "--json")
    assert code == 2
    assert "that it was not trained on (the run was trained on this recording: 160), of 160" in err
    code, _, err = run(*asked[:3], "nowhere", *asked[4:])
    assert code == 2
    assert "There is no cohort 'nowhere'" in err
