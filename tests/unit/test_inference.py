"""A loaded run answers as in its training, and damaged weights are refused in one line."""

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from recordings import EXAMPLES
from scipy.special import expit, logit

from ecgcore.atomic import write_json
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile, RequestError, UnreadableRecord
from ecgcore.inference.classify import classify_paths, classify_records
from ecgcore.inference.model import load_model
from ecgcore.inference.release import write_release
from ecgcore.records.read import read_record
from ecgcore.runs.provenance import was_trained_on
from ecgcore.runs.run import Run
from ecgcore.runs.split import read_lineage
from ecgcore.runs.weights import read_tensors, write_tensors


def test_a_record_from_its_file_gets_the_probabilities_of_the_run(small_pair):
    workspace, run, _ = small_pair
    table = run.predictions.set_index("record").head(5)
    cohort = Cohort.open("examples", workspace)
    paths = [cohort.path_of(record) for record in table.index]
    answers = {a["record"]: a for a in classify_paths(paths, load_model(run.id, workspace))}
    for record, row in table.iterrows():
        for code, p in answers[record]["probabilities"].items():
            assert p == pytest.approx(row[f"p_{code}"], abs=1e-4)


def test_a_folder_gives_one_answer_a_record_in_stable_order(small_pair):
    workspace, run, _ = small_pair
    folder = sorted((EXAMPLES / "records100").iterdir())[0]
    answers = list(classify_paths([folder], load_model(run.id, workspace)))
    headers = sorted(folder.glob("*.hea"))
    assert [a["path"] for a in answers] == [str(h) for h in headers]
    assert all(a["error"] is None for a in answers)


def test_an_answer_has_calibrated_and_raw_probabilities_and_says_what_to_refer(small_pair):
    workspace, run, _ = small_pair
    classifier = load_model(run.id, workspace)
    folder = sorted((EXAMPLES / "records100").iterdir())[0]
    band = run.calibration["refer"]
    for answer in classify_paths([folder], classifier):
        raw, p = (np.array(list(answer[k].values())) for k in ("raw", "probabilities"))
        np.testing.assert_allclose(expit(logit(raw) / classifier.temperature), p, atol=1e-4)
        uncertain = [
            code
            for code, (low, high) in band["bands"].items()
            if low <= answer["probabilities"][code] <= high
        ]
        assert answer["uncertain"] == uncertain
        assert answer["refer"] is bool(uncertain)
        thresholds = run.calibration["thresholds"].items()
        assert answer["called"] == [
            code for code, p in thresholds if answer["probabilities"][code] >= p
        ]


def test_a_run_knows_again_the_recordings_that_it_learnt_from(small_pair):
    _, run, _ = small_pair
    learnt = set(read_lineage(run).records["record"])
    headers = sorted(EXAMPLES.rglob("*.hea"))[:30]
    known = {h.stem for h in headers if was_trained_on(run, read_record(h))}
    assert known == learnt & {h.stem for h in headers}
    assert 0 < len(known) < len(headers)


def test_a_run_without_calibration_answers_raw_and_refers_nothing(small_pair, tmp_path):
    workspace, run, _ = small_pair
    shutil.copytree(run.folder, tmp_path / "run")
    fitted = run.calibration | {"temperature": None, "refer": None}
    write_json(tmp_path / "run" / "calibration.json", fitted)
    header = next(EXAMPLES.rglob("*.hea"))
    (answer,) = classify_paths([header], load_model(str(tmp_path / "run"), workspace))
    assert answer["probabilities"] == answer["raw"]
    assert answer["refer"] is answer["uncertain"] is None


def test_an_answer_states_quality_flags_of_the_recording(small_pair):
    workspace, run, _ = small_pair
    names = ("04099_lr.hea", "00530_lr.hea")
    paths = [next(EXAMPLES.rglob(name)) for name in names]
    answers = {
        a["record"]: a["quality"] for a in classify_paths(paths, load_model(run.id, workspace))
    }
    assert answers == {
        "04099_lr": ["baseline: baseline of V1 wanders by 2.8 mV"],
        "00530_lr": [],
    }


