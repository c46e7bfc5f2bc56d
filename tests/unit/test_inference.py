"""A loaded run answers as the training did, and damaged weights are refused in one line."""

import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from recordings import EXAMPLES
from scipy.special import expit, logit

from ecgcore.atomic import write_json
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile
from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import load
from ecgcore.inference.release import ship
from ecgcore.records.read import read_record
from ecgcore.runs.provenance import has_learnt
from ecgcore.runs.run import Run
from ecgcore.runs.weights import read_tensors, write_tensors


def test_a_record_from_its_file_gets_the_probabilities_of_the_run(small_pair):
    workspace, run, _ = small_pair
    table = run.predictions.set_index("record").head(5)
    cohort = Cohort.open("examples", workspace)
    paths = [cohort.path_of(record) for record in table.index]
    answers = {a["record"]: a for a in classify_paths(paths, load(run.id, workspace))}
    for record, row in table.iterrows():
        for code, p in answers[record]["probabilities"].items():
            assert p == pytest.approx(row[f"p_{code}"], abs=1e-4)


def test_a_folder_gives_one_answer_a_record_in_stable_order(small_pair):
    workspace, run, _ = small_pair
    folder = sorted((EXAMPLES / "records100").iterdir())[0]
    answers = list(classify_paths([folder], load(run.id, workspace)))
    headers = sorted(folder.glob("*.hea"))
    assert [a["path"] for a in answers] == [str(h) for h in headers]
    assert all(a["error"] is None for a in answers)


def test_an_answer_is_calibrated_beside_what_the_network_gave_and_says_what_to_refer(small_pair):
    workspace, run, _ = small_pair
    classifier = load(run.id, workspace)
    folder = sorted((EXAMPLES / "records100").iterdir())[0]
    band = run.calibration["refer"]
    for answer in classify_paths([folder], classifier):
        raw, told = (np.array(list(answer[k].values())) for k in ("raw", "probabilities"))
        np.testing.assert_allclose(expit(logit(raw) / classifier.temperature), told, atol=1e-4)
        doubt = [
            code
            for code, (low, high) in band["bands"].items()
            if low <= answer["probabilities"][code] <= high
        ]
        assert answer["uncertain"] == doubt
        assert answer["refer"] is bool(doubt)
        reached = run.calibration["thresholds"].items()
        assert answer["called"] == [
            c for c, from_p in reached if answer["probabilities"][c] >= from_p
        ]


def test_a_run_knows_again_the_recordings_that_it_learnt_from(small_pair):
    _, run, _ = small_pair
    learnt = set(pd.read_parquet(run.folder / "learnt.parquet")["record"])
    headers = sorted(EXAMPLES.rglob("*.hea"))[:30]
    known = {h.stem for h in headers if has_learnt(run, read_record(h))}
    assert known == learnt & {h.stem for h in headers}
    assert 0 < len(known) < len(headers)


def test_a_run_without_calibration_answers_raw_and_refers_nothing(small_pair, tmp_path):
    workspace, run, _ = small_pair
    shutil.copytree(run.folder, tmp_path / "run")
    fitted = run.calibration | {"temperature": None, "refer": None}
    write_json(tmp_path / "run" / "calibration.json", fitted)
    header = next(EXAMPLES.rglob("*.hea"))
    (answer,) = classify_paths([header], load(str(tmp_path / "run"), workspace))
    assert answer["probabilities"] == answer["raw"]
    assert answer["refer"] is answer["uncertain"] is None


def test_an_answer_tells_what_is_doubtful_about_the_recording(small_pair):
    workspace, run, _ = small_pair
    names = ("04099_lr.hea", "00530_lr.hea")
    paths = [next(EXAMPLES.rglob(name)) for name in names]
    answers = {a["record"]: a["quality"] for a in classify_paths(paths, load(run.id, workspace))}
    assert answers == {
        "04099_lr": ["baseline: baseline of V1 wanders by 2.8 mV"],
        "00530_lr": [],
    }


