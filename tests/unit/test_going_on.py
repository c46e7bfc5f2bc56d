"""Going on: a training that was killed ends as if nothing had happened."""

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
"""How often a training is killed; set the variable to 20 for a thorough look."""
SMALL = TrainConfig(
    cohort="examples", model="alexnet_m_se_gap", level="60", target_mode="multilabel", size=67,
    epochs=2, optimizer="adamw", augmentation="standard", class_balance="sampling", ema_decay=0.9,
    label_smoothing=0.1, grad_clip=1.0, schedule="step", device="cpu",
)  # fmt: skip
TINY = TrainConfig(
    cohort="examples", model="resnet1d", depth=4, width=8, level="30", target_mode="multilabel",
    epochs=3, optimizer="adamw", device="cpu",
)  # fmt: skip


def told(run: Run) -> tuple[dict, list[dict]]:
    """Return what a run found, without its name and the time it took."""
    rows = [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]
    return run.evaluation | {"run": ""}, [row | {"seconds": 0} for row in rows]


@pytest.fixture(scope="module")
def uninterrupted(examples_home):
    return told(train(SMALL, examples_home))


def test_a_training_killed_at_any_moment_goes_on_to_the_same_result(examples_home, uninterrupted):
    run, chance = prepare(SMALL, examples_home), random.Random(4)
    command = [sys.executable, "-m", "ecgcore", "runs", "resume", run.id]
    command += ["--home", str(examples_home.path)]
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_until_it_trains(run, process)
        time.sleep(chance.uniform(0, 1.5))
        if process.poll() is None:
            assert run.status["state"] in ("running", "done")
            process.send_signal(signal.SIGKILL)
        process.wait()
        _every_file_can_be_read(run)
        if run.status["state"] == "done":
            break
        assert run.status["state"] == "crashed"
    if run.status["state"] != "done":
        train_run(run, examples_home)
    assert told(run) == uninterrupted
    assert not (run.folder / "resume.safetensors").exists()
    assert not list(run.folder.glob(".*"))


def _wait_until_it_trains(run: Run, process: subprocess.Popen) -> None:
    while process.poll() is None and run.status["state"] != "running":
        time.sleep(0.05)


def _every_file_can_be_read(run: Run) -> None:
    for file in run.folder.glob("[!.]*"):
        if file.suffix == ".json":
            json.loads(file.read_text())
        elif file.suffix == ".safetensors":
            with safe_open(file, framework="np") as tensors:
                assert list(tensors.keys())
    assert run.history is not None


def test_a_cancelled_training_goes_on_where_it_was(examples_home, uninterrupted, monkeypatch):
    run = prepare(SMALL, examples_home)
    ticks = iter([False] * 5 + [True])
    monkeypatch.setattr(Run, "cancel_asked", property(lambda run: next(ticks, False)))
    train_run(run, examples_home)
    assert run.status["state"] == "cancelled"
    saved = json.loads(weights.read_tensors(run.folder / checkpoint.FILE)[1])
    assert saved["batch"] > 0
    train_run(run, examples_home)
    assert told(run) == uninterrupted


def test_a_full_disk_is_said_and_what_was_saved_stays(examples_home, uninterrupted, monkeypatch):
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
    assert "Make room on the disk and go on: ecgcore runs resume" in run.status["message"]
    _every_file_can_be_read(run)
    assert not list(run.folder.glob(".*"))
    train_run(run, examples_home)
    assert told(run) == uninterrupted


@pytest.fixture
def small_disk(tmp_path):
    """Return the path of a real disk of 4 MB, in memory, which only this test sees."""
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
    with holder:  # the disk goes with this process
        if holder.stdout.readline() != "mounted\n":
            pytest.skip("needs leave to mount a disk in a namespace of its own")
        yield Path(f"/proc/{holder.pid}/root{tmp_path}")


