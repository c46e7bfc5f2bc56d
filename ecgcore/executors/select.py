"""What ``--executor`` means: where work is to run, checked before anything is begun."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from ecgcore.errors import RequestError
from ecgcore.executors import local

LOCAL = "local"
_CLIENT = re.compile(r"ray://[^\s:/]+:\d+")
_ADDRESS = "RAY_ADDRESS"


class Engine(Protocol):
    """Where work runs; the modules ``local`` and ``on_ray`` are such."""

    def workers_for(self, records: int) -> int | None:
        """Return how many workers so many records are worth; None: the engine sees to it."""
        ...

    def run_all(
        self,
        work: Callable[..., Any],
        jobs: Iterable[tuple],
        workers: int | None,
        on_done: Callable[[int], None],
        needs: tuple[str, ...] = (),
        on_refused: Callable[[int], None] = ...,
        shared: Path | None = None,
    ) -> list[Any]:
        """Do all jobs; see ``local.run_all``."""
        ...


@contextmanager
def engine(on: str = LOCAL) -> Iterator[Engine]:
    """Yield where work runs.

    Parameters
    ----------
    on
        ``local``: processes of this machine. ``ray``: the Ray cluster that the environment
        variable RAY_ADDRESS names, else one that is started on this machine and ended with the
        block. ``ray://HOST:PORT``: that one, as a Ray client.

    Raises
    ------
    RequestError
        Something else, or Ray is not installed.
    EcgError
        No cluster answers there.
    """
    check(on)
    if on == LOCAL:
        yield local
        return
    from ecgcore.executors import ray_cluster

    with ray_cluster.connected(address_of(on)):
        yield ray_cluster


def check(on: str) -> None:
    """Refuse what is no place to work, and Ray where it is not installed."""
    if on not in (LOCAL, "ray") and not _CLIENT.fullmatch(on):
        raise RequestError(
            f"Work cannot run on '{on}': local, ray and ray://HOST:PORT are accepted."
        )
    if on != LOCAL and find_spec("ray") is None:
        raise RequestError(f"--executor {on} needs the extra: pip install 'ecgcore[cluster]'.")


def address_of(on: str) -> str | None:
    """Return the address of the cluster that is meant, None for one to be started here."""
    return os.environ.get(_ADDRESS) or None if on == "ray" else on
