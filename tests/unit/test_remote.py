"""Remote cohorts: what is uploaded, what is downloaded when, and the error messages."""

import json
import shutil

import fsspec
import numpy as np
import pytest
from recordings import limb_consistent_uv, write_wfdb

from ecgcore.cohort.exclusions import exclusion_counts
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.listing import Filters, Listing, class_counts_of
from ecgcore.cohort.measure_job import ensure_measured
from ecgcore.cohort.remote import CACHE, LIMIT_VARIABLE
from ecgcore.cohort.remote_push import push
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import build_split
from ecgcore.errors import EcgError, NotFound, RequestError
from ecgcore.runs.config import TrainConfig
from ecgcore.training.prepare import prepare
from ecgcore.workspace import Workspace


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path) -> str:
    """Return an empty place."""
    if request.param == "file":
        return f"file://{tmp_path / 'there'}"
    files = fsspec.filesystem("memory")
    if files.exists("/there"):
        files.rm("/there", recursive=True)
    return "memory://there"


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Return the home of somebody who reads."""
    return Workspace(tmp_path / "reader")


def files_at(url: str) -> dict[str, bytes]:
    files, path = fsspec.core.url_to_fs(url)
    start = len(path.rstrip("/")) + 1
    return {name[start:]: files.cat_file(name) for name in files.find(path)}


def fetched(workspace: Workspace) -> set[str]:
    """Return the names of the files that are in a home's cache."""
    return {file.name for file in (workspace.path / CACHE).rglob("*") if file.is_file()}


def test_a_cohort_elsewhere_reads_as_at_home_and_only_what_is_needed_travels(
    examples_home, workspace, url
):
    local = Cohort.open("examples", examples_home)
    result = push("examples", url, examples_home)
    assert result.sent == result.files == len(files_at(url)) - 1
    far = Cohort.open(url, workspace)
    assert (far.name, far.location, far.hash, len(far)) == ("examples", url, local.hash, 160)
    assert fetched(workspace) == {"cohort.json"}
    assert class_counts_of(far) == class_counts_of(local)
    quality = Filters(quality=("baseline",))
    assert (
        Listing(far).select_rows(quality).tolist() == Listing(local).select_rows(quality).tolist()
    )
    assert fetched(workspace) == {"cohort.json", "columns.arrow"}
    np.testing.assert_array_equal(far.signals([3, 1]), local.signals([3, 1]))
    assert len(list((workspace.path / CACHE).rglob("signals.npy"))) == 1
    assert far.index.equals(local.index)
    assert far.measures.equals(local.measures)
    assert exclusion_counts(far) == exclusion_counts(local)
    assert (
        build_split(far, "all", "multilabel").hash == build_split(local, "all", "multilabel").hash
    )
    np.testing.assert_array_equal(far.signals(range(160)), local.signals(range(160)))


def test_only_what_is_new_is_sent_and_what_is_gone_goes(examples_home, workspace, url, tmp_path):
    mine = Workspace(tmp_path / "maker")
    shutil.copytree(examples_home.path, mine.path, ignore=shutil.ignore_patterns("runs"))
    push("examples", url, mine)
    assert push("examples", url, mine).sent == 0
    write_wfdb(tmp_path / "more", "one", limb_consistent_uv(), fs_hz=100)
    ingest(tmp_path / "more", "examples", mine)
    opened_before = Cohort.open(url, workspace)
    result = push("examples", url, mine)
    assert result.sent == 4  # the new shard's three files, and the columns
    assert len(opened_before.index) == 160
    assert len(Cohort.open(url, workspace).index) == 161
    gone = next(shard for shard in Cohort.open("examples", mine).meta["shards"])
    shutil.rmtree(tmp_path / "more")
    (tmp_path / "more").mkdir()
    ingest(tmp_path / "more", "examples", mine)
    push("examples", url, mine)
    assert len(Cohort.open(url, workspace)) == 160
    there = {name.split("/")[1] for name in files_at(url) if name.startswith("shards/")}
    assert there == set(Cohort.open("examples", mine).meta["shards"])
    assert gone in there


def test_neither_file_names_nor_the_key_travel(examples_home, url):
    push("examples", url, examples_home)
    files = files_at(url)
    assert not [name for name in files if "private" in name or "key" in name]
    key = (examples_home.path / "patient.key").read_bytes()
    for content in files.values():
        assert b"records100" not in content
        assert key not in content


