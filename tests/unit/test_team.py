"""A team: several workers train as one does, and a lost worker costs nothing but time."""

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
from ecgcore.imaging import geometry
from ecgcore.models import create_model, list_models, model_info
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import acquire_all, enqueue
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
REAL.set_forkserver_preload(["ecgcore.training.trainer"])
ASKED = TrainConfig(
    "examples",
    "alexnet_gap",
    "60",
    "multilabel",
    size=67,
    epochs=6,
    batch_size=15,
    dropout=0.0,
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
    "--epochs 6 --batch-size 15 --dropout 0 --class-balance weights --augmentation targeted "
    "--ema-decay 0.5 --grad-clip 1 --label-smoothing 0.1 --device cpu --precision float32"
).split()
THREE = [Team(rank, 3) for rank in range(3)]


@pytest.fixture(scope="module")
def workspace(examples_home, tmp_path_factory) -> Workspace:
    """Return a home of its own with the example cohort: nobody else is in its queue."""
    place = tmp_path_factory.mktemp("team")
    (place / "cohorts").symlink_to(examples_home.cohorts)
    return Workspace(place)


def test_two_workers_train_as_one_does_though_killed_or_cancelled_on_the_way(
    workspace, monkeypatch
):
    """What two begin, one may go on with; two who are interrupted end to the bit as two who are
    not (tests/cluster)."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = train(ASKED, workspace)

    killed = _killed_once(workspace)
    cancelled = prepare(ASKED, workspace)
    train_with_workers(
        2, cancelled, workspace, lambda run, now: run.cancel() if now["row"] else None
    )
    assert cancelled.status["state"] == "cancelled"
    assert 0 < len(cancelled.history) < ASKED.epochs
    train_run(cancelled, workspace)

    assert (killed.status["workers"], cancelled.status["workers"]) == (2, 1)
    for run in (killed, cancelled):
        assert run.status["state"] == "done"
        assert list(run.history["epoch"]) == [1, 2, 3, 4, 5, 6]
        assert not (run.folder / "resume.safetensors").exists()
        for column in ("train_loss", "val_loss", "val_macro_auc", "val_macro_f1"):
            assert run.history[column].to_numpy() == pytest.approx(alone.history[column], abs=1e-3)
        logits = [r.predictions.filter(like="z_").to_numpy() for r in (run, alone)]
        assert np.abs(logits[0] - logits[1]).max() < 1e-3
        assert list(run.predictions["record"]) == list(alone.predictions["record"])


def _killed_once(workspace: Workspace) -> Run:
    """Train as a cluster's user does, kill the second worker in the middle, return the run."""
    before = list_runs(workspace)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--max-restarts", "2", "-m", "ecgcore", *COMMAND]
    keeper = subprocess.Popen(
        [*command, "--home", str(workspace.path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    run = _first(lambda: [run for run in list_runs(workspace) if run not in before])
    _first(lambda: run.status.get("step"))
    at_work = psutil.Process(keeper.pid).children()
    second = next(one for one in at_work if one.environ().get("RANK") == "1")
    second.send_signal(signal.SIGKILL)
    assert run.status["state"] == "running"  # torchrun lives, and starts both again
    assert len(run.history) < ASKED.epochs
    _, _ = keeper.communicate(timeout=120)
    assert keeper.returncode == 0
    assert [run for run in list_runs(workspace) if run not in before] == [run]
    return run


def _first(look):
    """Return what is found, as soon as something is."""
    deadline = time.monotonic() + 120
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found[0] if isinstance(found, list) else found


@pytest.mark.parametrize("mode", ["multilabel", "exclusive"])
def test_the_parts_of_a_loss_add_up_to_that_of_the_batch(mode):
    """With unequal shares, targets that are not known and classes that weigh more."""
    chance = torch.Generator().manual_seed(1)
    logits = torch.randn(7, 10, generator=chance, dtype=torch.float64, requires_grad=True)
    targets = torch.zeros(7, 10, dtype=torch.float64)
    targets[torch.arange(7), torch.arange(7) % 3] = 1
    if mode == "multilabel":
        targets[4:, 2:7] = torch.nan
    weights = torch.linspace(0.5, 5, 10, dtype=torch.float64)
    objective = Loss(mode, 0.1, weights)
    whole = objective(logits, targets)
    shares = [team.share(7) for team in THREE]
    assert [share.stop - share.start for share in shares] == [3, 2, 2]
    parts = [objective(logits[share], targets, share) for share in shares]
    assert sum(parts).item() == pytest.approx(whole.item(), rel=1e-12)
    [expected], [found] = (torch.autograd.grad(loss, logits) for loss in (whole, sum(parts)))
    assert torch.allclose(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("augment", [None, "targeted"])
def test_the_shares_of_a_batch_are_that_batch(examples_home, augment):
    cohort = Cohort.open("examples", examples_home)
    targets = np.zeros((11, 10), np.float32)
    targets[:, 7] = targets[::2, 8] = 1
    feed = BatchLoader(
        cohort,
        np.arange(11),
        targets,
        geometry("stacked", 67, cohort.duration_s),
        torch.device("cpu"),
    )

    def batches(team: Team) -> list:
        augmenter = Augmenter(augment, 3) if augment else None
        return list(feed.batches(9, augmented_by=augmenter, team=team))

    whole, *shares = (batches(team) for team in (Team(), *THREE))
    assert [[len(images) for images, _ in share] for share in shares] == [[3, 1], [3, 1], [3, 0]]
    for (images, asked), *parts in zip(whole, *shares, strict=True):
        assert torch.allclose(torch.cat([part for part, _ in parts]), images, atol=1e-5)
        assert all(torch.equal(told, asked) for _, told in parts)


@pytest.mark.parametrize("name", list_models())
def test_a_worker_without_a_record_has_gradients_of_zero(name):
    """The last batch may have fewer records than there are workers."""
    info = model_info(name)
    side = info.fixed_size or (67, 67)
    inputs = torch.zeros(0, 12, 1000) if info.input == "signal" else torch.zeros(0, 3, *side)
    model = create_model(name).train()
    loss = Loss("multilabel")(model(inputs), torch.ones(2, 10), slice(2, 2))
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad.eq(0).all() for parameter in model.parameters())


class Measuring(nn.Module):
    """Two BatchNorms, one of them frozen."""

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.learns, self.frozen = nn.BatchNorm1d(1), nn.BatchNorm1d(1).eval()
        for norm in (self.learns, self.frozen):
            norm.running_mean.fill_(mean)


def _as_one_of_two(rank: int, store: str, answers) -> None:
    """In a process of its own: do what members do together, and tell what came of it."""
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2, timeout=timedelta(minutes=2)
    )
    team, found = Team(rank, 2), {}
    found["value"] = team.on_rank_zero(lambda: {"said by": os.getpid(), "rank": rank})["rank"]
    found["nothing"] = team.on_rank_zero(lambda: None)
    try:
        team.on_rank_zero(_full)
    except NotWritten as error:
        found["error"] = str(error)
        found["heard"] = FORWARDED in getattr(error, "__notes__", ())
    tensors = {"a": torch.full((2, 3), 7.0 + rank), "n": torch.tensor(3 + rank)}
    read, text = team.broadcast_tensors(lambda: (tensors, f"by {rank}"))
    found["read"] = {name: tensor.tolist() for name, tensor in read.items()}, text
    network = Measuring(float(rank))
    network.learns.running_var.fill_(torch.nan if rank else 2.0)  # the second had no record
    loss = team.sync_buffers(network, torch.tensor(1.0 + rank), 3 - 3 * rank)
    found["settled"] = [float(loss), *(float(b) for b in network.learns.buffers())]
    found["frozen"] = float(network.frozen.running_mean)
    team.seed_dropout(5, 9, torch.device("cpu"))
    found["drawn"] = float(torch.rand(()))
    answers.put((rank, found))
    dist.destroy_process_group()


def _full() -> None:
    raise NotWritten("No space left on device.")


def test_members_hear_from_the_first_and_settle_what_they_measured(tmp_path):
    answers = REAL.Queue()
    processes = [
        REAL.Process(target=_as_one_of_two, args=(rank, tmp_path / "store", answers))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    first, second = (found for _, found in sorted(answers.get(timeout=120) for _ in processes))
    for process in processes:
        process.join()
    assert (first.pop("heard"), second.pop("heard")) == (False, True)
    assert (first.pop("frozen"), second.pop("frozen")) == (0.0, 1.0)
    assert first.pop("drawn") != second.pop("drawn")
    assert first == second
    assert first["value"] == 0
    assert first["error"] == "No space left on device."
    assert first["read"] == ({"a": [[7.0] * 3] * 2, "n": 3}, "by 0")
    assert first["settled"] == [3.0, 0.0, 2.0, 0.0]


def test_a_launch_finds_its_run_again_but_no_other(workspace):
    launched = Team(launch="job 17")
    run = find_or_prepare_run(launched, ASKED, workspace)
    assert find_or_prepare_run(launched, ASKED, workspace) == run
    assert find_or_prepare_run(Team(launch="job 18"), ASKED, workspace) != run
    assert find_or_prepare_run(Team(), ASKED, workspace) != run


def test_a_team_on_gpus_waits_until_it_has_one_each(workspace, monkeypatch):
    """What the queue knows of a device is its name."""
    gpus, runs = ["cuda:0", "cuda:1", "cuda:2"], [prepare(ASKED, workspace) for _ in range(3)]
    for run in runs:
        enqueue(run, workspace, gpus)
        time.sleep(0.002)
    with acquire_all(runs[0], workspace, gpus, 2) as first:
        assert first == ["cuda:0", "cuda:1"]
        waited = []
        monkeypatch.setattr("ecgcore.runs.queue.time.sleep", lambda _: waited.append(runs[1]))
        monkeypatch.setattr(Run, "cancel_asked", property(lambda run: len(waited) > 2))
        with pytest.raises(Cancelled), acquire_all(runs[1], workspace, gpus, 2):
            pass
        assert len(waited) == 3
    monkeypatch.undo()
    with acquire_all(runs[2], workspace, gpus, 3) as all_three:
        assert all_three == gpus
    assert runs[2].status["devices"] == gpus


def test_more_workers_than_records_or_gpus_are_refused():
    with pytest.raises(RequestError) as few:
        Team(size=8).check(6, ["cpu"])
    assert str(few.value) == (
        "A batch of 6 records leaves some of 8 workers without any; raise --batch-size or take "
        "fewer workers."
    )
    with pytest.raises(RequestError) as gpus:
        Team(size=2, local_size=2).check(16, ["cuda:0"])
    assert str(gpus.value) == (
        "2 workers on this machine want a GPU each; there are 1. Take as many workers as there are "
        "GPUs, or --device cpu."
    )


def test_a_worker_of_torchrun_starts_no_others(run, monkeypatch, workspace):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "17")
    code, _, said = run(*COMMAND, "--workers", 2, "--home", workspace.path)
    assert (code, said.strip()) == (
        2,
        "torchrun has started the workers: leave --workers and --executor away.",
    )