def test_what_the_quality_gate_refuses_is_referred(small_pair, tmp_path):
    workspace, run, _ = small_pair
    classifier = load_model(run.id, workspace)
    (tmp_path / "bad.hea").write_text("this is a text, not a header\n")
    (unreadable,) = classify_paths([tmp_path], classifier)
    whole = read_record(next(EXAMPLES.rglob("00530_lr.hea")))
    in_other_unit = replace(whole, signal_mv=whole.signal_mv * 1000)
    for network in (classifier, replace(classifier, refer=None)):
        (answer,) = classify_records([in_other_unit], network)
        assert (answer["gate"], answer["refer"]) == ("refused", True)
    assert (unreadable["gate"], unreadable["refer"]) == ("refused", True)


def test_an_unreadable_record_is_a_line_with_its_reason(small_pair, tmp_path):
    workspace, run, _ = small_pair
    (tmp_path / "bad.hea").write_text("this is a text, not a header\n")
    (answer,) = classify_paths([tmp_path], load_model(run.id, workspace))
    assert answer["probabilities"] is None
    assert answer["top"] is None
    assert "bad" in answer["error"]
    assert "\n" not in answer["error"]


def test_a_shipped_model_answers_as_its_run(small_pair, tmp_path):
    workspace, _, run = small_pair
    size = write_release(run, tmp_path / "shipped")
    assert size < 0.6 * sum(f.stat().st_size for f in run.folder.iterdir())
    card = (tmp_path / "shipped" / "README.md").read_text()
    assert "Research use only" in card
    assert "macro" in card
    header = next(EXAMPLES.rglob("*.hea"))
    (a,) = classify_paths([header], load_model(run.id, workspace))
    (b,) = classify_paths([header], load_model(str(tmp_path / "shipped"), workspace))
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
    write_release(run, tmp_path / "copy")
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
        load_model(str(tmp_path / "copy"), workspace)
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
        (lambda t: t | {"more": t[HEAD] + 1}, "it has the unexpected more and 0 more"),
        (lambda t: {HEAD: t[HEAD]}, "it lacks "),
    ],
    ids=["shape", "NaN", "infinite", "type", "more", "fewer"],
)
def test_intact_files_of_wrong_weights_are_refused_in_one_line(small_pair, tmp_path, change, why):
    workspace, _, run = small_pair
    write_release(run, tmp_path / "copy")
    weights = tmp_path / "copy" / "weights.safetensors"
    write_tensors(weights, change(read_tensors(weights)[0]))
    with pytest.raises(DamagedFile) as refused:
        load_model(str(tmp_path / "copy"), workspace)
    assert f"weights.safetensors does not fit alexnet_m_se_gap: {why}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_loading_never_unpickles(small_pair, tmp_path):
    workspace, _, run = small_pair
    write_release(run, tmp_path / "copy")
    (tmp_path / "copy" / "weights.safetensors").write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DamagedFile):
        load_model(str(tmp_path / "copy"), workspace)


def test_every_shipped_model_loads_and_is_small():
    from ecgcore.runs.run import shipped_models
    from ecgcore.workspace import Workspace

    models = shipped_models()
    assert {run.id for run in models} >= {"alexnet_gap", "alexnet_m_se_gap"}
    for run in models:
        assert load_model(run.id, Workspace.find()).run == Run(run.folder)
        assert (run.folder / "weights.safetensors").stat().st_size < 10e6


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return load_model("resnet1d_scaled", tmp_path_factory.mktemp("home"))


def test_every_form_of_input_gets_the_same_probabilities(shipped):
    paths = sorted(EXAMPLES.rglob("*_lr.hea"))[:3]
    records = [read_record(path) for path in paths]
    signals_mv = np.stack([record.signal_mv for record in records])
    expected = shipped.predict_proba(records)
    assert expected.shape == (3, len(shipped.classes))
    assert expected.dtype == np.float64
    for x in (paths, [str(path) for path in paths], [paths[0], *records[1:]]):
        np.testing.assert_array_equal(shipped.predict_proba(x), expected)
    np.testing.assert_array_equal(shipped.predict_proba(signals_mv, fs_hz=100), expected)
    np.testing.assert_array_equal(shipped.predict_proba(list(signals_mv), fs_hz=100), expected)
    for x in (records[0], paths[0], signals_mv[0]):
        np.testing.assert_allclose(shipped.predict_proba(x, fs_hz=100), expected[:1], atol=1e-6)
    assert shipped.predict_proba([]).shape == (0, len(shipped.classes))
    answers = classify_paths(paths, shipped)
    np.testing.assert_allclose(
        expected, [list(answer["probabilities"].values()) for answer in answers], atol=1e-6
    )