def test_cohort_json_is_written_last(examples_home, tmp_path, monkeypatch):
    from ecgcore.cohort import remote_push

    def refuse(*_):
        raise OSError("the line went down")

    monkeypatch.setattr(remote_push, "_write_whole", refuse)
    url = f"file://{tmp_path / 'there'}"
    with pytest.raises(EcgError, match="cannot be reached: the line went down"):
        push("examples", url, examples_home)
    with pytest.raises(NotFound, match="No cohort is at"):
        Cohort.open(url, Workspace(tmp_path / "reader"))


def test_the_cache_stays_below_its_limit(examples_home, workspace, url, monkeypatch):
    push("examples", url, examples_home)
    monkeypatch.setenv(LIMIT_VARIABLE, "0.0015")
    local, far = Cohort.open("examples", examples_home), Cohort.open(url, workspace)
    for rows in ([0], [60], [120], [159], [0, 159]):
        np.testing.assert_array_equal(far.signals(rows), local.signals(rows))
        files = [f for f in (workspace.path / CACHE).rglob("*") if f.name != "cohort.json"]
        assert sum(f.stat().st_size for f in files if f.is_file()) <= 1_500_000
    monkeypatch.setenv(LIMIT_VARIABLE, "much")
    with pytest.raises(RequestError, match="is 'much'; accepted is a number of GB"):
        Cohort.open(url, workspace).signals([60])


def test_a_file_that_is_not_what_was_pushed_is_refused(examples_home, workspace, tmp_path):
    url = f"file://{tmp_path / 'there'}"
    push("examples", url, examples_home)
    signals = next((tmp_path / "there").rglob("signals.npy"))
    signals.write_bytes(signals.read_bytes()[:-1] + b"\1")
    with pytest.raises(EcgError, match="has changed since its cohort was opened; begin"):
        Cohort.open(url, workspace).signals(range(160))
    kept = [f.read_bytes() for f in (workspace.path / CACHE).rglob("*") if f.is_file()]
    assert signals.read_bytes() not in kept


def test_a_run_remembers_where_its_cohort_lies(examples_home, workspace, url):
    push("examples", url, examples_home)
    run = prepare(TrainConfig(cohort=url, model="resnet1d", level="all", epochs=1), workspace)
    assert run.meta["cohort"]["name"] == url
    assert "/" not in run.id
    assert Cohort.open(run.meta["cohort"]["name"], workspace).hash == run.meta["cohort"]["hash"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("memory://nothing", "No cohort is at memory://nothing. Upload one: ecgcore cohorts"),
        (
            "s3://me:secret@bucket/x",
            "A URL is stored and shown, so it must hold no user or password",
        ),
        ("what://is/this", "what://is/this is not a readable URL: Protocol not known"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line(workspace, place, message):
    with pytest.raises(RequestError, match=message) as error:
        Cohort.open(place, workspace)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_driver_that_lacks_is_named_with_what_to_install(workspace, monkeypatch):
    def lacking(*_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lacking)
    with pytest.raises(RequestError, match="needs the extra 'cluster': pip install 'ecgcore"):
        Cohort.open("s3://bucket/cohort", workspace)


def test_another_cohort_is_not_written_over(examples_home, tmp_path, url):
    mine = Workspace(tmp_path / "maker")
    write_wfdb(tmp_path / "in", "one", limb_consistent_uv(), fs_hz=100)
    ingest(tmp_path / "in", "other", mine, measure=False)
    push("examples", url, examples_home)
    with pytest.raises(RequestError, match="holds the cohort 'examples'; push 'other' to a URL"):
        push("other", url, mine)
    assert json.loads(files_at(url)["cohort.json"])["name"] == "examples"


def test_what_only_its_maker_can_do_is_refused(examples_home, workspace, tmp_path, url):
    mine = Workspace(tmp_path / "maker")
    write_wfdb(tmp_path / "in", "one", limb_consistent_uv(), fs_hz=100)
    ingest(tmp_path / "in", "plain", mine, measure=False)
    push("plain", url, mine)
    far = Cohort.open(url, workspace)
    with pytest.raises(RequestError, match="which files its records were read from is known only"):
        far.path_of(far.index["record"][0])
    with pytest.raises(RequestError, match="ingest its folder again where it was made, and push"):
        ensure_measured(url, workspace)
    with pytest.raises(RequestError, match="A cohort cannot be called"):
        ingest(tmp_path / "in", url, workspace)
    with pytest.raises(RequestError, match="Name a cohort of this home to push, not a URL"):
        push(url, url, workspace)
