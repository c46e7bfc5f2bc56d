"""ecgcore doctor on a workspace: what is whole, what is damaged, and what a repair sets aside."""

import json
import shutil
from pathlib import Path

import pytest

OLD = Path(__file__).resolve().parents[1] / "data" / "workspace-0.1.0"
FIRST = "20261201-040220-resnet1d-small-all-s1-5b1f"
SECOND = "20261201-040335-resnet1d-small-all-s2-2466"


@pytest.fixture
def home(tmp_path) -> Path:
    """Return a copy of the workspace with two finished runs and a cohort."""
    leave_out = shutil.ignore_patterns("*b3a1", "resume.safetensors")
    return Path(shutil.copytree(OLD, tmp_path / "home", ignore=leave_out))


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        f.name + str(f.stat().st_size): f.read_bytes() for f in folder.rglob("*") if f.is_file()
    }


def test_a_whole_workspace_is_whole(home, run):
    code, out, _ = run("doctor", "--home", home)
    assert code == 0
    assert out.splitlines() == [
        "whole: cohort small",
        f"whole: run {FIRST}",
        f"whole: run {SECOND}",
        "3 whole, 0 damaged, 0 set aside.",
    ]


@pytest.mark.parametrize(
    ("file", "set_aside"),
    [
        ("cohorts/small/cohort.json", "cohorts/small"),
        ("cohorts/small/shards/00000/index.parquet", "cohorts/small"),
        ("cohorts/small/shards/00000/signals.npy", "cohorts/small"),
        ("cohorts/small/shards/00000/measures.parquet", None),
        ("cohorts/small/shards/00000/fingerprints-1.npy", None),
        ("cohorts/small/columns.arrow", None),
        (f"runs/{FIRST}/run.json", f"runs/{FIRST}"),
        (f"runs/{FIRST}/weights.safetensors", f"runs/{FIRST}"),
        (f"runs/{FIRST}/evaluation.json", None),
        (f"runs/{FIRST}/predictions.parquet", None),
    ],
)
def test_what_is_damaged_is_set_aside_and_nothing_is_lost(home, run, file, set_aside):
    content = (home / file).read_bytes()
    (home / file).write_bytes(content[: len(content) // 3] + bytes(20))
    before = files_in(home)
    code, out, _ = run("doctor", "--home", home, "--json")
    answer = json.loads(out.splitlines()[-1])
    [damaged] = [one for one in answer["findings"] if one["damage"]]
    path = home / (set_aside or file)
    assert (code, damaged["path"], answer["set_aside"]) == (1, str(path), {})
    assert "\n" not in damaged["damage"]
    code, out, _ = run("doctor", "--repair", "--home", home)
    assert code == 0
    assert "1 damaged, 1 set aside." in out
    assert not path.exists()
    assert files_in(home) == before
    code, out, _ = run("doctor", "--home", home)
    assert (code, "0 damaged" in out) == (0, True)


def test_a_repair_of_files_or_of_no_home_is_refused_in_one_line(home, run, tmp_path):
    for words in (["doctor", home / "x.hea", "--repair"], ["doctor", "--home", tmp_path / "none"]):
        code, out, err = run(*words)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
