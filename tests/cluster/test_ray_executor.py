"""Ray executor: it keeps the contract of the local executor."""

import secrets

import pytest

from ecgcore.errors import EcgError, UnreadableRecord
from ecgcore.executors import ray_cluster
from ecgcore.executors.select import open_executor

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def jobs(ray_here, request, monkeypatch):
    """Return the module of jobs, which workers find as they find ecgcore."""
    from importlib import import_module

    monkeypatch.syspath_prepend(request.config.rootpath / "tests" / "support")
    found = import_module("executor_jobs")
    ray_here.cloudpickle.register_pickle_by_value(found)
    yield found
    ray_here.cloudpickle.unregister_pickle_by_value(found)


def run(work, folder, n=8, **more):
    """Return results in order, and how many records were told done and refused at last."""
    done, refused = [], []
    given = [(number, folder) for number in range(n)]
    results = ray_cluster.run_all(work, given, 2, done.append, on_refused=refused.append, **more)
    assert done == sorted(done)
    return sorted(results), done[-1], refused[-1]


def test_all_jobs_are_done_and_their_records_counted(jobs, tmp_path):
    assert run(jobs.square, tmp_path) == ([n**2 for n in range(8)], 24, 8)
    assert all((tmp_path / f"begun-{n}").read_text() == "x" for n in range(8))


def test_a_killed_task_is_restarted(jobs, tmp_path):
    assert run(jobs.dies_once, tmp_path) == ([n**2 for n in range(8)], 24, 8)
    assert (tmp_path / "died").exists()


def test_a_job_that_kills_every_process_ends_in_a_one_line_error(jobs, tmp_path):
    with pytest.raises(EcgError, match=r"ended from outside .* again and again.*\(Ray: .*\)$"):
        run(jobs.dies_always, tmp_path, n=3)


def test_the_error_of_a_job_is_raised_unchanged(jobs, tmp_path):
    with pytest.raises(UnreadableRecord, match=r"^Record \d has 8 leads\.$"):
        run(jobs.refuses, tmp_path)


def test_the_folder_must_be_one_that_all_machines_see(jobs, tmp_path, monkeypatch):
    assert run(jobs.square, tmp_path, n=1, shared_folder=tmp_path / "new")[1] == 3
    assert list((tmp_path / "new").iterdir()) == []  # the mark is gone
    monkeypatch.setattr(ray_cluster.Path, "touch", lambda self: None)  # as on a disk of its own
    with pytest.raises(EcgError, match=r"does not see .*new: give a folder that all share"):
        run(jobs.square, tmp_path, n=1, shared_folder=tmp_path / "new")


def test_another_version_is_refused(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_cluster, "__version__", "99.0")
    with pytest.raises(EcgError, match=r"has ecgcore \d+\.\d+\.\d+; install 99.0 there as here"):
        run(jobs.square, tmp_path, n=1)


def test_a_training_has_a_machine_for_itself(ray_here):
    resources = ray_cluster.training_resources(on_gpu=False)
    assert resources.cpus == ray_here.cluster_resources()["CPU"]
    assert ray_cluster.task_slots(resources) == 1


def test_a_cluster_that_is_not_there_is_one_line(ray_here, monkeypatch):
    import ray

    def refuse(**how):
        raise ConnectionError(f"nobody at {how['address']}\nand more")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with (
        pytest.raises(EcgError, match=r"at ray://h:1 does not answer \(nobody at ray://h:1\)"),
        open_executor("ray://h:1"),
    ):
        secrets.token_hex()