def test_predicted_labels_are_those_of_classify(shipped):
    paths = sorted(EXAMPLES.rglob("*_lr.hea"))[:20]
    labels = shipped.predict(paths)
    assert labels.dtype == bool
    for row, answer in zip(labels, classify_paths(paths, shipped), strict=True):
        reached = [c for c, is_set in zip(shipped.classes, row, strict=True) if is_set]
        assert set(reached) == {*answer["called"], *answer["ranked"]}


def test_an_array_is_resampled_to_the_rate_of_the_run(shipped):
    record = read_record(next(EXAMPLES.rglob("*_lr.hea")))
    repeated = np.repeat(record.signal_mv, 5, axis=1)
    at_100_hz, at_500_hz = (
        shipped.predict_proba(signal_mv, fs_hz)
        for signal_mv, fs_hz in ((record.signal_mv, 100), (repeated, 500))
    )
    np.testing.assert_allclose(at_500_hz, at_100_hz, atol=0.1)


@pytest.mark.parametrize(
    ("x", "fs_hz", "message"),
    [
        (
            np.zeros((1000, 12)),
            100,
            "An array of shape (1000, 12) is no 12-lead ECG; (12, T) or (B, 12, T) in mV is "
            "accepted, leads in the order I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6.",
        ),
        (
            np.zeros((12, 1000), np.int16),
            100,
            "An array of type int16 is not in mV; convert the digital values to floating-point mV "
            "first.",
        ),
        (
            np.zeros((12, 1000)),
            None,
            "An array came with no sampling rate; give fs_hz from 50 to 40,000 Hz.",
        ),
        (
            np.zeros((2, 12, 1000)),
            10,
            "An array came with 10 Hz; give fs_hz from 50 to 40,000 Hz.",
        ),
        (
            [7],
            None,
            "Item 0 is of type int; records, file paths and NumPy arrays in mV are accepted.",
        ),
        (
            np.where(np.arange(1000) == 7, np.inf, np.tile(np.sin(np.arange(1000)), (12, 1))),
            100,
            "Array 0 holds infinite values; NaN is accepted where nothing was recorded.",
        ),
        (
            np.full((1, 12, 1000), np.nan),
            100,
            "Array 0 is flat or empty: no lead ever changes its value.",
        ),
        (
            1000 * np.tile(np.sin(np.arange(1000)), (12, 1)),
            100,
            "Array 0 spans 2,000 mV; up to 1000 mV is accepted, so check the unit.",
        ),
        (
            np.tile(np.sin(np.arange(30)), (12, 1)),
            100,
            "Array 0 lasts 0.30 s; 1 s or more is accepted.",
        ),
    ],
    ids=[
        "transposed",
        "digital",
        "no rate",
        "odd rate",
        "no ECG",
        "infinite",
        "missing",
        "in µV",
        "too short",
    ],
)
def test_what_is_no_ecg_is_refused_in_one_line(shipped, x, fs_hz, message):
    with pytest.raises(RequestError) as refused:
        shipped.predict_proba(x, fs_hz)
    assert str(refused.value) == message


def test_a_file_that_cannot_be_read_is_refused(shipped, tmp_path):
    with pytest.raises(UnreadableRecord, match=r"nowhere\.hea"):
        shipped.predict_proba(tmp_path / "nowhere.hea")


def test_a_classifier_is_shown_in_one_line(shipped):
    assert repr(shipped) == (
        "Classifier(resnet1d_scaled: 10 classes, multilabel, signals of 10 s at 100 Hz)"
    )
    assert repr(load_model("alexnet_gap")) == (
        "Classifier(alexnet_gap: 10 classes, multilabel, stacked images of 224x224 px of 10 s at "
        "100 Hz)"
    )


def test_answers_do_not_depend_on_the_number_of_processes(shipped, tmp_path):
    (tmp_path / "bad.hea").write_text("this is a text, not a header\n")
    paths = [EXAMPLES / "records100", tmp_path]
    expected = list(classify_paths(paths, shipped))
    assert len(expected) == 161
    assert list(classify_paths(paths, shipped, workers=2)) == expected
    assert list(classify_paths(paths, shipped, workers=None)) == expected
