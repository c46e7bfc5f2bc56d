"""A run scored on another version of the labels, without training."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from own_archive import RECORDS, own_cohort

from ecgcore.atomic import write_json
from ecgcore.cohort import label_versions
from ecgcore.cohort.label_set_draft import from_columns
from ecgcore.cohort.store import Cohort
from ecgcore.comparison.compare import _cohort_flags
from ecgcore.errors import NotFound
from ecgcore.labels.label_set_file import stored_set
from ecgcore.runs.relabelled import relabel
from ecgcore.runs.run import Run


@pytest.fixture
def a_run(tmp_path):
    """Return (workspace, run, hashes of two versions): of the second, the first record differs."""
    workspace, cohort = own_cohort(tmp_path)
    marks = [float(i % 2) for i in range(RECORDS)]
    hashes = []
    for values in (marks, [1.0 - marks[0], *marks[1:]]):
        columns = {"af": pa.array(values), "paced": pa.array(values[::-1])}
        records = cohort.index["record"]
        version = label_versions.append_version(cohort.folder, "import", "me", records, columns)
        hashes.append(version.hash)
    label_set = from_columns(Cohort.open("own", workspace))
    run = Run(workspace.runs / "one")
    config = {
        **{"cohort": "own", "model": "resnet1d", "level": "all", "label_set": "mine"},
        **{"target_mode": "multilabel", "learning_rate": 0.001, "weight_decay": 0.01},
    }
    meta = {
        **{"run": "one", "created": "2026-01-01", "config": config, "model": "resnet1d"},
        **{"parameters": 1, "classes": ["af", "paced"], "target_mode": "multilabel"},
        **{"input": {"fs_hz": 100.0, "duration_s": 10.0}, "seed": 1, "tier": "core"},
        "cohort": {"name": "own", "hash": cohort.hash},
        "labels": {"hash": "x", "version": hashes[0], "set": stored_set(label_set)},
        "split": {"hash": "x"},
        "leads": [],
        "versions": {},
    }
    write_json(run.folder / "run.json", meta)
    y = np.column_stack([marks, marks[::-1]])
    table = pd.DataFrame({"record": cohort.index["record"], "patient": None, "part": "test"})
    for i, code in enumerate(("af", "paced")):
        table[f"y_{code}"], table[f"z_{code}"], table[f"p_{code}"] = y[:, i], 0.0, 0.5
    table.to_parquet(run.folder / "predictions.parquet")
    return workspace, run, hashes


def test_targets_follow_the_version_and_answers_stay(a_run):
    workspace, run, (first, second) = a_run
    np.testing.assert_array_equal(relabel(run, first, workspace).predictions, run.predictions)
    relabelled = relabel(run, "latest", workspace)
    assert relabelled.meta["labels"]["version"] == second
    now, then = relabelled.predictions, run.predictions
    assert (now["y_af"] != then["y_af"]).to_numpy().nonzero()[0].tolist() == [0]
    assert (now["z_af"] == then["z_af"]).all()
    with pytest.raises(NotFound, match="no imported column 'af'"):
        _ = relabel(run, "ingested", workspace).predictions
    with pytest.raises(NotFound, match="no version 'x'"):
        relabel(run, "x", workspace)


def test_a_comparison_says_where_two_runs_differ_in_their_labels(a_run):
    workspace, run, (first, second) = a_run
    flags = _cohort_flags(run.meta, relabel(run, "2", workspace).meta)
    assert f"A are of version {first}, those of B of version {second}" in flags[-1]
