"""Distributed training: several workers train as one does, and a lost worker costs only time."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from multiprocessing import get_context

import numpy as np
import psutil
import pytest
import torch
from torch import distributed as dist
from torch import nn

from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotWritten, RequestError
from ecgcore.imaging import make_geometry
from ecgcore.models import create_model, list_models, model_info
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import acquire, enqueue
from ecgcore.runs.run import Cancelled, Run, list_runs
from ecgcore.training.augmenter import Augmenter
from ecgcore.training.dataloader import BatchLoader
from ecgcore.training.distributed import FORWARDED, Team
from ecgcore.training.launch import find_or_prepare_run, train_with_workers
from ecgcore.training.loss import Loss
from ecgcore.training.prepare import prepare
from ecgcore.training.trainer import train, train_run
from ecgcore.workspace import Workspace

REAL = get_context("forkserver")
REAL.set_forkserver_preload(["ecgcore.training.trainer", "torch._dynamo"])
CONFIG = TrainConfig(
    "examples",
    "alexnet_gap",
    "60",
    "multilabel",
    size=67,
    epochs=6,
    batch_size=15,
    dropout=0.0,
    optimizer="sgd",
    learning_rate=0.01,
    class_balance="weights",
    augmentation="targeted",
    ema_decay=0.5,
    grad_clip=1.0,
    label_smoothing=0.1,
    device="cpu",
    precision="float32",
)
COMMAND = (
    "train --cohort examples --model alexnet_gap --level 60 --target-mode multilabel --size 67 "
    "--epochs 6 --batch-size 15 --dropout 0 --optimizer sgd --learning-rate 0.01 "
    "--class-balance weights --augmentation targeted --ema-decay 0.5 --grad-clip 1 "
    "--label-smoothing 0.1 --device cpu --precision float32"
).split()
THREE = [Team(rank, 3) for rank in range(3)]


@pytest.fixture(scope="module")
def workspace(examples_home, tmp_path_factory) -> Workspace:
    """Return a workspace with the example cohort and an empty queue."""
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "cohorts").symlink_to(examples_home.cohorts)
    return Workspace(folder)


def test_two_workers_train_as_one_does_even_if_killed_or_cancelled_meanwhile(
    workspace, monkeypatch
):
    """One worker may resume what two began; two interrupted workers end bit by bit as two
    uninterrupted ones do (tests/cluster).

    Two workers differ by the rounding of sums: losses by 1e-7 after an epoch, by 1e-5 after six.
    No two validation records are so close that their ranks change places. AdamW would make more of
    it, as it divides each gradient by its size.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = train(CONFIG, workspace)

    killed = _killed_once(workspace)
    cancelled = prepare(CONFIG, workspace)
    train_with_workers(
        2, cancelled, workspace, lambda run, progress: run.cancel() if progress["row"] else None
    )
    assert cancelled.status["state"] == "cancelled"
    assert 0 < len(cancelled.history) < CONFIG.epochs
    train_run(cancelled, workspace)

    assert (killed.status["workers"], cancelled.status["workers"]) == (2, 1)
    for run in (killed, cancelled):
        assert run.status["state"] == "done"
        assert list(run.history["epoch"]) == [1, 2, 3, 4, 5, 6]
        assert not (run.folder / "checkpoint.safetensors").exists()
        for column in ("train_loss", "val_loss", "val_macro_auc", "val_macro_f1"):
            assert run.history[column].to_numpy() == pytest.approx(alone.history[column], abs=1e-4)
        logits = [r.predictions.filter(like="z_").to_numpy() for r in (run, alone)]
        assert np.abs(logits[0] - logits[1]).max() < 1e-3
        assert list(run.predictions["record"]) == list(alone.predictions["record"])


