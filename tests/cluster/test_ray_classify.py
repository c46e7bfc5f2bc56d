"""Parallel batch classification: the same parts with every executor, and if a worker is killed."""

import pytest
from killing import Killer, files_of, workers_here, workers_of_ray

from ecgcore.cohort.store import Cohort
from ecgcore.inference.batch import classify_cohort_to, classify_files_to

pytestmark = pytest.mark.cluster
RUN = "alexnet_gap"


@pytest.fixture(scope="module")
def undisturbed(examples, examples_home, tmp_path_factory):
    """Return the files that two processes of this machine make, undisturbed."""
    to = tmp_path_factory.mktemp("undisturbed")
    classify_files_to(to, [examples], RUN, examples_home, workers=2)
    return files_of(to)


def test_ray_writes_the_same_parts(ray_here, examples, examples_home, undisturbed, tmp_path):
    answer = classify_files_to(tmp_path, [examples], RUN, examples_home, executor="ray")
    assert (answer["records"], answer["answered"], answer["parts"]) == (160, 160, 4)
    assert files_of(tmp_path) == undisturbed
    again = classify_files_to(tmp_path, [examples], RUN, examples_home, executor="ray")
    assert again["kept"] == 4
    assert files_of(tmp_path) == undisturbed


def test_a_cohort_is_classified_alike(ray_here, examples_home, tmp_path):
    cohort = Cohort.open("examples", examples_home)
    files = {}
    for executor in ("local", "ray"):
        classify_cohort_to(
            tmp_path / executor, cohort, RUN, examples_home, workers=2, executor=executor
        )
        files[executor] = files_of(tmp_path / executor)
    assert len(files["ray"]) == len(cohort.meta["shards"]) + 2  # the summary and the lock
    assert files["ray"] == files["local"]


@pytest.mark.parametrize("executor", ["ray", "local"])
def test_a_worker_killed_meanwhile_changes_nothing(
    ray_here, executor, examples, examples_home, undisturbed, tmp_path
):
    killer = Killer(workers_of_ray if executor == "ray" else workers_here, after=32)
    answer = classify_files_to(
        tmp_path, [examples], RUN, examples_home, workers=2, executor=executor, on_progress=killer
    )
    assert killer.killed is not None
    assert answer["records"] == 160
    assert files_of(tmp_path) == undisturbed
    assert killer.reports[-1] == (160, 160)
    assert killer.reports == sorted(killer.reports)
