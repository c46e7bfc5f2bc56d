"""Executor selection: the values of ``--executor``, checked before any work starts."""

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
_RAY_URL = re.compile(r"ray://[^\s:/]+:\d+")
_ADDRESS_VARIABLE = "RAY_ADDRESS"


class Executor(Protocol):
    """Interface of an executor; the modules ``local`` and ``ray_cluster`` implement it."""

    def workers_for(self, records: int) -> int | None:
        """Return the number of workers for so many records; None if the executor decides."""
        ...

    def run_all(
        self,
        function: Callable[..., Any],
        jobs: Iterable[tuple],
        workers: int | None,
        on_done: Callable[[int], None],
        preload: tuple[str, ...] = (),
        on_refused: Callable[[int], None] = ...,
        shared_folder: Path | None = None,
    ) -> list[Any]:
        """Run all jobs; see ``local.run_all``."""
        ...


@contextmanager
def open_executor(name: str = LOCAL) -> Iterator[Executor]:
    """Yield an executor.

    Parameters
    ----------
    name
        ``local``: processes of this machine. ``ray``: the Ray cluster named by the environment
        variable RAY_ADDRESS, else one that is started on this machine and stopped at the end of
        the block. ``ray://HOST:PORT``: that cluster, as a Ray client.

    Raises
    ------
    RequestError
        The name is not one of these, or Ray is not installed.
    EcgError
        No cluster answers at the address.
    """
    check_executor(name)
    if name == LOCAL:
        yield local
        return
    from ecgcore.executors import ray_cluster

    with ray_cluster.connected(ray_address(name)):
        yield ray_cluster


def check_executor(name: str) -> None:
    """Refuse unknown executors, and Ray if it is not installed."""
    if name not in (LOCAL, "ray") and not _RAY_URL.fullmatch(name):
        raise RequestError(
            f"Work cannot run on '{name}': local, ray and ray://HOST:PORT are accepted."
        )
    if name != LOCAL and find_spec("ray") is None:
        raise RequestError(f"--executor {name} needs the extra: pip install 'ecgcore[cluster]'.")


def ray_address(name: str) -> str | None:
    """Return the cluster address of a Ray executor; None for a cluster started on this machine."""
    return os.environ.get(_ADDRESS_VARIABLE) or None if name == "ray" else name
