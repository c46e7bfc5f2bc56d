"""An interrupted ingest resumes with the very record where it stopped."""

import json
import os
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from recordings import EXAMPLES, limb_consistent_uv, write_wfdb
from test_cohort_ingest import others_of_session, wait_for

from ecgcore.cohort import shards
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.scan import scan_folder
from ecgcore.cohort.signal_format import SignalFormat
from ecgcore.cohort.store import Cohort
from ecgcore.records.read import read_record
from ecgcore.workspace import Workspace

DX = ("Dx: 426783006",)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


@pytest.fixture
def six(tmp_path):
    """Six records, the third of which cannot be read."""
    for i in range(6):
        write_wfdb(tmp_path / "in", f"A000{i}", limb_consistent_uv(5000, i), comments=DX)
    (tmp_path / "in" / "A0002.dat").unlink()
    return tmp_path / "in"


def stop_at(monkeypatch, name):
    """Let reading stop at a record as a kill would; return the list of what was read."""
    reads = []

    def read(path, **how):
        if path.stem == name:
            raise KeyboardInterrupt
        reads.append(path.stem)
        return read_record(path, **how)

    monkeypatch.setattr(shards, "read_record", read)
    return reads


def partial_shard_files(workspace):
    folder = workspace.cohorts / "c"
    return folder / "shards" / ".00000" / "signals.npy", folder / "private" / ".00000.jsonl"


def test_what_was_done_is_not_done_again(six, workspace, monkeypatch):
    stop_at(monkeypatch, "A0004")
    with pytest.raises(KeyboardInterrupt):
        ingest(six, "c", workspace)
    assert [len(file.read_bytes()) > 0 for file in partial_shard_files(workspace)] == [True, True]
    reads, progress = stop_at(monkeypatch, None), []
    result = ingest(six, "c", workspace, on_progress=lambda *done: progress.append(done))
    assert reads == ["A0004", "A0005"]
    assert progress == [(i, 6) for i in range(1, 7)]
    assert (result.found, result.read) == (6, 5)
    assert [row.record for row in result.rejected] == ["A0002"]
    cohort = Cohort.open("c", workspace)
    assert cohort.is_measured
    for row, seed in enumerate((0, 1, 3, 4, 5)):
        stored = np.rint(cohort.signals([row])[0] * 1000)
        np.testing.assert_array_equal(stored, limb_consistent_uv(5000, seed))
    assert not list(workspace.cohorts.rglob(".*.jsonl"))
    assert not list((workspace.cohorts / "c" / "shards").glob(".*"))


@pytest.mark.parametrize("torn", ["a line", "a signal"])
def test_half_a_line_or_a_signal_without_its_line_is_done_again(six, workspace, monkeypatch, torn):
    stop_at(monkeypatch, "A0004")
    with pytest.raises(KeyboardInterrupt):
        ingest(six, "c", workspace)
    signals, journal = partial_shard_files(workspace)
    if torn == "a line":
        journal.write_bytes(journal.read_bytes()[:-100])
    else:
        with signals.open("ab") as file:
            file.write(b"\x01" * 70_000)
    reads = stop_at(monkeypatch, None)
    ingest(six, "c", workspace)
    assert reads == (["A0003"] if torn == "a line" else []) + ["A0004", "A0005"]
    stored = Cohort.open("c", workspace).signals([2])[0]
    np.testing.assert_array_equal(np.rint(stored * 1000), limb_consistent_uv(5000, 3))


def test_what_changed_meanwhile_is_read_anew(six, workspace, monkeypatch):
    stop_at(monkeypatch, "A0004")
    with pytest.raises(KeyboardInterrupt):
        ingest(six, "c", workspace)
    write_wfdb(six, "A0000", limb_consistent_uv(5000, 9), comments=DX)
    os.utime(six / "A0000.hea", (1, 1))
    reads = stop_at(monkeypatch, None)
    assert ingest(six, "c", workspace).read == 5
    assert "A0000" in reads


