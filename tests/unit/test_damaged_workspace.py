"""A damaged file of a workspace is listed or refused in one line, and blocks nothing else."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from ecgcore.errors import DamagedFile
from ecgcore.runs.run import Run, damaged_runs, list_runs
from ecgcore.runs.split import read_lineage
from ecgcore.workspace import Workspace

OLD = Path(__file__).resolve().parents[1] / "data" / "workspace-0.1.0"
RECORD = OLD.parent / "ptb-xl" / "records100" / "00000" / "00001_lr.hea"
FIRST = "20261201-040220-resnet1d-small-all-s1-5b1f"
SECOND = "20261201-040335-resnet1d-small-all-s2-2466"
JSON_FILES = ("run.json", "status.json", "history.jsonl", "evaluation.json", "calibration.json")
SHARD = "cohorts/small/shards/00000"

DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "list": lambda content: b"[]\n",
    "NaN": lambda content: b"NaN\n",
    "text": lambda content: b'"text"\n',
    "zeros": lambda content: bytes(1_000_000),
    "deep": lambda content: b"[" * 100_000,
    "huge number": lambda content: content.replace(b"1", b"9" * 30, 1),
    "other version": lambda content: content.replace(b'"0.1.0"', b'"99.0.0"'),
}


@pytest.fixture
def home(tmp_path) -> Path:
    """Return a copy of the workspace with two finished runs and a cohort."""
    leave_out = shutil.ignore_patterns("*b3a1", "resume.safetensors")
    return Path(shutil.copytree(OLD, tmp_path / "home", ignore=leave_out))


def damage(file: Path, kind: str) -> None:
    file.write_bytes(DAMAGES[kind](file.read_bytes()))


def answers_in_one_line(run, *arguments) -> str:
    """Run a command that may work or refuse; return what it wrote. Never a traceback."""
    code, out, err = run(*arguments)
    assert code in (0, 1, 2)
    lines = [line for line in err.splitlines() if line.strip()]
    if code:
        assert len(lines) == 1, err
    return out + err


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", JSON_FILES)
def test_a_run_with_a_damaged_file_is_listed_and_blocks_no_other(home, run, name, kind):
    damage(home / "runs" / FIRST / name, kind)
    workspace = Workspace(home)
    listed = [one.id for one in list_runs(workspace)], [one.name for one in damaged_runs(workspace)]
    assert sorted([*listed[0], *listed[1]]) == [FIRST, SECOND]
    assert SECOND in listed[0]
    code, out, err = run("runs", "list", "--home", home)
    assert code == 0
    assert SECOND in out
    assert (FIRST in out) is (FIRST in listed[0])
    assert (f"{FIRST}/{name} is damaged: " in err) is (FIRST in listed[1])
    shown = answers_in_one_line(run, "runs", "show", FIRST, "--home", home)
    if name == "run.json" and FIRST in listed[1]:
        refused = [shown]
        for words in (["evaluate", FIRST], ["compare", FIRST, SECOND]):
            refused.append(answers_in_one_line(run, *words, "--home", home))
        assert all("run.json is damaged: " in text for text in refused)


@pytest.mark.parametrize("kind", ["cut", "emptied", "list", "NaN", "text", "zeros", "deep"])
def test_a_whole_object_is_never_taken_for_damaged_and_damage_never_for_whole(home, kind):
    assert damaged_runs(Workspace(home)) == []
    damage(home / "runs" / FIRST / "run.json", kind)
    [damaged] = damaged_runs(Workspace(home))
    assert damaged.name == FIRST
    assert "\n" not in damaged.reason


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("run.json", "list"),
        ("calibration.json", "cut"),
        ("calibration.json", "NaN"),
        ("weights.safetensors", "cut"),
        ("weights.safetensors", "emptied"),
        ("weights.safetensors", "zeros"),
    ],
)
def test_a_damaged_run_classifies_nothing(home, run, name, kind):
    damage(home / "runs" / FIRST / name, kind)
    code, out, err = run("classify", RECORD, "--run", FIRST, "--home", home)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert f"{FIRST}/{name} is " in err


@pytest.mark.parametrize("kind", ["cut", "emptied", "list"])
def test_a_damaged_list_of_training_records_is_refused_by_name(home, kind):
    damage(home / "runs" / FIRST / "learnt.parquet", kind)
    with pytest.raises(DamagedFile, match=r"learnt\.parquet is damaged: "):
        read_lineage(Run(home / "runs" / FIRST))


@pytest.mark.parametrize("kind", ["cut", "emptied", "list", "zeros"])
@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_damaged_predictions_are_refused_in_one_line(home, run, command, kind):
    damage(home / "runs" / FIRST / "predictions.parquet", kind)
    others = [SECOND] if command == "compare" else []
    code, out, err = run(command, FIRST, *others, "--home", home)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert f"{FIRST}/predictions.parquet is damaged: " in err


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_cohort_is_listed_and_blocks_no_other(home, run, kind):
    shutil.copytree(home / "cohorts" / "small", home / "cohorts" / "whole")
    damage(home / "cohorts" / "small" / "cohort.json", kind)
    code, out, err = run("cohorts", "--json", "--home", home)
    answer = json.loads(out.splitlines()[-1])
    names = [[one["name"] for one in answer[key]] for key in ("cohorts", "damaged")]
    assert code == 0
    assert len(names[0]) + len(names[1]) == 2
    assert (names[1] == []) is (kind == "other version")
    code, out, err = run("cohorts", "--home", home)
    assert code == 0
    assert ("small/cohort.json is damaged: " in err) is bool(names[1])
    if names[1]:
        answers_in_one_line(run, "train", "--cohort", "small", "--home", home)
        answers_in_one_line(run, "label", "audit", "small", "--home", home)


@pytest.mark.parametrize("kind", ["cut", "emptied", "list", "zeros"])
@pytest.mark.parametrize("file", ["index.parquet", "signals.npy", "measures.parquet"])
def test_a_cohort_with_a_damaged_table_is_refused_in_one_line(home, run, tmp_path, file, kind):
    damage(home / SHARD / file, kind)
    (home / "cohorts" / "small" / "columns.arrow").unlink()
    code, out, _ = run("cohorts", "--home", home)
    assert (code, "small" in out) == (0, True)
    to = tmp_path / "answers"
    answers_in_one_line(
        run, "classify", "--cohort", "small", "--to", to, "--workers", 1, "--run", SECOND,
        "--home", home,
    )  # fmt: skip


def test_lists_need_no_library_of_numbers_or_networks(home):
    import subprocess

    text = (
        "import sys; from ecgcore.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'scipy', 'matplotlib', 'pyarrow', 'sklearn'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    for words in (["runs", "list"], ["cohorts"]):
        command = [sys.executable, "-c", text, *words, "--home", str(home)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def test_a_run_of_a_later_version_is_whole(home):
    folder = home / "runs" / FIRST
    meta = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(meta | {"to_come": [1]}))
    assert Run(folder).damage is None
