"""Ingest on Ray: the same files as by local processes, whichever worker is killed."""

import pytest
from killing import Killer, files_of, workers_here, workers_of_ray

from ecgcore.cohort.ingest import ingest
from ecgcore.errors import RequestError

pytestmark = pytest.mark.cluster


@pytest.fixture
def smooth(examples_home):
    """Return the files of the cohort that one process made, undisturbed."""
    return files_of(examples_home.cohorts / "examples")


def test_an_ingest_gives_the_same_files_on_ray(ray_here, examples, workspace, smooth):
    told = []
    answer = ingest(
        examples, "examples", workspace, executor="ray", on_progress=lambda *n: told.append(n)
    )
    assert files_of(workspace.cohorts / "examples") == smooth
    assert (answer.found, answer.read) == (160, 160)
    assert told[-1] == (160, 160)
    assert told == sorted(told)
    assert ray_here.is_initialized()  # it was here before and stays


@pytest.mark.parametrize("on", ["ray", "local"])
def test_a_worker_killed_meanwhile_changes_nothing(ray_here, on, examples, workspace, smooth):
    killer = Killer(workers_of_ray if on == "ray" else workers_here, after=40)
    answer = ingest(examples, "examples", workspace, workers=2, executor=on, on_progress=killer)
    assert killer.killed is not None
    assert files_of(workspace.cohorts / "examples") == smooth
    assert answer.read == 160
    assert max(killer.reports) == killer.reports[-1] == (160, 160)  # none is counted twice
    assert killer.reports == sorted(killer.reports)


def test_an_interrupted_ingest_goes_on_from_what_is_whole(
    ray_here, examples, workspace, smooth, monkeypatch
):
    class Stopped(Exception):
        """As if its terminal had been closed."""

    def stop(done, total):
        if list((workspace.cohorts / "examples" / "shards").glob("[0-9]*")):
            raise Stopped

    with pytest.raises(Stopped):
        ingest(examples, "examples", workspace, workers=2, executor="ray", on_progress=stop)
    folder = workspace.cohorts / "examples" / "shards"
    whole = {f: f.stat().st_ino for f in folder.glob("[0-9]*/signals.npy")}
    assert 1 <= len(whole) < 4
    ingest(examples, "examples", workspace, executor="ray")
    assert {f: f.stat().st_ino for f in whole} == whole  # not written again
    assert files_of(workspace.cohorts / "examples") == smooth


def test_what_cannot_be_is_one_line(ray_here, workspace, tmp_path):
    with pytest.raises(
        RequestError, match=r"cannot run on 'spark': local, ray and ray://HOST:PORT"
    ):
        ingest(tmp_path, "c", workspace, executor="spark")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="No ECG was found in"):
        ingest(tmp_path / "empty", "c", workspace, executor="ray")
