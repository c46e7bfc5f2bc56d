"""The ledger: how often a test set was looked at. Whoever looks often enough finds a difference.

A look is an answer about ``test`` or ``untouched`` records that a person sees: `ecgcore evaluate`,
`compare`, `report`, `calibrate`, and the Compare page each time it computes. What a training and a
study score on their own is none, nor are validation records, which are there to be looked at.

``ledger.jsonl`` in the home holds a line a look. A test set is its records: runs of other seeds,
networks and levels that are scored on the same ones share it.
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

LEDGER = "ledger.jsonl"
COUNTED = ("test", "untouched")


def note_look(workspace: Workspace, command: str, runs: Sequence["Run"], part: str) -> dict | None:
    """Write down that somebody looks at the ``part`` of these runs, and return :func:`looks_at`.

    Lines of several processes at once stand one below the other. Where the home cannot be written
    to, the look is not counted and the answer says so.
    """
    if part not in COUNTED:
        return None
    meta = [run.meta for run in runs]
    line = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "runs": [run.id for run in runs],
        "part": part,
        "test_sets": sorted({test_set_of(run, part) for run in runs}),
        "cohorts": [one.get("cohort") for one in meta],
        "splits": [(one.get("split") or {}).get("hash") for one in meta],
    }
    written = _append(workspace.path / LEDGER, line)
    found = looks_at(workspace, runs, part)
    return found if found is None else found | {"written": written}


def looks_at(workspace: Workspace, runs: Sequence["Run"], part: str) -> dict | None:
    """Return how often the test sets of these runs were looked at, None for ``validation``.

    Returns
    -------
    dict
        times (the most of all sets), sets: test set (a hash of its records) → runs, times.
    """
    if part not in COUNTED:
        return None
    rows = _rows(workspace.path / LEDGER)
    sets: dict[str, dict] = {}
    for run in runs:
        name = test_set_of(run, part)
        times = sum(name in row["test_sets"] for row in rows)
        sets.setdefault(name, {"runs": [], "times": times})["runs"].append(run.id)
    return {"times": max(one["times"] for one in sets.values()), "sets": sets}


def test_set_of(run: "Run", part: str) -> str:
    """Return what tells a test set from others: a hash of the names of its records."""
    predictions = run.predictions
    records = np.sort(predictions["record"].astype(str)[predictions["part"] == part])
    return hashlib.sha256("\n".join(records).encode()).hexdigest()[:16]


def looks_text(looks: dict | None) -> str:
    """Return ``This test set has been looked at 7 times.``, empty where nothing is counted."""
    if looks is None:
        return ""
    times = [one["times"] for one in looks["sets"].values()]
    if len(times) == 1:
        said = f"This test set has been looked at {_times(times[0])}."
    else:
        said = f"These test sets have been looked at {', '.join(map(_times, times))}."
    if not looks.get("written", True):
        said += " This look could not be written down: the home cannot be written to."
    return said


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"


def _append(file: Path, line: dict[str, Any]) -> bool:
    """Append one line in a single write, which no other process can come between."""
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


def _rows(file: Path) -> list[dict[str, Any]]:
    """Return the looks; a line that a full disk cut off is none."""
    rows = []
    for text in file.read_text("utf-8").splitlines() if file.exists() else ():
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(text))
    return rows