def test_a_disk_that_is_really_full_costs_nothing_that_was_saved(examples_home, small_disk):
    workspace = Workspace(small_disk)
    workspace.cohorts.symlink_to(examples_home.cohorts)
    run = prepare(TINY, workspace)
    train_run(run, workspace, lambda run, now: run.cancel() if now["row"] else None)
    kept = [run.weights, run.folder / checkpoint.FILE]
    saved = [file.read_bytes() for file in kept]
    assert min(map(len, saved)) > 100_000
    filler = small_disk / "somebody else's"
    for left_bytes in (100_000, 0):  # for status.json, but no saved state; not even for that
        filler.write_bytes(b"x" * (workspace.free_bytes() - left_bytes))
        with pytest.raises(NotWritten, match="No space left on device") as full:
            train_run(run, workspace)
        assert run.status["state"] == "failed"
        assert run.status["message"] == str(full.value)
        assert f"Make room on the disk and go on: ecgcore runs resume {run.id}" in str(full.value)
        assert "\n" not in str(full.value)
        assert [file.read_bytes() for file in kept] == saved
        _every_file_can_be_read(run)
        filler.unlink()
    assert told(train_run(run, workspace)) == told(train(TINY, examples_home))


def test_a_row_of_the_history_that_finds_no_room_is_said(examples_home, small_disk):
    run = prepare(TINY, examples_home)
    (small_disk / "filler").write_bytes(b"x" * Workspace(small_disk).free_bytes())

    def fill(run, now):
        (run.folder / "history.jsonl").unlink()
        (run.folder / "history.jsonl").symlink_to(small_disk / "history.jsonl")

    with pytest.raises(NotWritten, match=r"^No space left on device\. What was saved before is"):
        train_run(run, examples_home, fill)
    assert run.status["state"] == "failed"


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        (lambda tensors: {"model.x": torch.zeros(3)}, {}),
        (lambda tensors: tensors | {"random.torch": torch.zeros(3)}, {}),
        (lambda tensors: tensors, "not JSON"),
        (lambda tensors: tensors, ["epoch"]),
        (lambda tensors: tensors, {"epoch": 2}),
    ],
    ids=["tensors", "random state", "no JSON", "a list", "a number lacks"],
)
def test_a_saved_state_of_another_training_is_refused(examples_home, change, numbers):
    run = prepare(replace(TINY, epochs=2), examples_home)
    train_run(run, examples_home, lambda run, now: run.cancel() if now["row"] else None)
    tensors, told = weights.read_tensors(run.folder / checkpoint.FILE)
    told = json.dumps(numbers) if numbers else told
    weights.write_tensors(run.folder / checkpoint.FILE, change(tensors), told)
    with pytest.raises(DamagedFile, match="is not of this training"):
        train_run(run, examples_home)


def test_a_saved_state_that_is_a_pickle_is_not_opened(examples_home):
    run = prepare(TINY, examples_home)
    (run.folder / checkpoint.FILE).write_bytes(pickle.dumps(TINY))
    with pytest.raises(DamagedFile, match="is no whole safetensors file"):
        train_run(run, examples_home)


def test_a_training_that_gets_no_better_stops_early(examples_home):
    config = replace(SMALL, model="alexnet_gap", epochs=12, patience=1, learning_rate=0.0)
    run = train(config, examples_home)
    assert run.status["state"] == "done"
    assert len(run.history) == 2
    assert run.status["best_epoch"] == 1


def test_a_clock_notices_a_wish_to_stop_at_each_batch(examples_home):
    run = prepare(SMALL, examples_home)
    (run.folder / "cancel").touch()

    class Under:
        epoch, step, all_steps = 1, 1, 9

    with pytest.raises(Cancelled):
        ProgressReporter(run, Under(), lambda run, status: None).tick()


def test_ctrl_c_ends_within_a_batch_and_says_how_to_go_on(examples_home):
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
    said, _ = process.communicate(timeout=60)
    [run] = [run for run in list_runs(examples_home) if run.config.epochs == 500]
    assert f"`ecgcore runs resume {run.id}` goes on" in " ".join(said.split())
    assert run.status["state"] == "cancelled"
    saved = json.loads(weights.read_tensors(run.folder / checkpoint.FILE)[1])
    assert saved["epoch"] > 2
    assert process.returncode == 0
