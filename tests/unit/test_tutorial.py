"""docs/tutorial.md does what it says: each command and each line of Python, in order."""

import re
import shlex
from pathlib import Path

import pytest
from recordings import EXAMPLES

ROOT = EXAMPLES.parents[1]
BLOCK = re.compile(r"^```(bash|python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Work in a folder that has the examples and no workspace yet."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "workspace").mkdir()
    monkeypatch.delenv("ECGCORE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tutorial_runs(checkout, run, capsys):
    said = ""
    for kind, text in BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text("utf-8")):
        if kind == "text":
            assert text.strip() in said
        elif kind == "python":
            exec(compile(text, "tutorial.md", "exec"), {})
            assert "(12, 1000) 100.0\n" in (said := capsys.readouterr().out)
            assert "LBBB 0.9" in said
        else:
            said = "".join(command(run, checkout, line) for line in text.splitlines())
    assert (checkout / "workspace" / "ecg.pdf").read_bytes().startswith(b"%PDF")
    report = (checkout / "workspace" / "report.html").read_text("utf-8")
    assert all(name in report for name in trained(checkout))


def command(run, checkout: Path, line: str) -> str:
    """Run one line of the page in this process; the two runs stand in place of their names."""
    for placeholder, name in zip(("RUN_A", "RUN_B"), trained(checkout), strict=False):
        line = line.replace(placeholder, name)
    program, *words = shlex.split(line, comments=True)
    assert program == "ecgcore"
    code, out, err = run(*words)
    assert code == 0, err
    return out


def trained(checkout: Path) -> list[str]:
    """Return the ids of the runs that are there, in the order of their start."""
    return sorted(folder.name for folder in (checkout / "workspace" / "runs").glob("2*"))
