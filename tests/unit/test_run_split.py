"""The split of a run: drawn once, stored, and read by all that follow."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ecgcore.cohort import subsets
from ecgcore.errors import DamagedFile, EcgError
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.provenance import lineage_of, was_trained_on
from ecgcore.runs.run import Run, list_runs, shipped_models
from ecgcore.runs.split import FILE, OLD_FILE, ensure_split, make_split, read_split
from ecgcore.training.prepare import prepare
from ecgcore.training.trainer import train_run
from ecgcore.workspace import Workspace

TINY = TrainConfig(
    cohort="examples",
    model="resnet1d",
    depth=4,
    width=4,
    level="60",
    target_mode="multilabel",
    epochs=2,
    device="cpu",
)
COMMAND = (
    "train --cohort examples --model resnet1d --depth 4 --width 4 --level 60 "
    "--target-mode multilabel --epochs 2 --device cpu"
).split()


@pytest.fixture
def draws(monkeypatch):
    """Return the list of all splits that are drawn."""
    build, splits = subsets.build_split, []

    def count(*arguments, **keywords):
        splits.append(build(*arguments, **keywords))
        return splits[-1]

    monkeypatch.setattr(subsets, "build_split", count)
    return splits


@pytest.fixture(scope="module")
def prepared(examples_home):
    return prepare(TINY, examples_home)


def copy_of(run: Run, folder) -> Run:
    return Run(shutil.copytree(run.folder, folder / run.id))


def test_a_whole_training_draws_its_split_once(examples_home, run, draws):
    code, _, err = run(*COMMAND, "--home", examples_home.path)
    assert code == 0, err
    assert len(draws) == 1
    newest = list_runs(examples_home)[0]
    assert newest.status["state"] == "done"
    assert newest.meta["split"]["hash"] == draws[0].hash
    assert lineage_of(newest, examples_home) is not None
    assert len(draws) == 1


def test_a_resumed_training_draws_nothing(examples_home, draws):
    run = prepare(TINY, examples_home)
    cancel = lambda run, progress: run.cancel() if progress["row"] else None  # noqa: E731
    train_run(run, examples_home, cancel)
    assert run.status["state"] == "cancelled"
    train_run(run, examples_home)
    assert run.status["state"] == "done"
    assert len(draws) == 1


def test_the_stored_split_is_the_one_that_was_drawn(prepared, examples_home):
    cohort, drawn = make_split(prepared.config, examples_home)
    stored_cohort, stored = read_split(prepared, examples_home)
    assert stored_cohort.hash == cohort.hash
    for name in ("rows", "y", "part"):
        before, after = getattr(drawn, name), getattr(stored, name)
        assert before.dtype.kind == after.dtype.kind
        np.testing.assert_array_equal(before, after)
    assert stored.y.dtype == np.float32
    for name in ("classes", "notes", "left_out", "patients", "hash"):
        assert getattr(stored, name) == getattr(drawn, name)
    pd.testing.assert_frame_equal(stored.counts, drawn.counts)


def test_the_file_names_every_record_with_its_part_and_targets(prepared, examples_home):
    cohort, split = read_split(prepared, examples_home)
    table = pd.read_parquet(prepared.folder / FILE)
    index = cohort.index.iloc[table["row"]]
    for column in ("record", "source", "patient", "signal_hash"):
        assert table[column].tolist() == index[column].tolist()
    assert table["part"].value_counts().to_dict() == prepared.meta["split"]["records"]
    assert not table["inherited"].any()
    assert table["y_NSR"].sum() == (split.y[:, 0] == 1).sum()


def test_a_changed_cohort_is_refused(prepared, examples_home, tmp_path, draws):
    run = copy_of(prepared, tmp_path)
    meta = json.loads((run.folder / "run.json").read_text())
    meta["cohort"]["hash"] = "another"
    (run.folder / "run.json").write_text(json.dumps(meta))
    with pytest.raises(EcgError) as error:
        read_split(run, examples_home)
    assert str(error.value) == (
        f"Cohort 'examples' has changed since run {run.id} was prepared; train anew."
    )
    assert draws == []


def test_the_split_of_another_run_is_refused(prepared, examples_home, tmp_path):
    run, other = copy_of(prepared, tmp_path), prepare(replace(TINY, seed=2), examples_home)
    shutil.copyfile(other.folder / FILE, run.folder / FILE)
    with pytest.raises(DamagedFile) as error:
        read_split(run, examples_home)
    assert str(error.value) == (
        f"{run.id}/split.parquet does not belong to this run; restore it or train anew."
    )
    (run.folder / FILE).write_bytes(b"PAR1")
    with pytest.raises(DamagedFile, match=r"split.parquet cannot be read \(.*\); restore it or"):
        read_split(run, examples_home)


def test_a_run_of_version_0_1_0_draws_its_split_again(prepared, examples_home, tmp_path, draws):
    run = copy_of(prepared, tmp_path)
    learnt = lineage_of(run, examples_home).records
    (run.folder / FILE).unlink()
    learnt.to_parquet(run.folder / OLD_FILE)
    ensure_split(run, examples_home)
    ensure_split(run, examples_home)
    assert len(draws) == 1
    assert pq.read_table(run.folder / FILE).equals(pq.read_table(prepared.folder / FILE))
    pd.testing.assert_frame_equal(lineage_of(run, examples_home).records, learnt)


def test_a_run_of_version_0_1_0_on_a_changed_cohort_is_refused(prepared, examples_home, tmp_path):
    run = copy_of(prepared, tmp_path)
    (run.folder / FILE).unlink()
    meta = json.loads((run.folder / "run.json").read_text())
    meta["split"]["hash"] = "another"
    (run.folder / "run.json").write_text(json.dumps(meta))
    with pytest.raises(EcgError, match=r"'examples' has changed since run .*; train anew\.$"):
        ensure_split(run, examples_home)
    assert not (run.folder / FILE).exists()


def test_a_run_tells_training_from_test_records(prepared, examples_home):
    cohort, split = read_split(prepared, examples_home)
    for part, is_known in (("train", True), ("test", False), ("holdout", False)):
        record = cohort.record(int(split.rows[split.part == part][0]))
        assert was_trained_on(prepared, record) is is_known


def test_two_hundred_thousand_records_are_stored_and_read(tmp_path, monkeypatch):
    n, rng = 200_000, np.random.default_rng(1)
    names = np.char.add("r", np.arange(n).astype(str))
    index = pd.DataFrame(
        {"record": names, "source": "simulated", "patient": names, "signal_hash": names}
    )

    class Simulated:
        hash, name = "cohort", "simulated"

    Simulated.index = index
    y = rng.integers(0, 3, (n, 10)).astype(np.float32)
    y[y == 2] = np.nan
    part = rng.choice(["train", "validation", "test", "holdout"], n).astype("<U10")
    rows, classes = np.arange(n), tuple("ABCDEFGHIJ")
    split_hash = subsets.split_hash(names, y, part)
    split = subsets.Split(rows, y, classes, part, (), pd.DataFrame(), {}, {}, split_hash)
    run = Run(tmp_path)
    from ecgcore.runs import split as module

    module.write_split(run.folder, Simulated, split)
    assert (run.folder / FILE).stat().st_size < 12e6
    meta = shipped_models()[0].meta | {
        "config": {"cohort": "simulated", "model": "resnet1d", "level": "all"},
        "cohort": {"name": "simulated", "hash": "cohort"},
        "classes": list(classes),
        "split": {"hash": split_hash, "notes": [], "left_out": {}, "patients": {}},
    }
    (run.folder / "run.json").write_text(json.dumps(meta))
    monkeypatch.setattr(module.Cohort, "open", lambda name, workspace: Simulated)
    _, stored = read_split(run, Workspace(tmp_path))
    np.testing.assert_array_equal(stored.y, y)
    np.testing.assert_array_equal(stored.part, part)