def _killed_once(workspace: Workspace) -> Run:
    """Train with torchrun, kill the second worker halfway, and return the run."""
    before = list_runs(workspace)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--max-restarts", "2", "-m", "ecgcore", *COMMAND]
    launcher = subprocess.Popen(
        [*command, "--home", str(workspace.path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    run = _first(lambda: [run for run in list_runs(workspace) if run not in before])
    _first(lambda: run.status.get("step"))
    workers = psutil.Process(launcher.pid).children()
    second = next(worker for worker in workers if worker.environ().get("RANK") == "1")
    second.send_signal(signal.SIGKILL)
    assert run.status["state"] == "running"  # torchrun lives and restarts both
    assert len(run.history) < CONFIG.epochs
    _, _ = launcher.communicate(timeout=600)
    assert launcher.returncode == 0
    assert [run for run in list_runs(workspace) if run not in before] == [run]
    return run


def _first(look):
    """Return the first item that ``look`` returns, or its value, as soon as there is one."""
    deadline = time.monotonic() + 600
    while not (value := look()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value[0] if isinstance(value, list) else value


@pytest.mark.parametrize("mode", ["multilabel", "exclusive"])
def test_the_parts_of_a_loss_add_up_to_that_of_the_batch(mode):
    """With unequal slices, unknown targets and class weights."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(7, 10, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.zeros(7, 10, dtype=torch.float64)
    targets[torch.arange(7), torch.arange(7) % 3] = 1
    if mode == "multilabel":
        targets[4:, 2:7] = torch.nan
    weights = torch.linspace(0.5, 5, 10, dtype=torch.float64)
    loss_function = Loss(mode, 0.1, weights)
    whole_loss = loss_function(logits, targets)
    slices = [team.slice_of(7) for team in THREE]
    assert [rows.stop - rows.start for rows in slices] == [3, 2, 2]
    parts = [loss_function(logits[rows], targets, rows) for rows in slices]
    assert sum(parts).item() == pytest.approx(whole_loss.item(), rel=1e-12)
    losses = (whole_loss, sum(parts))
    [expected], [gradient] = (torch.autograd.grad(loss, logits) for loss in losses)
    assert torch.allclose(gradient, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("augment", [None, "targeted"])
def test_the_slices_of_a_batch_add_up_to_that_batch(examples_home, augment):
    cohort = Cohort.open("examples", examples_home)
    targets = np.zeros((11, 10), np.float32)
    targets[:, 7] = targets[::2, 8] = 1
    loader = BatchLoader(
        cohort,
        np.arange(11),
        targets,
        make_geometry("stacked", 67, cohort.duration_s),
        torch.device("cpu"),
    )

    def batches(team: Team) -> list:
        augmenter = Augmenter(augment, 3) if augment else None
        return list(loader.batches(9, augmenter=augmenter, team=team))

    whole, *slices = (batches(team) for team in (Team(), *THREE))
    assert [[len(images) for images, _ in batch] for batch in slices] == [[3, 1], [3, 1], [3, 0]]
    for (images, targets), *parts in zip(whole, *slices, strict=True):
        assert torch.allclose(torch.cat([part for part, _ in parts]), images, atol=1e-5)
        assert all(torch.equal(of_all, targets) for _, of_all in parts)


@pytest.mark.parametrize("name", list_models())
def test_a_worker_without_a_record_has_gradients_of_zero(name):
    """The last batch may hold fewer records than there are workers."""
    info = model_info(name)
    side = info.fixed_size or (67, 67)
    inputs = torch.zeros(0, 12, 1000) if info.input == "signal" else torch.zeros(0, 3, *side)
    model = create_model(name).train()
    loss = Loss("multilabel")(model(inputs), torch.ones(2, 10), slice(2, 2))
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad.eq(0).all() for parameter in model.parameters())


class TwoBatchNorms(nn.Module):
    """Two BatchNorm layers, one of them frozen."""

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.trained, self.frozen = nn.BatchNorm1d(1), nn.BatchNorm1d(1).eval()
        for norm in (self.trained, self.frozen):
            norm.running_mean.fill_(mean)


def _as_one_of_two(rank: int, store: str, answers) -> None:
    """In a process of its own: call what workers do together, and send the results."""
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2, timeout=timedelta(minutes=2)
    )
    team, results = Team(rank, 2), {}
    results["value"] = team.on_rank_zero(lambda: {"pid": os.getpid(), "rank": rank})["rank"]
    results["nothing"] = team.on_rank_zero(lambda: None)
    try:
        team.on_rank_zero(_full)
    except NotWritten as error:
        results["error"] = str(error)
        results["forwarded"] = FORWARDED in getattr(error, "__notes__", ())
    tensors = {"a": torch.full((2, 3), 7.0 + rank), "n": torch.tensor(3 + rank)}
    read, text = team.broadcast_tensors(lambda: (tensors, f"by {rank}"))
    results["read"] = {name: tensor.tolist() for name, tensor in read.items()}, text
    network = TwoBatchNorms(float(rank))
    network.trained.running_var.fill_(torch.nan if rank else 2.0)  # the second had no record
    loss = team.sync_buffers(network, torch.tensor(1.0 + rank), 3 - 3 * rank)
    results["synced"] = [float(loss), *(float(b) for b in network.trained.buffers())]
    results["frozen"] = float(network.frozen.running_mean)
    team.seed_dropout(5, 9, torch.device("cpu"))
    results["random"] = float(torch.rand(()))
    answers.put((rank, results))
    dist.destroy_process_group()


def _full() -> None:
    raise NotWritten("No space left on device.")


def test_workers_receive_results_of_rank_zero_and_sync_their_buffers(tmp_path):
    answers = REAL.Queue()
    processes = [
        REAL.Process(target=_as_one_of_two, args=(rank, tmp_path / "store", answers))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    first, second = (results for _, results in sorted(answers.get(timeout=600) for _ in processes))
    for process in processes:
        process.join()
    assert (first.pop("forwarded"), second.pop("forwarded")) == (False, True)
    assert (first.pop("frozen"), second.pop("frozen")) == (0.0, 1.0)
    assert first.pop("random") != second.pop("random")
    assert first == second
    assert first["value"] == 0
    assert first["error"] == "No space left on device."
    assert first["read"] == ({"a": [[7.0] * 3] * 2, "n": 3}, "by 0")
    assert first["synced"] == [3.0, 0.0, 2.0, 0.0]


def test_a_launch_finds_its_run_again_but_no_other(workspace):
    launched = Team(launch="job 17")
    run = find_or_prepare_run(launched, CONFIG, workspace)
    assert find_or_prepare_run(launched, CONFIG, workspace) == run
    assert find_or_prepare_run(Team(launch="job 18"), CONFIG, workspace) != run
    assert find_or_prepare_run(Team(), CONFIG, workspace) != run


def test_workers_on_gpus_wait_until_each_has_one(workspace, monkeypatch):
    """The queue knows devices by name only."""
    gpus, runs = ["cuda:0", "cuda:1", "cuda:2"], [prepare(CONFIG, workspace) for _ in range(3)]
    for run in runs:
        enqueue(run, workspace, gpus)
        time.sleep(0.002)
    with acquire(runs[0], workspace, gpus, 2) as first:
        assert first == ["cuda:0", "cuda:1"]
        waited = []
        monkeypatch.setattr("ecgcore.runs.queue.time.sleep", lambda _: waited.append(runs[1]))
        monkeypatch.setattr(Run, "cancel_requested", property(lambda run: len(waited) > 2))
        with pytest.raises(Cancelled), acquire(runs[1], workspace, gpus, 2):
            pass
        assert len(waited) == 3
    monkeypatch.undo()
    with acquire(runs[2], workspace, gpus, 3) as all_three:
        assert all_three == gpus
    assert runs[2].status["devices"] == gpus


def test_more_workers_than_records_or_gpus_are_refused():
    with pytest.raises(RequestError) as few:
        Team(size=8).check_resources(6, ["cpu"])
    assert str(few.value) == (
        "A batch of 6 records leaves some of 8 workers without any; raise --batch-size or take "
        "fewer workers."
    )
    with pytest.raises(RequestError) as gpus:
        Team(size=2, local_size=2).check_resources(16, ["cuda:0"])
    assert str(gpus.value) == (
        "2 workers on this machine need a GPU each; there are 1. Take as many workers as there are "
        "GPUs, or --device cpu."
    )


def test_a_worker_of_torchrun_starts_no_others(run, monkeypatch, workspace):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "17")
    code, _, err = run(*COMMAND, "--workers", 2, "--home", workspace.path)
    assert (code, err.strip()) == (
        2,
        "torchrun has started the workers: leave --workers and --executor away.",
    )
