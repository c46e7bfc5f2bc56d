"""Damaged WFDB, CSV, MATLAB, HDF5 and zip files: read or refused; nothing else is opened."""

import json
import os
import subprocess
import sys
from pathlib import Path

MUTATIONS = int(os.environ.get("ECGCORE_MUTATIONS", "240"))
"""Number of files to damage; set the variable to 2000 and more for a thorough look."""
MOST_MB = 1000
SUPPORT = Path(__file__).parents[1] / "support"
SCRIPT, ABSURD = SUPPORT / "damaged_records.py", SUPPORT / "absurd_records.py"


def test_damaged_files_are_read_or_refused_and_lead_nowhere_else():
    process = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(SCRIPT), str(MUTATIONS), "7"],
        capture_output=True,
        text=True,
        timeout=60 + MUTATIONS,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-1500:]
    outcome = json.loads(process.stdout)
    assert outcome["refused"] > MUTATIONS / 4
    assert outcome["read"] > MUTATIONS / 20
    assert outcome["strayed"] == []
    assert outcome["peak_mb"] <= MOST_MB


def test_files_that_claim_or_are_far_more_than_any_recording_are_refused(tmp_path):
    process = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(ABSURD), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-1500:]
    outcome = json.loads(process.stdout)
    assert {name for name, result in outcome["outcomes"].items() if result != "refused"} == set()
    assert len(outcome["outcomes"]) >= 17
    assert outcome["peak_mb"] <= MOST_MB