def test_a_draft_without_measures_is_measured_in_the_end(six, workspace, monkeypatch):
    stop_at(monkeypatch, "A0004")
    with pytest.raises(KeyboardInterrupt):
        ingest(six, "c", workspace, measure=False)
    stop_at(monkeypatch, None)
    ingest(six, "c", workspace, measure=True)
    assert Cohort.open("c", workspace).is_measured


def test_the_journal_lies_where_only_its_owner_reads(six, workspace, monkeypatch):
    stop_at(monkeypatch, "A0004")
    with pytest.raises(KeyboardInterrupt):
        ingest(six, "c", workspace)
    _, journal = partial_shard_files(workspace)
    assert journal.stat().st_mode & 0o777 == 0o600
    assert journal.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(journal.read_bytes().splitlines()[0]).keys() == {"plan"}


def test_what_a_killed_writer_left_beside_its_file_goes(six, workspace):
    ingest(six, "c", workspace)
    folder = workspace.cohorts / "c"
    there = set(folder.rglob("*"))
    for subfolder in ("", "shards/00000", "private"):
        (folder / subfolder / ".measures.parquet.0a1b2c3d").write_bytes(b"PAR1")
        (folder / subfolder / ".index.parquet.0a1b2c3d.4711").write_bytes(b"PAR1")
    ingest(six, "c", workspace)
    assert set(folder.rglob("*")) == there


def test_a_job_restarted_after_its_shard_was_finished_only_counts(six, tmp_path, monkeypatch):
    signal_format = SignalFormat(500, 10.0, False, b"secret")
    work = [[file] for file in scan_folder(six, {}, b"secret")]
    first: list[bool] = []
    again: list[bool] = []
    shards.write_shard(tmp_path / "c", "00000", work, signal_format, on_record=first.append)
    reads = stop_at(monkeypatch, None)
    shards.write_shard(tmp_path / "c", "00000", work, signal_format, on_record=again.append)
    assert sorted(again) == sorted(first) == [False] * 5 + [True]
    assert reads == []


def test_after_kill_9_it_goes_on_and_comes_to_what_an_ingest_without_one_comes_to(
    tmp_path, examples_home
):
    """The command itself, killed while two processes measure; none of them stays."""
    workspace = tmp_path / "home"
    command = [
        *(sys.executable, "-m", "ecgcore", "ingest", str(EXAMPLES), "--cohort", "c"),
        *("--home", str(workspace), "--workers", "2", "--json"),
    ]
    folder = workspace / "cohorts" / "c"
    running = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: lines_of(folder / "private") >= 60 or running.poll() is not None)
    running.send_signal(signal.SIGKILL)
    running.wait()
    wait_for(partial(_all_gone, running.pid))
    signals = {f: f.read_bytes()[128:] for f in folder.glob("shards/.*/signals.npy")}
    assert 60 <= lines_of(folder / "private") < 160
    assert not (folder / "cohort.json").exists()
    subprocess.run(command, check=True, capture_output=True)
    for draft, before in signals.items():
        whole = (draft.parent.with_name(draft.parent.name[1:]) / "signals.npy").read_bytes()[128:]
        record = 12 * 1000 * 2
        kept = len(before) // record * record
        assert whole[:kept] == before[:kept]
    killed, smooth = Cohort.open("c", Workspace(workspace)), Cohort.open("examples", examples_home)
    assert killed.hash == smooth.hash
    pd.testing.assert_frame_equal(
        killed.index.drop(columns="patient"), smooth.index.drop(columns="patient")
    )
    pd.testing.assert_frame_equal(killed.measures, smooth.measures)


def lines_of(private) -> int:
    """Return how many records the journals and whole pieces tell of."""
    journals = sum(max(0, j.read_bytes().count(b"\n") - 1) for j in private.glob(".*.jsonl"))
    return journals + 50 * len(list(private.glob("[0-9]*.parquet")))


def _all_gone(session: int) -> bool:
    return not others_of_session(session)
