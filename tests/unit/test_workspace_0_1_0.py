"""A workspace of version 0.1.0 is read, evaluated, compared, classified with and resumed."""

import json
import platform
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ecgcore.cohort.listing import Filters, Listing
from ecgcore.cohort.store import Cohort
from ecgcore.evaluation.evaluate import evaluate_run
from ecgcore.runs.provenance import lineage_of
from ecgcore.runs.queue import queued_runs
from ecgcore.runs.run import Run
from ecgcore.runs.weights import read_tensors
from ecgcore.training.checkpoint import find_checkpoint
from ecgcore.workspace import Workspace

OLD = Path(__file__).resolve().parents[1] / "data" / "workspace-0.1.0"
RECORD = OLD.parent / "ptb-xl" / "records100" / "00000" / "00001_lr.hea"
FIRST = "20261201-040220-resnet1d-small-all-s1-5b1f"
SECOND = "20261201-040335-resnet1d-small-all-s2-2466"
INTERRUPTED = "20261201-040536-resnet1d-small-all-s1-b3a1"


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Return a copy of the workspace, moved to this machine."""
    shutil.copytree(OLD, tmp_path / "home")
    status_file = tmp_path / "home" / "runs" / INTERRUPTED / "status.json"
    status = json.loads(status_file.read_text())
    status_file.write_text(json.dumps(status | {"machine": platform.node()}))
    return Workspace(tmp_path / "home")


def answer_of(run, *arguments):
    """Return the JSON answer of a command."""
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def without(content, *keys):
    return {key: value for key, value in content.items() if key not in keys}


def test_the_cohort_is_listed_and_its_records_are_read(workspace, run):
    [summary] = answer_of(run, "cohorts", "--home", workspace.path)["cohorts"]
    assert (summary["name"], summary["records"]) == ("small", 40)
    cohort = Cohort.open("small", workspace)
    assert len(cohort) == len(cohort.index) == 40
    assert cohort.record("00147_lr").signal_mv.shape == (12, 1000)
    assert cohort.is_measured
    assert len(Listing(cohort).select_rows(Filters())) == 40


def test_its_runs_are_listed_and_shown_under_the_present_names(workspace, run):
    rows = answer_of(run, "runs", "list", "--home", workspace.path)["runs"]
    states = {row["run"]: row["state"] for row in rows}
    assert (states[FIRST], states[SECOND], states[INTERRUPTED]) == ("done", "done", "crashed")
    shown = answer_of(run, "runs", "show", FIRST, "--home", workspace.path)
    assert shown["run"]["split"]["records"] == {
        "train": 17, "validation": 8, "test": 7, "holdout": 8,
    }  # fmt: skip
    assert shown["run"]["split"]["notes"] == [
        "Holdout: published fold 5, 8 records, the same for every level, model and seed."
    ]
    assert shown["run"]["config"]["class_balance"] == "weights"
    assert shown["run"]["config"]["ema_decay"] == 0.9
    code, out, _ = run("runs", "show", INTERRUPTED, "--home", workspace.path)
    assert code == 0
    assert f"{INTERRUPTED}: crashed." in " ".join(out.split())


@pytest.mark.parametrize("part", ["holdout", "untouched"])
def test_the_holdout_part_answers_to_its_old_name_as_well(workspace, run, part):
    asked = ("evaluate", FIRST, "--part", part, "--home", workspace.path)
    answer = answer_of(run, *asked)
    assert (answer["part"], answer["n"]) == ("holdout", 8)


def test_a_finished_run_is_evaluated_to_the_stored_figures(workspace, run):
    stored = json.loads((OLD / "runs" / FIRST / "evaluation.json").read_text())
    answer = answer_of(run, "evaluate", FIRST, "--home", workspace.path)
    refer = {key: answer["refer"][key] for key in stored["refer"]}  # some of it came later
    assert {key: answer[key] for key in stored} | {"refer": refer} == stored


def test_two_runs_are_compared(workspace, run):
    asked = ("compare", FIRST, SECOND, "--part", "holdout", "--home", workspace.path)
    answer = answer_of(run, *asked)
    assert (answer["part"], answer["n_common"]) == ("holdout", 8)
    assert answer["config_differences"] == {"seed": {"a": 1, "b": 2}}
    stored = [
        pd.read_parquet(OLD / "runs" / name / "predictions.parquet") for name in (FIRST, SECOND)
    ]
    for table in stored:
        assert set(table["part"]) == {"validation", "test", "untouched"}


def test_a_finished_run_classifies_a_recording(workspace, run):
    asked = ("classify", RECORD, "--run", FIRST, "--home", workspace.path)
    answer = answer_of(run, *asked)
    assert answer["error"] is None
    assert set(answer["probabilities"]) == set(Run(workspace.runs / FIRST).meta["classes"])


def test_what_a_run_learnt_from_is_known(workspace):
    stored = pd.read_parquet(OLD / "runs" / FIRST / "learnt.parquet")
    lineage = lineage_of(Run(workspace.runs / FIRST), workspace)
    assert lineage.is_complete
    pd.testing.assert_frame_equal(lineage.records, stored)


def test_resume_all_finds_the_interrupted_run_and_ends_like_the_uninterrupted_one(
    workspace, run, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as when the runs were made: sums have one order
    rows = answer_of(run, "runs", "resume", "--all", "--home", workspace.path)["runs"]
    assert [row["run"] for row in rows] == [INTERRUPTED]
    deadline = time.monotonic() + 900
    while queued_runs(workspace):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    resumed, finished = Run(workspace.runs / INTERRUPTED), Run(workspace.runs / FIRST)
    assert resumed.status["state"] == "done", resumed.log
    while find_checkpoint(resumed.folder):
        assert time.monotonic() < deadline  # it is removed once the run is done
        time.sleep(0.1)
    assert (resumed.folder / "split.parquet").exists()
    assert resumed.meta["split"] == finished.meta["split"]
    assert list(resumed.history["epoch"]) == [1, 2, 3, 4, 5, 6]

    # The steps of a CPU with bfloat16 instructions are those of the finished run, bit by bit; one
    # without them computes the last three epochs in float32, and sums differ by rounding.
    is_exact = resumed.status["precision"] == finished.status["precision"] == "bfloat16"
    atol = 0 if is_exact else 0.05
    weights = [read_tensors(one.weights)[0] for one in (resumed, finished)]
    for name, tensor in weights[1].items():
        torch.testing.assert_close(weights[0][name], tensor, atol=atol, rtol=0)
    columns = [column for column in finished.predictions if column.startswith(("y_", "z_"))]
    predictions = [one.predictions.sort_values("record") for one in (resumed, finished)]
    assert list(predictions[0]["record"]) == list(predictions[1]["record"])
    assert list(predictions[0]["part"]) == list(predictions[1]["part"])
    np.testing.assert_allclose(
        predictions[0][columns], predictions[1][columns], atol=20 * atol, rtol=0
    )
    if is_exact:
        # Evaluated now, the finished run has what came later, too; its band of referral was
        # fitted by 0.1.0, so of that the stored figures are compared.
        now = json.loads(json.dumps(evaluate_run(finished).as_json()))
        assert without(resumed.evaluation, "run", "refer") == without(now, "run", "refer")
        stored = finished.evaluation["refer"]
        assert {key: resumed.evaluation["refer"][key] for key in stored} == stored
