"""A cohort on a real S3 server of this machine: pushed, trained on, classified from there."""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from ecgcore.cohort.remote import CACHE
from ecgcore.cohort.remote_push import push
from ecgcore.cohort.store import Cohort
from ecgcore.errors import EcgError, NotFound
from ecgcore.workspace import Workspace

pytestmark = pytest.mark.cluster
pytest.importorskip("s3fs", reason="needs the extra 'cluster'")
pytest.importorskip("moto", reason="needs moto[server] (requirements-dev.txt)")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _answers(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server():
    """Return the process of an S3 server with an empty bucket ``ecg``."""
    import boto3

    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    settings = {
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        for _ in range(240):
            if _answers(port):
                break
            assert process.poll() is None, "the S3 server ended at once"
            time.sleep(0.5)
        boto3.client("s3").create_bucket(Bucket="ecg")
        yield process
    finally:
        process.kill()
        process.wait()
        os.environ.clear()
        os.environ.update(before)


def test_a_cohort_in_a_bucket_is_read_lazily_and_pushed_by_differences(
    server, examples_home, tmp_path
):
    own, workspace = Cohort.open("examples", examples_home), Workspace(tmp_path)
    with pytest.raises(NotFound, match="No cohort is at s3://ecg/examples"):
        Cohort.open("s3://ecg/examples", workspace)
    first = push("examples", "s3://ecg/examples", examples_home)
    assert first.sent == first.files
    assert push("examples", "s3://ecg/examples", examples_home).sent == 0
    far = Cohort.open("s3://ecg/examples", workspace)
    np.testing.assert_array_equal(far.signals([159]), own.signals([159]))
    assert len(list((workspace.path / CACHE).rglob("signals.npy"))) == 1
    assert far.index.equals(own.index)


def test_a_command_of_its_own_trains_and_classifies_from_a_bucket(server, examples_home, tmp_path):
    push("examples", "s3://ecg/trained", examples_home)
    net = ["--model", "resnet1d", "--depth", "4", "--width", "4", "--kernel", "3"]
    _ecgcore(
        "train", "--cohort", "s3://ecg/trained", *net, "--level", "all", "--epochs", "1",
        "--home", tmp_path,
    )  # fmt: skip
    [run] = (tmp_path / "runs").glob("*resnet1d*")
    parts = tmp_path / "answers"
    _ecgcore(
        "classify", "--cohort", "s3://ecg/trained", "--run", run.name, "--to", parts,
        "--workers", "2", "--home", tmp_path,
    )  # fmt: skip
    import pyarrow.parquet as pq

    answered = pq.read_table(parts / "parts")["record"].to_pylist()
    assert answered == Cohort.open("examples", examples_home).index["record"].tolist()


def test_a_server_that_is_gone_is_one_line(server, examples_home, tmp_path):
    import s3fs

    push("examples", "s3://ecg/gone", examples_home)
    far = Cohort.open("s3://ecg/gone", Workspace(tmp_path))
    server.send_signal(signal.SIGKILL)
    server.wait()
    s3fs.S3FileSystem.clear_instance_cache()
    for ask in (
        lambda: Cohort.open("s3://ecg/gone", Workspace(tmp_path)),
        lambda: far.signals([0]),
    ):
        with pytest.raises(EcgError, match="cannot be reached") as told:
            ask()
        assert "\n" not in str(told.value)


def _ecgcore(*words) -> None:
    """Run a command in a process of its own; show what it says where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "ecgcore", *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
