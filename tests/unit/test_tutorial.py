"""Commands and Python of docs/tutorial.md and docs/python.md, run in order in an empty folder."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from recordings import EXAMPLES

import ecgcore

ROOT = EXAMPLES.parents[1]
BLOCK = re.compile(r"^```(bash|python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Work in a folder with the examples and an empty workspace."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "workspace").mkdir()
    monkeypatch.delenv("ECGCORE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tutorial_runs(checkout, run, capsys):
    output = ""
    for kind, text in blocks("tutorial.md"):
        if kind == "text":
            assert text.strip() in output
        elif kind == "python":
            exec(compile(text, "tutorial.md", "exec"), {})
            assert "(12, 1000) 100.0\n" in (output := capsys.readouterr().out)
            assert "LBBB 0.9" in output
        else:
            output = "".join(run_line(run, checkout, line) for line in text.splitlines())
    assert (checkout / "workspace" / "ecg.pdf").read_bytes().startswith(b"%PDF")
    report = (checkout / "workspace" / "report.html").read_text("utf-8")
    assert all(name in report for name in run_ids(checkout))


def test_the_python_page_runs_outside_a_checkout(tmp_path, monkeypatch, capsys):
    (tmp_path / "anywhere").mkdir()
    monkeypatch.chdir(tmp_path / "anywhere")
    monkeypatch.setenv("ECGCORE_HOME", str(tmp_path / "workspace"))
    one_ecg, arrays, comparison = (text for kind, text in blocks("python.md") if kind == "python")
    names: dict = {}

    exec(compile(one_ecg, "python.md", "exec"), names)
    output = capsys.readouterr().out
    assert names["record"].signal_mv.shape == (12, 1000)
    assert f"{names['beat'].rate_bpm:.0f} /min, QRS {names['beat'].qrs_ms:.0f} ms\n" in output
    assert output.count("LBBB") == 1  # among the probabilities
    assert all(f"'{lead}': " in output for lead in ecgcore.LEADS)
    assert "None" not in output  # a lead's share of the evidence is a number
    assert Path("ecg.pdf").read_bytes().startswith(b"%PDF")

    exec(compile(arrays, "python.md", "exec"), names)
    assert capsys.readouterr().out == f"(2, {len(names['model'].classes)})\n"
    of_record = names["model"].predict_proba(names["record"])[0]
    assert names["probabilities"] == pytest.approx(np.stack([of_record, of_record]), abs=1e-6)

    exec(compile(comparison, "python.md", "exec"), names)
    evaluation, differences = capsys.readouterr().out, ecgcore.compare(names["a"], names["b"])
    assert [names[run].config.kernel for run in "ab"] == [3, 5]
    assert names["a"].folder.is_relative_to(tmp_path / "workspace")
    assert names["a"].id in evaluation
    assert str(differences) in evaluation
    assert differences.differences["macro_auc"].low <= differences.differences["macro_auc"].high
    assert [path.name for path in Path.cwd().iterdir()] == ["ecg.pdf"]


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the language and text of each code block of a page of docs/."""
    return BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))


def run_line(run, checkout: Path, line: str) -> str:
    """Run one line of a page in this process, with the ids of the two runs inserted."""
    for placeholder, run_id in zip(("RUN_A", "RUN_B"), run_ids(checkout), strict=False):
        line = line.replace(placeholder, run_id)
    program, *words = shlex.split(line, comments=True)
    assert program == "ecgcore"
    code, out, err = run(*words)
    assert code == 0, err
    return out


def run_ids(checkout: Path) -> list[str]:
    """Return the ids of the runs so far, in the order of their start."""
    return sorted(folder.name for folder in (checkout / "workspace" / "runs").glob("2*"))
