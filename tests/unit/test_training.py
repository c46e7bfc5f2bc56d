"""Training: a complete run folder, reproducible from its seed, without unfinished files."""

import json
from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch

from ecgcore.background import process_stamp
from ecgcore.cohort.store import Cohort
from ecgcore.errors import EcgError, NotFound, RequestError, UnreadableRecord
from ecgcore.imaging.geometry import make_geometry
from ecgcore.imaging.png import NetworkImage
from ecgcore.inference.model import load_model
from ecgcore.labels.label_sets import label_set
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run, find_run, list_runs
from ecgcore.training.device import find_devices
from ecgcore.training.loss import Loss
from ecgcore.training.optim import lr_factor
from ecgcore.training.prepare import prepare
from ecgcore.training.state import TrainContext
from ecgcore.training.trainer import train, train_run

SMALL = TrainConfig(
    cohort="examples", model="alexnet_m_se_gap", level="60", size=67, epochs=2, device="cpu"
)


def test_unknown_targets_do_not_count_in_the_loss():
    logits = torch.tensor([[0.0, 5.0]])
    targets = torch.tensor([[1.0, float("nan")]])
    assert Loss("multilabel")(logits, targets).item() == pytest.approx(log(2))


def test_one_class_a_record_is_scored_by_softmax():
    logits = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
    targets = torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    assert Loss("exclusive")(logits, targets).item() == pytest.approx(log(4))


def test_the_learning_rate_warms_up_peaks_and_ends_at_a_hundredth():
    factors = [lr_factor(step, 100, "cosine") for step in range(100)]
    assert factors[0] == pytest.approx(0.2)
    assert max(factors) == factors[5] == pytest.approx(1.0)
    assert factors[99] == pytest.approx(0.01, abs=0.001)
    assert lr_factor(50, 100, "constant") == 1.0
    steps = [lr_factor(step, 100, "step", warmup_fraction=0) for step in (0, 49, 50, 74, 75, 99)]
    assert steps == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_folder_of_a_finished_run_is_complete(small_pair):
    _, run, _ = small_pair
    meta = json.loads((run.folder / "run.json").read_text())
    assert meta["input"]["fs_hz"] == 100
    assert meta["input"]["size"] == [96, 96]
    assert meta["input"]["geometry"]["px_per_s"] == pytest.approx(9.6)
    assert meta["leads"][3] == "aVR"
    assert meta["config"]["learning_rate"] == 1e-4  # the default, made explicit
    assert set(meta["versions"]) >= {"torch", "ecgcore", "python"}
    assert run.status["state"] == "done"
    assert list(run.history["epoch"]) == [1]
    assert run.calibration["from"] == "validation"
    assert run.evaluation["n"] == meta["split"]["records"]["test"]
    assert not list(run.folder.glob(".*"))  # no temporary file is left


def test_predictions_hold_every_scored_part_and_no_patient_twice(small_pair):
    _, run, _ = small_pair
    table = run.predictions
    assert set(table["part"]) == {"validation", "test", "holdout"}
    assert table.groupby("patient")["part"].nunique().max() == 1
    probabilities = table.filter(like="p_").to_numpy()
    scaled = table.filter(like="z_").to_numpy() / run.calibration["temperature"]
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-scaled)), rtol=1e-5)


def test_the_same_seed_gives_the_same_metrics_twice(examples_home):
    first, second = (train(SMALL, examples_home) for _ in range(2))
    assert first.evaluation | {"run": ""} == second.evaluation | {"run": ""}
    timed = ["seconds"]
    assert first.history.drop(columns=timed).equals(second.history.drop(columns=timed))
    third = train(replace(SMALL, seed=2), examples_home)
    assert third.history["train_loss"].tolist() != first.history["train_loss"].tolist()


def test_a_small_network_overfits_a_few_records(examples_home):
    config = replace(
        SMALL, level="30", epochs=20, schedule="constant", optimizer="sgd", learning_rate=0.02
    )
    losses = train(config, examples_home).history["train_loss"]
    assert losses.iloc[0] > 1.5  # ten classes at chance: ln 10 = 2.3
    assert losses.iloc[-1] < 0.5


def test_a_level_that_asks_for_more_than_there_is_says_so(examples_home):
    run = prepare(replace(SMALL, level="440"), examples_home)
    assert "Too few records available: NSR" in " ".join(run.meta["split"]["notes"])


def test_a_cancelled_run_keeps_its_best_epoch(examples_home):
    run = prepare(replace(SMALL, epochs=50), examples_home)

    def stop_after_the_first(run, progress):
        if progress["row"]:
            (run.folder / "cancel").touch()

    train_run(run, examples_home, stop_after_the_first)
    assert run.status["state"] == "cancelled"
    assert 1 <= len(run.history) <= 2
    assert (run.folder / "weights.safetensors").exists()
    assert not run.cancel_requested


def test_a_run_whose_process_is_gone_has_crashed(examples_home):
    run = prepare(SMALL, examples_home)
    run.update_status(state="running", **process_stamp())
    assert run.status["state"] == "running"
    run.update_status(pid_started=process_stamp()["pid_started"] - 1000)  # the pid was reused
    assert run.status["state"] == "crashed"
    assert f"ecgcore runs resume {run.id}" in run.status["message"]