def test_an_unreadable_record_is_a_line_with_its_reason(small_pair, tmp_path):
    workspace, run, _ = small_pair
    (tmp_path / "bad.hea").write_text("this is a text, not a header\n")
    (answer,) = classify_paths([tmp_path], load(run.id, workspace))
    assert answer["probabilities"] is None
    assert answer["top"] is None
    assert "bad" in answer["error"]
    assert "\n" not in answer["error"]


def test_a_shipped_model_answers_as_its_run(small_pair, tmp_path):
    workspace, _, run = small_pair
    size = ship(run, tmp_path / "shipped")
    assert size < 0.6 * sum(f.stat().st_size for f in run.folder.iterdir())
    card = (tmp_path / "shipped" / "README.md").read_text()
    assert "Research use only" in card
    assert "macro" in card
    header = next(EXAMPLES.rglob("*.hea"))
    (a,) = classify_paths([header], load(run.id, workspace))
    (b,) = classify_paths([header], load(str(tmp_path / "shipped"), workspace))
    gap = np.subtract(list(a["raw"].values()), list(b["raw"].values()))
    assert np.abs(gap).max() < 0.01


class Executed:
    """A pickle of it creates a file when it is opened."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


@pytest.mark.parametrize("damage", ["cut", "text", "pickle", "other model"])
def test_damaged_weights_are_refused_in_one_line(small_pair, tmp_path, damage):
    workspace, other, run = small_pair
    ship(run, tmp_path / "copy")
    weights = tmp_path / "copy" / "weights.safetensors"
    good = weights.read_bytes()
    if damage == "cut":
        weights.write_bytes(good[: len(good) // 2])
    elif damage == "text":
        weights.write_text("not weights at all")
    elif damage == "pickle":
        weights.write_bytes(pickle.dumps(Executed(tmp_path / "executed")))
    else:
        weights.write_bytes((other.folder / "weights.safetensors").read_bytes())
    with pytest.raises(DamagedFile) as refused:
        load(str(tmp_path / "copy"), workspace)
    why = "does not fit alexnet_m_se_gap" if damage == "other model" else "is no whole safetensors"
    assert f"weights.safetensors {why}" in str(refused.value)
    assert not (tmp_path / "executed").exists()
    assert "\n" not in str(refused.value)


HEAD = "head.3.bias"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t | {HEAD: t[HEAD][:3]}, f"its {HEAD} is (3,), not (10,)"),
        (lambda t: t | {HEAD: t[HEAD] * float("nan")}, f"its {HEAD} holds values that are no"),
        (lambda t: t | {HEAD: t[HEAD] / 0}, f"its {HEAD} holds values that are no numbers"),
        (lambda t: t | {HEAD: t[HEAD].int()}, f"its {HEAD} is of type torch.int32, not torch.f"),
        (lambda t: t | {"more": t[HEAD] + 1}, "it has, beside what belongs there, more and 0 more"),
        (lambda t: {HEAD: t[HEAD]}, "it lacks "),
    ],
    ids=["shape", "NaN", "infinite", "type", "more", "fewer"],
)
def test_whole_files_of_wrong_weights_are_refused_in_one_line(small_pair, tmp_path, change, why):
    workspace, _, run = small_pair
    ship(run, tmp_path / "copy")
    weights = tmp_path / "copy" / "weights.safetensors"
    write_tensors(weights, change(read_tensors(weights)[0]))
    with pytest.raises(DamagedFile) as refused:
        load(str(tmp_path / "copy"), workspace)
    assert f"weights.safetensors does not fit alexnet_m_se_gap: {why}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_loading_never_unpickles(small_pair, tmp_path):
    workspace, _, run = small_pair
    ship(run, tmp_path / "copy")
    (tmp_path / "copy" / "weights.safetensors").write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DamagedFile):
        load(str(tmp_path / "copy"), workspace)


def test_every_shipped_model_loads_and_is_small():
    from ecgcore.runs.run import shipped_models
    from ecgcore.workspace import Workspace

    models = shipped_models()
    assert {run.id for run in models} >= {"alexnet_gap", "alexnet_m_se_gap"}
    for run in models:
        assert load(run.id, Workspace.find()).run == Run(run.folder)
        assert (run.folder / "weights.safetensors").stat().st_size < 10e6
