"""Lock of a cohort: one writer at a time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ecgcore.errors import EcgError
from ecgcore.workspace import Workspace

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}(\.\d+)?")


@contextmanager
def exclusive_lock(name: str, workspace: Workspace) -> Iterator[None]:
    """Lock a cohort for writing, or raise EcgError if another process writes it."""
    workspace.cohorts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(workspace.cohorts / f".{name}.lock", timeout=0):
            _remove_temporary_files(workspace.cohorts / name)
            yield
            _remove_temporary_files(workspace.cohorts / name)
    except Timeout:
        raise EcgError(
            f"Cohort '{name}' is being written by another ingest; wait until it is done."
        ) from None


def _remove_temporary_files(cohort: Path) -> None:
    """Remove the temporary files of interrupted writers (see ``atomic.write_atomic``)."""
    for file in cohort.rglob(".*"):
        if _TEMPORARY.fullmatch(file.name) and file.is_file():
            file.unlink()