def test_a_run_that_fails_states_the_reason(examples_home, monkeypatch):
    predict = TrainContext.predict

    def diverged(self, *arguments, **keywords):
        logits, targets = predict(self, *arguments, **keywords)
        return np.full_like(logits, np.inf), targets

    monkeypatch.setattr(TrainContext, "predict", diverged)
    run = prepare(SMALL, examples_home)
    with pytest.raises(EcgError, match="no longer numbers: lower --learning-rate"):
        train_run(run, examples_home)
    assert run.status["state"] == "failed"
    assert "lower --learning-rate" in run.status["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "alexnett"}, "There is no model 'alexnett'. Did you mean 'alexnet'?"),
        ({"cohort": "exampels"}, "There is no cohort 'exampels'. Did you mean 'examples'?"),
        ({"model": "alexnet", "size": 96}, "alexnet reads 224×224 pixels, not 96"),
        ({"level": "few"}, "Level 'few' is neither 204, 440, all nor a number"),
        ({"epochs": 0}, "epochs 0 is not accepted; 1 to 10,000 is."),
        ({"optimizer": "adam"}, "There is no optimizer 'adam'. Did you mean 'adamw'?"),
        ({"label_smoothing": 0.7}, "label smoothing 0.7 is not accepted; 0 to 0.5 is."),
        ({"depth": 8}, "alexnet_m_se_gap' does not take the options depth; accepted: dropout."),
        (
            {"model": "resnet1d", "size": 224, "kernel": 4},
            "resnet1d has no shape depth 8, width 64, kernel 4",
        ),
        (
            {"model": "resnet1d", "size": 224, "layout": "panels"},
            "resnet1d reads signals: layout, size and",
        ),
        (
            {"label_set": "ptbxl5", "target_mode": "priority"},
            "target mode 'priority' is of the label set paper10 only; with ptbxl5, multilabel and",
        ),
        ({"target_mode": "multi"}, "There is no target mode 'multi'. Did you mean 'multilabel'?"),
    ],
)
def test_a_wrong_request_is_refused_and_nothing_is_written(examples_home, change, message):
    before = list_runs(examples_home)
    with pytest.raises(RequestError) as error:
        prepare(replace(SMALL, **change), examples_home)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert list_runs(examples_home) == before


def test_a_run_is_found_by_id_and_by_folder(small_pair):
    workspace, run, _ = small_pair
    assert find_run(run.id, workspace) == find_run(str(run.folder), workspace) == Run(run.folder)
    with pytest.raises(NotFound, match="There is no run 'nothing'"):
        find_run("nothing", workspace)


def test_a_device_that_is_not_there_is_refused_by_name():
    with pytest.raises(RequestError, match="There is no device 'gpu' here; accepted: auto, cpu"):
        find_devices("gpu")


def test_a_network_on_signals_trains_in_the_same_loop_and_answers(examples_home):
    config = TrainConfig(
        cohort="examples", model="resnet1d", level="all", depth=4, width=8, epochs=1, device="cpu"
    )
    run = train(config, examples_home)
    assert run.meta["input"] == {"fs_hz": 100, "duration_s": 10}
    assert run.evaluation["n"] == run.meta["split"]["records"]["test"]
    classifier, cohort = load_model(run.id, examples_home), Cohort.open("examples", examples_home)
    row = run.predictions.iloc[0]
    [p] = classifier.predict_proba([cohort.record(row["record"])])
    np.testing.assert_allclose(p, row.filter(like="p_").to_numpy(float), atol=1e-5)
    image = np.zeros((3, 67, 67), np.float32)
    drawn = NetworkImage(image, make_geometry("stacked", 67), "drawn", 100, None, {})
    with pytest.raises(UnreadableRecord, match="reads signals, not images"):
        classifier.predict_proba([drawn])


@pytest.mark.parametrize(("labels", "classes"), [("ptbxl5", 5), ("ptbxl71", 71)])
def test_a_head_over_another_label_set_trains_answers_and_is_scored(
    examples_home, labels, classes, run
):
    asked = f"train --cohort examples --model resnet1d --depth 4 --width 4 --label-set {labels}"
    code, out, _ = run(*asked.split(), "--level", "all", "--epochs", 1, "--device", "cpu",
                       "--home", examples_home.path, "--json")  # fmt: skip
    assert code == 0
    answer = json.loads(out.splitlines()[-1])
    assert len(answer["metrics"]["classes"]) == classes
    absent = [c for c, found in answer["metrics"]["classes"].items() if not found["n"]]
    assert all(answer["metrics"]["not_available"][c] == "n/a (0 positives)" for c in absent)
    classifier = load_model(answer["run"], examples_home)
    assert classifier.classes == label_set(labels).codes
    record = Cohort.open("examples", examples_home).record("00147_lr")
    assert classifier.predict_proba([record]).shape == (1, classes)
    code, out, _ = run("evaluate", answer["run"], "--home", examples_home.path)
    assert code == 0


def test_where_nothing_validates_the_last_epoch_is_kept_and_nothing_calibrated(examples_home):
    run = train(replace(SMALL, split="fold:3", level="all"), examples_home)
    assert run.status["best_epoch"] == 2
    assert run.history["val_macro_auc"].isna().all()
    assert set(run.predictions["part"]) == {"test"}
    assert run.calibration["temperature"] is None
    assert run.calibration["from"] is None


def test_where_all_records_train_nothing_is_scored(examples_home):
    run = train(replace(SMALL, split="none", level="all", epochs=1), examples_home)
    assert run.status["state"] == "done"
    assert run.evaluation is None
    assert run.meta["split"]["records"] == {"train": 160}
    assert len(load_model(run.id, examples_home).classes) == 10


def test_waiting_for_a_better_epoch_needs_validation(examples_home):
    with pytest.raises(RequestError, match="patience needs one"):
        train(replace(SMALL, split="none", level="all", patience=2), examples_home)
