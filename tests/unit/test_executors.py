"""Executors: results, counts, and the effect of a killed process."""

import subprocess
import sys
from functools import partial

import pytest
from executor_jobs import dies_always, dies_once, refuses, square

from ecgcore.errors import EcgError, RequestError, UnreadableRecord
from ecgcore.executors import local, select


def run(work, folder, n=8, workers=2):
    """Return results in order, what was told of records done, and of records refused."""
    done, refused = [], []
    jobs = ((number, folder) for number in range(n))
    results = local.run_all(work, jobs, workers, done.append, on_refused=refused.append)
    return sorted(results), done, refused


@pytest.mark.parametrize("workers", [1, 2])
def test_all_jobs_are_done_and_their_records_counted(tmp_path, workers):
    results, done, refused = run(square, tmp_path, workers=workers)
    assert results == [number**2 for number in range(8)]
    assert (done[-1], refused[-1]) == (24, 8)
    assert (done, refused) == (sorted(done), sorted(refused))
    assert all((tmp_path / f"begun-{n}").read_text() == "x" for n in range(8))


def test_a_killed_process_loses_nothing_and_nothing_counts_twice(tmp_path):
    results, done, refused = run(dies_once, tmp_path)
    assert (tmp_path / "died").exists()
    assert results == [number**2 for number in range(8)]
    assert (done[-1], refused[-1]) == (24, 8)
    assert done == sorted(done)


def test_a_job_that_kills_every_process_ends_in_a_one_line_error(tmp_path):
    with pytest.raises(EcgError, match=r"ended from outside .* again and again"):
        run(dies_always, tmp_path, n=3)


def test_the_error_of_a_job_is_raised_unchanged(tmp_path):
    with pytest.raises(UnreadableRecord, match=r"Record \d has 8 leads\."):
        run(refuses, tmp_path)


def test_jobs_are_consumed_only_as_workers_become_free(tmp_path):
    started = []

    def jobs():
        for number in range(40):
            started.append(number)
            yield number, tmp_path

    counts = []
    local.run_all(square, jobs(), 2, lambda done: counts.append((len(started), done)))
    assert all(n_asked <= done // 3 + 2 * 2 + 1 for n_asked, done in counts)
    assert len(started) == 40


def in_order(work, folder, n, jobs=None):
    """Return the results of ``run_in_order`` with two processes."""
    jobs = ((number, folder) for number in range(n)) if jobs is None else jobs
    return local.run_in_order(partial(work, on_record=bool), jobs, 2)


@pytest.mark.parametrize("work", [square, dies_once])
def test_results_stream_in_the_order_of_the_jobs_even_if_a_process_is_killed(tmp_path, work):
    assert list(in_order(work, tmp_path, 12)) == [number**2 for number in range(12)]


def test_streaming_jobs_are_consumed_only_a_little_ahead_of_the_results(tmp_path):
    started = []

    def jobs():
        for number in range(40):
            started.append(number)
            yield number, tmp_path

    results = in_order(square, tmp_path, 40, jobs())
    assert next(results) == 0
    assert len(started) == 5
    results.close()


def test_streaming_ends_in_a_one_line_error_if_every_process_is_killed(tmp_path):
    results = in_order(dies_always, tmp_path, 3)
    with pytest.raises(EcgError, match=r"ended from outside .* again and again"):
        list(results)


@pytest.mark.parametrize("name", ["spark", "ray:", "ray://host", "Local"])
def test_unknown_executors_are_refused(name):
    with pytest.raises(RequestError, match=r"local, ray and ray://HOST:PORT are accepted"):
        select.check_executor(name)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(select, "find_spec", lambda name: None)
    with pytest.raises(
        RequestError, match=r"--executor ray needs the extra: pip install 'ecgcore\[cl"
    ):
        select.check_executor("ray")
    select.check_executor("local")


def test_ray_is_the_cluster_of_the_environment_or_one_started_here(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert select.ray_address("ray") is None
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert select.ray_address("ray") == "head:6379"
    assert select.ray_address("ray://other:10001") == "ray://other:10001"


def test_importing_the_ray_executor_does_not_import_ray():
    code = "import ecgcore.executors.ray_cluster, sys; print('ray' in sys.modules)"
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == "False"
