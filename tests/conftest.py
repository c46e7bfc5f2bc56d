"""What all tests share: the example ECGs as a cohort, and one small trained pair on it."""

import shutil
import sys
from pathlib import Path

import pytest

from ecgcore.executors import single_thread  # noqa: F401 - before torch is imported

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "ptb-xl"


@pytest.fixture(scope="session")
def examples_home(tmp_path_factory):
    """Return a home with the example ECGs as cohort ``examples``; runs may be added to it."""
    from ecgcore.cohort.ingest import ingest
    from ecgcore.workspace import Workspace

    workspace = Workspace(tmp_path_factory.mktemp("home"))
    ingest(EXAMPLES, "examples", workspace, workers=1)
    return workspace


@pytest.fixture(scope="session")
def small_pair(examples_home, tmp_path_factory):
    """Return (home, run A, run B): plain and M-SE, one epoch each on small images. Read only."""
    from ecgcore.runs.config import TrainConfig
    from ecgcore.training.trainer import train
    from ecgcore.workspace import Workspace

    workspace = Workspace(tmp_path_factory.mktemp("pair") / "home")
    shutil.copytree(examples_home.cohorts, workspace.cohorts)
    runs = [
        train(
            TrainConfig(
                cohort="examples", model=model, level="all", size=96, epochs=1, device="cpu"
            ),
            workspace,
        )
        for model in ("alexnet_gap", "alexnet_m_se_gap")
    ]
    return workspace, *runs


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a command in this process: (exit code, stdout, stderr)."""

    from ecgcore import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ecgcore", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
