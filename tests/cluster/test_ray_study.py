"""A study on Ray: the cells that one process would have trained, whoever is killed meanwhile."""

import json
import os
import re
import shutil
import signal

import pandas as pd
import pytest
from killing import workers_of_ray

from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run, list_runs
from ecgcore.studies import study
from ecgcore.studies.study import Study, train_missing, train_missing_on_ray
from ecgcore.studies.trial import Cell
from ecgcore.workspace import Workspace

pytestmark = pytest.mark.cluster
EPOCHS = 16


def cells(cohort, finished):
    """Return two cells, and one that starts from a third's weights."""

    def config(seed, **more):
        return TrainConfig(
            cohort, "resnet1d", "60", depth=4, width=4, epochs=EPOCHS, seed=seed, device="cpu",
            **more
        )  # fmt: skip

    plain = [Cell(f"s{seed}", config(seed)) for seed in (1, 2)]
    return [*plain, Cell("from-s1", config(1, learning_rate=1e-4), Cell("parent", config(1)))]


STUDY = Study("tiny", "Does it keep its word?", cells, lambda finished: f"{len(finished)}\n")


def contents(folder):
    """Return what is kept of each cell, without seconds and the random ids of runs."""
    kept = {}
    for file in (folder / "tiny" / "cells").glob("*.json"):
        told = json.loads(file.read_text())
        for row in told["history"]:
            del row["seconds"]
        notes = told["split"]["notes"]
        told["split"]["notes"] = [re.sub(r"from run \S+;", "from run …;", note) for note in notes]
        kept[file.stem] = told
    return kept


def assert_same(folder, smooth):
    """Two folders of cells tell the same: what is told exactly, predictions to 1e-6."""
    assert contents(folder) == contents(smooth)
    for file in (smooth / "tiny" / "cells").glob("*.parquet"):
        there = pd.read_parquet(folder / "tiny" / "cells" / file.name)
        pd.testing.assert_frame_equal(there, pd.read_parquet(file), atol=1e-6, rtol=0)


@pytest.fixture
def workspace(examples_home, tmp_path):
    shutil.copytree(examples_home.cohorts, tmp_path / "home" / "cohorts")
    return Workspace(tmp_path / "home")


@pytest.fixture(scope="module")
def smooth(examples_home, tmp_path_factory):
    """Return the folder of cells that this process trained, one after another, undisturbed."""
    folder = tmp_path_factory.mktemp("smooth")
    done = train_missing(STUDY, "examples", examples_home, folder, "*", lambda run, now: None)
    assert [cell.name for cell in done] == ["s1", "s2", "from-s1"]
    return folder


def test_cells_are_the_same_on_ray(ray_here, workspace, smooth, tmp_path):
    told = []
    done = train_missing_on_ray(
        STUDY, "examples", workspace, tmp_path, "*", lambda *now: told.append(now)
    )
    assert {cell.name for cell in done} == {"s1", "s2", "from-s1"}
    assert_same(tmp_path, smooth)
    assert told[-1] == (3, 3)
    [parent] = list_runs(workspace)  # alone is left: others may start from it
    assert (parent.folder / "study").read_text() == "tiny/parent"
    assert list(train_missing_on_ray(STUDY, "examples", workspace, tmp_path, "*")) == []


def test_a_worker_killed_meanwhile_changes_nothing(ray_here, workspace, smooth, tmp_path):
    killed = []

    def kill_once(done, asked):
        if not killed and any(len(run.history) >= 2 for run in running(workspace)):
            [worker] = workers_of_ray()
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    asked = ("examples", workspace, tmp_path, "s*")
    done = train_missing_on_ray(STUDY, *asked, kill_once)
    assert sorted(cell.name for cell in done) == ["s1", "s2"]  # the killed one may come last
    assert killed
    assert all(len(told["history"]) == EPOCHS for told in contents(tmp_path).values())
    for name in ("s1", "s2"):
        assert contents(tmp_path)[name] == contents(smooth)[name]
    assert list_runs(workspace) == []
    assert not list(workspace.runs.glob("*.gone"))


def running(workspace) -> list[Run]:
    """Return the runs in the middle of their training."""
    return [run for run in list_runs(workspace) if run.status["state"] == "running"]


def test_what_a_killed_process_had_finished_is_not_trained_again(workspace, smooth, tmp_path):
    shutil.copytree(smooth / "tiny", tmp_path / "tiny")
    kept = tmp_path / "tiny" / "cells" / "s1.json"
    before = kept.stat().st_mtime_ns
    shelf = study._Shelf("tiny", True, workspace, tmp_path)
    cell = cells("examples", [])[0]
    assert study._train(shelf, cell, None)
    assert kept.stat().st_mtime_ns == before
    assert list_runs(workspace) == []
