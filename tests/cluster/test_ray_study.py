"""A study on Ray: the same trials as from one process, even if workers are killed."""

import json
import os
import re
import shutil
import signal

import pandas as pd
import pytest
import torch
from killing import workers_of_ray

from ecgcore.executors.local import cores, limit_torch_threads
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run, list_runs
from ecgcore.studies import study
from ecgcore.studies.study import Study, train_missing, train_missing_on_ray
from ecgcore.studies.trial import TrialConfig
from ecgcore.workspace import Workspace

pytestmark = pytest.mark.cluster
EPOCHS = 16


def trials(cohort, finished):
    """Return two trials, and one that starts from a third's weights."""

    def config(seed, **more):
        return TrainConfig(
            cohort, "resnet1d", "60", depth=4, width=4, epochs=EPOCHS, seed=seed, device="cpu",
            **more
        )  # fmt: skip

    plain = [TrialConfig(f"s{seed}", config(seed)) for seed in (1, 2)]
    return [
        *plain,
        TrialConfig("from-s1", config(1, learning_rate=1e-4), TrialConfig("parent", config(1))),
    ]


STUDY = Study("tiny", "Does it keep its word?", trials, lambda finished: f"{len(finished)}\n")


def contents(folder):
    """Return the stored content of each trial, without seconds and the random ids of runs."""
    by_name = {}
    for file in (folder / "tiny" / "cells").glob("*.json"):
        content = json.loads(file.read_text())
        for row in content["history"]:
            del row["seconds"]
        notes = content["split"]["notes"]
        content["split"]["notes"] = [
            re.sub(r"from run \S+;", "from run …;", note) for note in notes
        ]
        by_name[file.stem] = content
    return by_name


def assert_same(folder, smooth):
    """Compare two folders of trials: contents exactly, predictions to 1e-6."""
    assert contents(folder) == contents(smooth)
    for file in (smooth / "tiny" / "cells").glob("*.parquet"):
        table = pd.read_parquet(folder / "tiny" / "cells" / file.name)
        pd.testing.assert_frame_equal(table, pd.read_parquet(file), atol=1e-6, rtol=0)


@pytest.fixture
def workspace(examples_home, tmp_path):
    shutil.copytree(examples_home.cohorts, tmp_path / "home" / "cohorts")
    return Workspace(tmp_path / "home")


@pytest.fixture(scope="module")
def smooth(examples_home, tmp_path_factory):
    """Return the folder of trials that this process trained one after another.

    It computes with as many threads as a trial has on Ray: sums depend on their number.
    """
    folder = tmp_path_factory.mktemp("smooth")
    threads = torch.get_num_threads()
    limit_torch_threads(cores())
    done = train_missing(STUDY, "examples", examples_home, folder, "*", lambda run, progress: None)
    limit_torch_threads(threads)
    assert [trial.name for trial in done] == ["s1", "s2", "from-s1"]
    return folder


def test_trials_are_the_same_on_ray(ray_here, workspace, smooth, tmp_path):
    counts = []
    done = train_missing_on_ray(
        STUDY, "examples", workspace, tmp_path, "*", lambda *count: counts.append(count)
    )
    assert {trial.name for trial in done} == {"s1", "s2", "from-s1"}
    assert_same(tmp_path, smooth)
    assert counts[-1] == (3, 3)
    [parent] = list_runs(workspace)  # only the parent stays: others may start from it
    assert (parent.folder / "study").read_text() == "tiny/parent"
    assert list(train_missing_on_ray(STUDY, "examples", workspace, tmp_path, "*")) == []


def test_a_worker_killed_meanwhile_changes_nothing(ray_here, workspace, smooth, tmp_path):
    killed = []

    def kill_once(done, total):
        if not killed and any(len(run.history) >= 2 for run in running(workspace)):
            [worker] = workers_of_ray()
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    request = ("examples", workspace, tmp_path, "s*")
    done = train_missing_on_ray(STUDY, *request, kill_once)
    assert sorted(trial.name for trial in done) == ["s1", "s2"]  # the killed one may come last
    assert killed
    assert all(len(content["history"]) == EPOCHS for content in contents(tmp_path).values())
    for name in ("s1", "s2"):
        assert contents(tmp_path)[name] == contents(smooth)[name]
    assert list_runs(workspace) == []
    assert not list(workspace.runs.glob("*.gone"))


def running(workspace) -> list[Run]:
    """Return the runs in the middle of their training."""
    return [run for run in list_runs(workspace) if run.status["state"] == "running"]


def test_a_trial_that_a_killed_process_had_finished_is_not_trained_again(
    workspace, smooth, tmp_path
):
    shutil.copytree(smooth / "tiny", tmp_path / "tiny")
    stored = tmp_path / "tiny" / "cells" / "s1.json"
    before = stored.stat().st_mtime_ns
    store = study._TrialStore("tiny", True, workspace, tmp_path)
    trial = trials("examples", [])[0]
    assert study._train(store, trial, None)
    assert stored.stat().st_mtime_ns == before
    assert list_runs(workspace) == []
