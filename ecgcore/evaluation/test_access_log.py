"""Log of accesses to test sets: repeated looks at one eventually show a difference by chance.

An access is an answer about ``test`` or ``holdout`` records that a person sees: `ecgcore evaluate`,
`compare`, `report`, `calibrate`, and the Compare page each time it computes. Scoring by a training
or a study is no access, and validation records are not logged.

``ledger.jsonl`` in the workspace holds one line per access. A test set is identified by its
records: runs of other seeds, networks and levels that are scored on the same ones share it.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

ACCESS_LOG_FILE = "ledger.jsonl"
LOGGED_PARTS = ("test", "holdout")


def log_access(
    workspace: Workspace, command: str, runs: Sequence["Run"], part: str
) -> dict[str, Any] | None:
    """Log an access to the ``part`` of these runs, and return :func:`access_counts`.

    Several processes can log at once. Where the workspace is not writable, the access is not
    counted and ``written`` is False.
    """
    if part not in LOGGED_PARTS:
        return None
    metadata = [run.meta for run in runs]
    line = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "runs": [run.id for run in runs],
        "part": part,
        "test_sets": sorted({test_set_hash(run, part) for run in runs}),
        "cohorts": [meta.get("cohort") for meta in metadata],
        "splits": [(meta.get("split") or {}).get("hash") for meta in metadata],
    }
    written = _append(workspace.path / ACCESS_LOG_FILE, line)
    counts = access_counts(workspace, runs, part)
    return counts if counts is None else counts | {"written": written}


def access_counts(workspace: Workspace, runs: Sequence["Run"], part: str) -> dict[str, Any] | None:
    """Return the number of accesses to these runs' test sets, None for ``validation``.

    Returns
    -------
    dict
        times (the most of all sets), sets: test set (a hash of its records) → runs, times.
    """
    if part not in LOGGED_PARTS:
        return None
    lines = _lines(workspace.path / ACCESS_LOG_FILE)
    sets: dict[str, dict] = {}
    for run in runs:
        name = test_set_hash(run, part)
        times = sum(name in line["test_sets"] for line in lines)
        sets.setdefault(name, {"runs": [], "times": times})["runs"].append(run.id)
    return {"times": max(one["times"] for one in sets.values()), "sets": sets}


def test_set_hash(run: "Run", part: str) -> str:
    """Return the identity of a test set: a hash of the names of its records."""
    predictions = run.predictions
    records = np.sort(predictions["record"].astype(str)[predictions["part"] == part])
    return hashlib.sha256("\n".join(records).encode()).hexdigest()[:16]


def access_text(counts: dict[str, Any] | None) -> str:
    """Return ``This test set has been looked at 7 times.``, empty where nothing is counted."""
    if counts is None:
        return ""
    times = [one["times"] for one in counts["sets"].values()]
    if len(times) == 1:
        text = f"This test set has been looked at {_times(times[0])}."
    else:
        text = f"These test sets have been looked at {', '.join(map(_times, times))}."
    if not counts.get("written", True):
        text += " This access could not be logged: the workspace is not writable."
    return text


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"


def _append(file: Path, line: dict[str, Any]) -> bool:
    """Append one line in a single write, so that lines of other processes cannot mix with it."""
    text = json.dumps(line, ensure_ascii=False) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError:
        return False
    try:
        return os.write(descriptor, text.encode()) > 0
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _lines(file: Path) -> list[dict[str, Any]]:
    """Return the logged accesses; a line that a full disk truncated is skipped."""
    lines = []
    for text in file.read_text("utf-8").splitlines() if file.exists() else ():
        with suppress(json.JSONDecodeError):
            lines.append(json.loads(text))
    return lines
