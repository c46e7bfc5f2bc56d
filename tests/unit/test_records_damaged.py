"""Damaged WFDB, CSV, MATLAB, HDF5 and zip files: read or refused; nothing else is opened."""

import json
import os
import subprocess
import sys
from pathlib import Path

MUTATIONS = int(os.environ.get("ECGCORE_MUTATIONS", "240"))
"""How many files are damaged; set the variable to 2000 and more for a thorough look."""
MOST_MB = 1000
SCRIPT = Path(__file__).with_name("damaged_records.py")
ABSURD = Path(__file__).with_name("absurd_records.py")


def test_damaged_files_are_read_or_refused_and_lead_nowhere_else():
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(SCRIPT), str(MUTATIONS), "7"],
        capture_output=True,
        text=True,
        timeout=60 + MUTATIONS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]
    came = json.loads(done.stdout)
    assert came["refused"] > MUTATIONS / 4
    assert came["read"] > MUTATIONS / 20
    assert came["strayed"] == []
    assert came["peak_mb"] <= MOST_MB


def test_files_that_claim_or_are_far_more_than_any_recording_are_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(ABSURD), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]
    came = json.loads(done.stdout)
    assert {name for name, outcome in came["outcomes"].items() if outcome != "refused"} == set()
    assert len(came["outcomes"]) >= 17
    assert came["peak_mb"] <= MOST_MB
