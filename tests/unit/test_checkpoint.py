"""Checkpoints: a training that was killed ends as if it had never been interrupted."""

import errno
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open

from ecgcore.errors import DamagedFile, NotWritten
from ecgcore.runs import weights
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Cancelled, Run, list_runs
from ecgcore.training import checkpoint
from ecgcore.training.loop import ProgressReporter
from ecgcore.training.prepare import prepare
from ecgcore.training.trainer import train, train_run
from ecgcore.workspace import Workspace

KILLS = int(os.environ.get("ECGCORE_KILLS", "1"))
"""How often a training is killed; 20 is a thorough check."""
SMALL = TrainConfig(
    cohort="examples", model="alexnet_m_se_gap", level="60", target_mode="multilabel", size=67,
    epochs=2, optimizer="adamw", augmentation="standard", class_balance="sampling", ema_decay=0.9,
    label_smoothing=0.1, grad_clip=1.0, schedule="step", device="cpu",
)  # fmt: skip
TINY = TrainConfig(
    cohort="examples", model="resnet1d", depth=4, width=8, level="30", target_mode="multilabel",
    epochs=3, optimizer="adamw", device="cpu",
)  # fmt: skip


def results(run: Run) -> tuple[dict, list[dict]]:
    """Return evaluation and history of a run, without its name and its duration."""
    rows = [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]
    return run.evaluation | {"run": ""}, [row | {"seconds": 0} for row in rows]


@pytest.fixture(scope="module")
def uninterrupted(examples_home):
    return results(train(SMALL, examples_home))


def test_a_training_killed_at_any_moment_resumes_to_the_same_result(examples_home, uninterrupted):
    run, rng = prepare(SMALL, examples_home), random.Random(4)
    command = [sys.executable, "-m", "ecgcore", "runs", "resume", run.id]
    command += ["--home", str(examples_home.path)]
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_until_it_trains(run, process)
        time.sleep(rng.uniform(0, 1.5))
        if process.poll() is None:
            assert run.status["state"] in ("running", "done")
            process.send_signal(signal.SIGKILL)
        process.wait()
        _assert_every_file_is_readable(run)
        if run.status["state"] == "done":
            break
        assert run.status["state"] == "crashed"
    if run.status["state"] != "done":
        train_run(run, examples_home)
    assert results(run) == uninterrupted
    assert not (run.folder / "checkpoint.safetensors").exists()
    assert not list(run.folder.glob(".*"))


def _wait_until_it_trains(run: Run, process: subprocess.Popen) -> None:
    while process.poll() is None and run.status["state"] != "running":
        time.sleep(0.05)


def _assert_every_file_is_readable(run: Run) -> None:
    for file in run.folder.glob("[!.]*"):
        if file.suffix == ".json":
            json.loads(file.read_text())
        elif file.suffix == ".safetensors":
            with safe_open(file, framework="np") as tensors:
                assert list(tensors.keys())
    assert run.history is not None


def test_a_cancelled_training_resumes_where_it_was(examples_home, uninterrupted, monkeypatch):
    run = prepare(SMALL, examples_home)
    ticks = iter([False] * 5 + [True])
    monkeypatch.setattr(Run, "cancel_requested", property(lambda run: next(ticks, False)))
    train_run(run, examples_home)
    assert run.status["state"] == "cancelled"
    saved = json.loads(weights.read_tensors(run.folder / checkpoint.FILE)[1])
    assert saved["batch"] > 0
    train_run(run, examples_home)
    assert results(run) == uninterrupted


def test_a_full_disk_is_reported_and_leaves_the_checkpoint_intact(
    examples_home, uninterrupted, monkeypatch
):
    run = prepare(SMALL, examples_home)
    write, calls = weights.save_file, iter(range(100))

    def full_at_the_third(content, file, metadata):
        if next(calls) == 2:
            Path(file).write_bytes(b"half")
            raise SafetensorError(f"I/O error: No space left on device (os error {errno.ENOSPC})")
        write(content, file, metadata)

    monkeypatch.setattr(weights, "save_file", full_at_the_third)
    with pytest.raises(NotWritten, match="No space left on device"):
        train_run(run, examples_home)
    assert run.status["state"] == "failed"
    assert "Make room on the disk and resume: ecgcore runs resume" in run.status["message"]
    _assert_every_file_is_readable(run)
    assert not list(run.folder.glob(".*"))
    train_run(run, examples_home)
    assert results(run) == uninterrupted


@pytest.fixture
def small_disk(tmp_path):
    """Return the path of a real disk of 4 MB in memory that only this test sees."""
    mount = f"mount -t tmpfs -o size=4m tmpfs '{tmp_path}' && echo mounted && exec cat"
    try:
        holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", mount],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("needs unshare (util-linux)")
    with holder:  # the disk disappears with this process
        if holder.stdout.readline() != "mounted\n":
            pytest.skip("needs permission to mount a disk in a namespace of its own")
        yield Path(f"/proc/{holder.pid}/root{tmp_path}")


