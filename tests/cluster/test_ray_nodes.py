"""The command line on a cluster of several machines that is there already; one of them is lost."""

import json
import os
import socket
import subprocess
import sys

import pytest
from killing import files_of

pytestmark = [
    pytest.mark.cluster,
    # Ray's own Cluster leaves the logs of its head open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def nodes():
    """Return a cluster of three nodes, its head without a processor, and its client's port."""
    utils = pytest.importorskip("ray.cluster_utils", reason="needs the extra 'cluster'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small = {"object_store_memory": 80_000_000, "include_dashboard": False}
    cluster = utils.Cluster(
        initialize_head=True,
        head_node_args=small | {"num_cpus": 0, "ray_client_server_port": port},
    )
    workers = [cluster.add_node(num_cpus=1, object_store_memory=80_000_000) for _ in range(2)]
    yield cluster, workers, port
    cluster.shutdown()


def command(cluster, *words):
    """Return a running command of ours that is told of the cluster."""
    return subprocess.Popen(
        [sys.executable, "-m", "ecgcore", *map(str, words), "--json"],
        env=os.environ | {"RAY_ADDRESS": cluster.address},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(running):
    """Return what a command answered."""
    out, err = running.communicate(timeout=500)
    assert running.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def test_classify_as_a_client_of_the_cluster(nodes, examples, workspace, tmp_path):
    cluster, _, port = nodes
    asked = ("classify", examples, "--run", "alexnet_gap", "--home", workspace.path, "--to")
    far = ended(command(cluster, *asked, tmp_path / "far", "--executor", f"ray://127.0.0.1:{port}"))
    here = ended(command(cluster, *asked, tmp_path / "here", "--workers", 2))
    assert (far["records"], far["answered"]) == (160, 160)
    assert far["top"] == here["top"]
    assert files_of(tmp_path / "far") == files_of(tmp_path / "here")


def test_a_machine_that_is_lost_in_the_middle_changes_nothing(
    nodes,
    examples,
    workspace,
    examples_home,
):
    cluster, workers, _ = nodes
    folder = workspace.cohorts / "examples"
    asked = (
        "ingest",
        examples,
        "--cohort",
        "examples",
        "--home",
        workspace.path,
        "--executor",
        "ray",
    )
    running = command(cluster, *asked)
    while not any(file.read_bytes().count(b"\n") > 5 for file in folder.glob("private/.*.jsonl")):
        assert running.poll() is None, running.communicate()
    cluster.remove_node(workers[0], allow_graceful=False)
    answer = ended(running)
    assert answer["read"] == 160
    assert files_of(folder) == files_of(examples_home.cohorts / "examples")
