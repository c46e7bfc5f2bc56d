"""What all tests share: the example ECGs as a cohort, and one small trained pair on it."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from ecgcore.executors import single_thread  # noqa: F401 - before torch is imported

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "ptb-xl"


SLOW = (
    # Longest first: they train, start servers or kill processes.
    "journeys/test_whole_way.py",
    "unit/test_distributed.py",
    "journeys/test_training_page.py",
    "unit/test_queue.py",
    "journeys/test_report_opens.py",
    "unit/test_tutorial.py",
    "journeys/test_deep_links.py",
    "journeys/test_saliency_page.py",
    "journeys/test_browsing.py",
    "journeys/test_uploads.py",
    "journeys/test_comparing.py",
    "unit/test_checkpoint.py",
    "unit/test_api.py",
    "unit/test_training.py",
    "unit/test_workspace_0_1_0.py",
    "pages/test_empty.py",
    "pages/test_compare_page.py",
    "pages/test_filled.py",
    "unit/test_onnx_export.py",
    "unit/test_study_pages.py",
    "unit/test_ingest_bench.py",
    "unit/test_studies.py",
    "unit/test_release.py",
    "unit/test_distillation.py",
    "unit/test_pretrained.py",
    "unit/test_augmentation.py",
    "unit/test_ingest_job.py",
    "unit/test_cohort_partial_shards.py",
    "unit/test_convert.py",
    "unit/test_tracking.py",
    "unit/test_concurrency.py",
    "unit/test_explain_trust.py",
    "unit/test_report.py",
    "unit/test_run_split.py",
    "unit/test_batch.py",
    "unit/test_cli.py",
    "pages/test_hostile_input.py",
    "unit/test_damaged_workspace.py",
    "unit/test_records_generated.py",
    "unit/test_records_damaged.py",
    "unit/test_records_mutated.py",
    "unit/test_borders.py",
    "unit/test_executors.py",
    "unit/test_imaging_bench.py",
    "unit/test_external_validation.py",
    "unit/test_evaluation_utility.py",
    "unit/test_inference.py",
    "unit/test_inference_images.py",
    "unit/test_compare_command.py",
    "unit/test_comparison_seeds.py",
    "unit/test_labels_bench.py",
    "unit/test_cohort_measurements.py",
    "unit/test_augmenter.py",
    "unit/test_explain.py",
    "unit/test_explain_methods.py",
    "unit/test_settings.py",
    "unit/test_cohort_versions.py",
    "unit/test_calibration.py",
    "journeys/test_sign_in_journey.py",
)
"""Files that the inner loop leaves out, and that the whole suite starts with."""


def pytest_collection_modifyitems(items):
    """Mark the slow files, and begin with them: no worker is left with a long one at the end."""
    ranks = {ROOT / "tests" / name: rank for rank, name in enumerate(SLOW)}
    for item in items:
        if item.path in ranks:
            item.add_marker("slow")
    items.sort(key=lambda item: ranks.get(item.path, len(SLOW)))


def made_once(tmp_path_factory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of this process's own; the first of pytest-xdist's workers makes it for all.

    The others copy it: making it takes more processor time than all their copies.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own := tmp_path_factory.mktemp(name))
        return own
    shared = tmp_path_factory.getbasetemp().parent / name
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            make(made := tmp_path_factory.mktemp(f"{name}-made"))
            made.rename(shared)
    return shutil.copytree(shared, tmp_path_factory.mktemp(name) / "copy")


@pytest.fixture(scope="session")
def examples_home(tmp_path_factory):
    """Return a home with the example ECGs as cohort ``examples``; runs may be added to it."""
    from ecgcore.cohort.ingest import ingest
    from ecgcore.workspace import Workspace

    def make(home: Path) -> None:
        ingest(EXAMPLES, "examples", Workspace(home), workers=1)

    return Workspace(made_once(tmp_path_factory, "home", make))


@pytest.fixture(scope="session")
def small_pair(examples_home, tmp_path_factory):
    """Return (home, run A, run B): plain and M-SE, one epoch each on small images. Read only."""
    from ecgcore.runs.config import TrainConfig
    from ecgcore.runs.run import list_runs
    from ecgcore.training.trainer import train
    from ecgcore.workspace import Workspace

    networks = ("alexnet_gap", "alexnet_m_se_gap")

    def make(home: Path) -> None:
        workspace = Workspace(home)
        shutil.copytree(examples_home.cohorts, workspace.cohorts)
        settings = {"level": "all", "size": 96, "epochs": 1, "device": "cpu"}
        for network in networks:
            train(TrainConfig("examples", network, **settings), workspace)

    workspace = Workspace(made_once(tmp_path_factory, "pair", make))
    runs = sorted(list_runs(workspace), key=lambda run: networks.index(run.meta["model"]))
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


@pytest.fixture
def in_this_process(monkeypatch):
    """Let files of every format be opened here, where a test has changed a reader's limits."""
    monkeypatch.setattr("ecgcore.records.reading_process._is_child", True)