def test_a_disk_that_is_really_full_loses_nothing_that_was_saved(examples_home, small_disk):
    workspace = Workspace(small_disk)
    workspace.cohorts.symlink_to(examples_home.cohorts)
    run = prepare(TINY, workspace)
    train_run(run, workspace, lambda run, progress: run.cancel() if progress["row"] else None)
    files = [run.weights, run.folder / checkpoint.FILE]
    saved = [file.read_bytes() for file in files]
    assert min(map(len, saved)) > 100_000
    filler = small_disk / "filler"
    for left_bytes in (100_000, 0):  # room for status.json only; no room at all
        filler.write_bytes(b"x" * (workspace.free_bytes() - left_bytes))
        with pytest.raises(NotWritten, match="No space left on device") as full:
            train_run(run, workspace)
        assert run.status["state"] == "failed"
        assert run.status["message"] == str(full.value)
        assert f"Make room on the disk and resume: ecgcore runs resume {run.id}" in str(full.value)
        assert "\n" not in str(full.value)
        assert [file.read_bytes() for file in files] == saved
        _assert_every_file_is_readable(run)
        filler.unlink()
    assert results(train_run(run, workspace)) == results(train(TINY, examples_home))


def test_a_row_of_the_history_that_finds_no_room_is_reported(examples_home, small_disk):
    run = prepare(TINY, examples_home)
    (small_disk / "filler").write_bytes(b"x" * Workspace(small_disk).free_bytes())

    def fill(run, progress):
        (run.folder / "history.jsonl").unlink()
        (run.folder / "history.jsonl").symlink_to(small_disk / "history.jsonl")

    with pytest.raises(NotWritten, match=r"^No space left on device\. What was saved before is"):
        train_run(run, examples_home, fill)
    assert run.status["state"] == "failed"


@pytest.mark.parametrize(
    ("change", "counters"),
    [
        (lambda tensors: {"model.x": torch.zeros(3)}, {}),
        (lambda tensors: tensors | {"random.torch": torch.zeros(3)}, {}),
        (lambda tensors: tensors, "not JSON"),
        (lambda tensors: tensors, ["epoch"]),
        (lambda tensors: tensors, {"epoch": 2}),
    ],
    ids=["tensors", "random state", "no JSON", "a list", "a missing counter"],
)
def test_a_checkpoint_of_another_training_is_refused(examples_home, change, counters):
    run = prepare(replace(TINY, epochs=2), examples_home)
    train_run(run, examples_home, lambda run, progress: run.cancel() if progress["row"] else None)
    tensors, text = weights.read_tensors(run.folder / checkpoint.FILE)
    text = json.dumps(counters) if counters else text
    weights.write_tensors(run.folder / checkpoint.FILE, change(tensors), text)
    with pytest.raises(DamagedFile, match="is not of this training"):
        train_run(run, examples_home)


def test_a_checkpoint_that_is_a_pickle_is_not_opened(examples_home):
    run = prepare(TINY, examples_home)
    (run.folder / checkpoint.FILE).write_bytes(pickle.dumps(TINY))
    with pytest.raises(DamagedFile, match="is no whole safetensors file"):
        train_run(run, examples_home)


def test_a_training_without_improvement_stops_early(examples_home):
    config = replace(SMALL, model="alexnet_gap", epochs=12, patience=1, learning_rate=1e-9)
    run = train(config, examples_home)
    assert run.status["state"] == "done"
    assert len(run.history) == 2
    assert run.status["best_epoch"] == 1


def test_a_request_to_stop_is_noticed_at_each_batch(examples_home):
    run = prepare(SMALL, examples_home)
    (run.folder / "cancel").touch()

    class State:
        epoch, step, total_steps = 1, 1, 9

    with pytest.raises(Cancelled):
        ProgressReporter(run, State(), lambda run, progress: None).tick()


def test_ctrl_c_ends_within_a_batch_and_names_the_command_to_resume(examples_home):
    command = [sys.executable, "-m", "ecgcore", "train", "--cohort", "examples", "--level", "all"]
    command += ["--model", "alexnet_m_se_gap", "--size", "67", "--epochs", "500", "--device", "cpu"]
    process = subprocess.Popen(
        [*command, "--home", str(examples_home.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if line.startswith("epoch   2"):
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=600)
    [run] = [run for run in list_runs(examples_home) if run.config.epochs == 500]
    assert f"`ecgcore runs resume {run.id}` continues" in " ".join(output.split())
    assert run.status["state"] == "cancelled"
    saved = json.loads(weights.read_tensors(run.folder / checkpoint.FILE)[1])
    assert saved["epoch"] > 2
    assert process.returncode == 0
