"""One writer a cohort: others are told to wait."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ecgcore.errors import EcgError
from ecgcore.workspace import Workspace

_TORN = re.compile(r"\..+\.[0-9a-f]{8}(\.\d+)?")


@contextmanager
def written_alone(name: str, workspace: Workspace) -> Iterator[None]:
    """Hold a cohort while it is written, or say that another process does."""
    workspace.cohorts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(workspace.cohorts / f".{name}.lock", timeout=0):
            _remove_torn(workspace.cohorts / name)
            yield
            _remove_torn(workspace.cohorts / name)
    except Timeout:
        raise EcgError(
            f"Cohort '{name}' is being written by another ingest; wait until it is done."
        ) from None


def _remove_torn(cohort: Path) -> None:
    """Remove what killed writers left beside the files they (see ``atomic.write_atomic``)."""
    for file in cohort.rglob(".*"):
        if _TORN.fullmatch(file.name) and file.is_file():
            file.unlink()
