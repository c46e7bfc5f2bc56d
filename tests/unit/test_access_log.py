"""Log of test-set accesses: each is logged, also with several processes writing at once."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd

from ecgcore.evaluation.test_access_log import access_counts, access_text, log_access
from ecgcore.workspace import Workspace


def a_run(name, test=("r1", "r2"), validation=("r8",)):
    """Return the parts of a run that the log reads."""
    parts = ["test"] * len(test) + ["validation"] * len(validation)
    table = pd.DataFrame({"record": [*test, *validation], "part": parts})
    meta = {"cohort": {"name": "c", "hash": "h"}, "split": {"hash": name}}
    return SimpleNamespace(id=name, predictions=table, meta=meta)


def test_accesses_are_counted_by_test_set_not_by_run(tmp_path):
    workspace = Workspace(tmp_path / "home")
    one, same, other = a_run("one"), a_run("same", test=("r2", "r1")), a_run("other", test=("r3",))
    assert access_counts(workspace, [one], "test")["times"] == 0
    assert log_access(workspace, "evaluate", [one], "test")["times"] == 1
    counts = log_access(workspace, "compare", [one, same], "test")
    assert access_text(counts) == "This test set has been looked at 2 times."
    [[name, of_set]] = counts["sets"].items()
    assert of_set == {"runs": ["one", "same"], "times": 2}
    apart = log_access(workspace, "compare", [same, other], "test")
    assert access_text(apart) == "These test sets have been looked at 3 times, once."
    lines = [
        json.loads(line) for line in (workspace.path / "ledger.jsonl").read_text().splitlines()
    ]
    assert [line["command"] for line in lines] == ["evaluate", "compare", "compare"]
    assert lines[0]["runs"] == ["one"]
    assert lines[0]["test_sets"] == [name]
    assert lines[0]["splits"] == ["one"]


def test_validation_records_are_not_logged(tmp_path):
    workspace = Workspace(tmp_path)
    assert log_access(workspace, "evaluate", [a_run("one")], "validation") is None
    assert access_text(None) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_that_is_not_writable_hides_no_answer(tmp_path):
    (tmp_path / "file").touch()
    counts = log_access(Workspace(tmp_path / "file"), "evaluate", [a_run("one")], "test")
    assert access_text(counts) == (
        "This test set has been looked at 0 times. This access could not be logged: the workspace "
        "is not writable."
    )


def test_a_truncated_line_is_no_access(tmp_path):
    workspace, run = Workspace(tmp_path), a_run("one")
    log_access(workspace, "evaluate", [run], "test")
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write('{"when": "20')
    assert access_counts(workspace, [run], "test")["times"] == 1


APPEND = """
import sys
from pathlib import Path
from ecgcore.evaluation.test_access_log import _append
for i in range(200):
    assert _append(Path(sys.argv[1]), {"who": sys.argv[2], "i": i, "test_sets": ["x" * 300]})
"""


def test_several_processes_write_whole_lines(tmp_path):
    file = tmp_path / "ledger.jsonl"
    command = [sys.executable, "-c", APPEND, str(file)]
    writers = [subprocess.Popen([*command, str(who)]) for who in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted((r["who"], r["i"]) for r in rows) == [(w, i) for w in "012" for i in range(200)]
