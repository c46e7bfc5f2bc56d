"""One writer a cohort: others are told to wait."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from ecgcore.errors import EcgError
from ecgcore.home import Home


@contextmanager
def written_alone(name: str, home: Home) -> Iterator[None]:
    """Hold a cohort while it is written, or say that another process does."""
    home.cohorts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home.cohorts / f".{name}.lock", timeout=0):
            yield
    except Timeout:
        raise EcgError(
            f"Cohort '{name}' is being written by another ingest; wait until it is done."
        ) from None
