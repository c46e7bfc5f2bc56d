"""Tables that stand beside recordings, or some folders above them, and tell of them."""

from pathlib import Path

TABLES = (
    "ptbxl_database.csv",  # PTB-XL
    "metadata.csv",  # SPH
    "exams.csv",  # CODE-15, as published
    "meta.csv",  # CODE-15, cut into one file a record
    "labels/labels.csv",
    "Diagnostics.xlsx",  # Chapman, as published on figshare
)
"""Files that are looked for above a recording, as reached from their folder."""
_FOLDERS_UP = 4


def above(path: Path, table: str) -> Path | None:
    """Return the nearest table of that name in a recording's folder or in those above, or None.

    It is the file itself where what lies there is a link to it.
    """
    for folder in path.absolute().parents[:_FOLDERS_UP]:
        if (folder / table).is_file():
            return (folder / table).resolve()
    return None
