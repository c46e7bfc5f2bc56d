"""What became of every file of a folder that was ingested: the table for the caller's own eyes."""

from pathlib import Path
from typing import Any

from ecgcore.records.discover import account


def files(folder: Path, answer: dict[str, Any]) -> list[dict[str, str]]:
    """Return each file of a folder, those in its zip files too, and what it is.

    Parameters
    ----------
    folder
        As it was given to ``ingest``.
    answer
        What ``ingest`` answered; its paths are as reached from ``folder``.

    Returns
    -------
    list
        ``path`` and ``what``: ``record``, ``record: duplicate of RECORD``, ``refused: REASON``,
        ``companion of NAME``, ``table``, ``licence or readme``, ``container of records``,
        ``annotations without their recording``, ``hidden file`` or ``other: no recording``.
    """
    came = {row["path"]: f"refused: {row['reason']}" for row in answer["rejected"]}
    came |= {row["path"]: f"record: duplicate of {row['of']}" for row in answer["duplicates"]}
    return [
        {"path": str(path), "what": came.get(str(path), what)} for path, what in account(folder)
    ]
