"""The border between package and dashboard, and what a light start needs, in fresh processes."""

import subprocess
import sys


def modules_after(statement):
    """Return the names of all modules that a fresh process holds after a statement."""
    told = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(told.stdout.split())


def test_the_package_never_imports_streamlit():
    whole = (
        "import importlib, pkgutil, ecgcore\n"
        "for m in pkgutil.walk_packages(ecgcore.__path__, 'ecgcore.'):\n"
        "    m.name.endswith('__main__') or importlib.import_module(m.name)"
    )
    modules = modules_after(whole)
    assert "ecgcore.explanation.gradcam" in modules
    assert "streamlit" not in modules


def test_the_command_line_starts_without_the_heavy_libraries():
    modules = modules_after("import ecgcore.cli")
    assert modules.isdisjoint({"torch", "captum", "wfdb", "sklearn", "pandas", "streamlit"})


def test_reading_runs_and_cohorts_needs_no_torch():
    read = "import ecgcore.runs.run, ecgcore.cohort.store, ecgcore.labels.expert"
    assert modules_after(read).isdisjoint({"torch", "captum", "wfdb", "streamlit"})
