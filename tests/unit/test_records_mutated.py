"""Damaged files of every vendor format: read or refused in one line; no crash, hang or hunger."""

import json
import os
import subprocess
import sys
from pathlib import Path

MUTATIONS = int(os.environ.get("ECGCORE_MUTATIONS", "250"))
"""How many files are damaged; set the variable to 2000 and more for a thorough look."""
MOST_MB = 1000
SCRIPT = Path(__file__).with_name("mutated_files.py")


def test_damaged_files_are_read_or_refused_and_nothing_else():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(MUTATIONS), "11"],
        capture_output=True,
        text=True,
        timeout=60 + MUTATIONS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]
    came = json.loads(done.stdout)  # nothing else may be printed by a parser
    assert came["refused"] + came["read"] == MUTATIONS
    assert came["refused"] > MUTATIONS / 4
    assert came["read"] > MUTATIONS / 20
    assert came["peak_mb"] <= MOST_MB


def test_no_format_s_library_is_imported_before_a_file_needs_it():
    code = (
        "import sys, ecgcore.records.file_format as s; "
        "import ecgcore.records.read; "
        "print([m for m in ('pydicom', 'ecgdatakit', 'pyedflib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
