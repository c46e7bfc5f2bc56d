"""Damaged files of every vendor format: read or refused in one line, in bounded time and memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

MUTATIONS = int(os.environ.get("ECGCORE_MUTATIONS", "250"))
"""Number of files to damage; set the variable to 2000 and more for a thorough look."""
MOST_MB = 1000
SCRIPT = Path(__file__).parents[1] / "support" / "mutated_files.py"


def test_damaged_files_are_refused_or_read_and_never_another_signal_without_a_word():
    process = subprocess.run(
        [sys.executable, str(SCRIPT), str(MUTATIONS), "11"],
        capture_output=True,
        text=True,
        timeout=60 + MUTATIONS,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-1500:]
    outcome = json.loads(process.stdout)  # nothing else may be printed by a parser
    answered = outcome["same"] + outcome["said"] + outcome["few"]
    assert outcome["refused"] + answered + outcome["silent"] == MUTATIONS
    assert outcome["refused"] > MUTATIONS / 4
    assert answered > MUTATIONS / 20
    assert outcome["silent_cases"] == {}
    assert outcome["peak_mb"] <= MOST_MB


def test_no_format_s_library_is_imported_before_a_file_needs_it():
    code = (
        "import sys, ecgcore.records.file_format as s; "
        "import ecgcore.records.read; "
        "print([m for m in ('pydicom', 'ecgdatakit', 'pyedflib') if m in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "[]"
