"""Cohorts that lie elsewhere (``s3://``, ``gs://``, ``file://`` …): read through a local cache.

Below ``remote/`` of the home each place has a folder that looks like a cohort's own: its
``cohort.json`` is fetched whenever the cohort is opened, every other file when it is first needed.
What is fetched is checked against the hash that ``push`` wrote, and the files that were used
longest ago go where the cache grows beyond ``ECGCORE_CACHE_GB`` (default 20).
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ecgcore.atomic import read_json, sha256_file, write_atomic, write_json
from ecgcore.errors import EcgError, NotFound, RequestError
from ecgcore.workspace import Workspace

CACHE = "remote"
LIMIT, USUAL_GB = "ECGCORE_CACHE_GB", 20.0
FILES, URL = "files", "url"
"""What the ``cohort.json`` of a cohort that was pushed holds besides: each file's ``bytes``,
``mtime_ns`` and ``sha256`` by path, and here where it lies."""


def is_url(name: str) -> bool:
    """Return whether a cohort's name is a place elsewhere."""
    return "://" in name


def opened(url: str, workspace: Workspace) -> Path:
    """Return the local folder of the cohort at ``url``, its ``cohort.json`` fetched anew.

    Raises
    ------
    NotFound
        No cohort is there.
    RequestError
        The URL holds a password, or its driver lacks.
    EcgError
        The place cannot be reached.
    """
    url = url.rstrip("/")
    with reached(url) as (files, path):
        try:
            meta = json.loads(files.cat_file(f"{path}/cohort.json"))
        except FileNotFoundError:
            raise NotFound(
                f"No cohort is at {url}. Bring one there: ecgcore cohorts push NAME {url}."
            ) from None
    if FILES not in meta:
        raise RequestError(
            f"{url} holds a cohort that was copied there, not pushed: nothing tells whether its "
            f"files are whole. Push it: ecgcore cohorts push NAME {url}."
        )
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = workspace.path / CACHE / name
    write_json(folder / "cohort.json", meta | {URL: url})
    return folder


@contextmanager
def reached(url: str) -> Iterator[tuple[Any, str]]:
    """Yield the file system of a URL and the path there; what goes wrong is one line."""
    if urlsplit(url).username or urlsplit(url).password:
        raise RequestError(
            "A URL is kept and shown, so it holds no user or password: leave them to the driver's "
            "own settings (AWS_ACCESS_KEY_ID …, ~/.aws, GOOGLE_APPLICATION_CREDENTIALS)."
        )
    try:
        import fsspec

        files, path = fsspec.core.url_to_fs(url)
    except ImportError:
        raise RequestError(
            f"{url} needs the extra 'cluster': pip install 'ecgcore[cluster]'."
        ) from None
    except ValueError as error:
        raise RequestError(f"{url} is no place that can be read: {_line(error)}.") from None
    try:
        yield files, path.rstrip("/")
    except _troubles() as error:
        raise EcgError(
            f"{url} cannot be reached: {_line(error)}. Check the address, the network and the "
            "driver's settings."
        ) from error


def _troubles() -> tuple[type[BaseException], ...]:
    """Return what drivers raise; those of drivers that were not loaded cannot come."""
    known = [("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError")]
    known += [("google.auth.exceptions", "GoogleAuthError")]
    loaded = [getattr(sys.modules[m], name) for m, name in known if m in sys.modules]
    return (OSError, ValueError, *loaded)


def _line(error: BaseException) -> str:
    said = str(error).strip() or type(error).__name__
    return said.splitlines()[0].rstrip(".")


def need(file: Path) -> Path:
    """Return a file of a cohort, fetched first where the cohort lies elsewhere and it lacks.

    Raises
    ------
    RequestError
        The cohort elsewhere has no such file, such as those that name its recordings' files.
    EcgError
        It cannot be reached, or has changed since it was opened.
    """
    folder = _cached_cohort(file)
    if folder is None:
        return file
    meta, name = _meta(folder), file.relative_to(folder).as_posix()
    wanted = meta[FILES].get(name)
    if wanted is None:
        raise RequestError(
            f"{meta[URL]} has no {name}: which files its records were read from is known only "
            "where it was made."
        )
    if _stat(file) == _size_and_time(wanted):
        os.utime(file, ns=(time.time_ns(), wanted["mtime_ns"]))  # used just now
    else:
        _make_room(folder.parent, wanted["bytes"])
        _fetch(f"{meta[URL]}/{name}", file, wanted)
    return file


def told(file: Path) -> tuple[int, int]:
    """Return a cohort's file's size in bytes and time in ns, fetched or not; zeros for none."""
    folder = _cached_cohort(file)
    if folder is None:
        return _stat(file)
    wanted = _meta(folder)[FILES].get(file.relative_to(folder).as_posix())
    return _size_and_time(wanted) if wanted else (0, 0)


def _fetch(url: str, file: Path, wanted: dict[str, Any]) -> None:
    def fetch(beside: Path) -> None:
        with reached(url) as (files, path):
            files.get_file(path, str(beside))
        if sha256_file(beside) != wanted["sha256"]:
            raise EcgError(f"{url} has changed since its cohort was opened; begin again.")
        os.utime(beside, ns=(time.time_ns(), wanted["mtime_ns"]))

    write_atomic(file, fetch)


def _cached_cohort(file: Path) -> Path | None:
    """Return the folder in the cache of the cohort that a file is of, None for one at home."""
    parts = file.parts
    if CACHE not in parts:
        return None
    depth = len(parts) - 1 - parts[::-1].index(CACHE)
    folder = Path(*parts[: depth + 2])
    return folder if URL in _meta(folder) else None


def _meta(folder: Path) -> dict[str, Any]:
    file = folder / "cohort.json"
    return _read_meta(file, file.stat().st_mtime_ns) if file.exists() else {}


@lru_cache(maxsize=8)
def _read_meta(file: Path, mtime_ns: int) -> dict[str, Any]:
    return read_json(file)


def _make_room(cache: Path, bytes_needed: int) -> None:
    """Remove what was used longest ago, so that the cache stays below its limit."""
    found = [(f.stat(), f) for f in cache.rglob("*") if f.is_file() and f.name != "cohort.json"]
    too_much = sum(stat.st_size for stat, _ in found) + bytes_needed - limit_bytes()
    for stat, file in sorted(found, key=lambda pair: pair[0].st_atime_ns):
        if too_much <= 0:
            return
        file.unlink(missing_ok=True)  # who has it mapped keeps it
        too_much -= stat.st_size


def limit_bytes() -> int:
    """Return how large the cache may grow."""
    given = os.environ.get(LIMIT, str(USUAL_GB))
    try:
        return round(float(given) * 1e9)
    except ValueError:
        raise RequestError(f"{LIMIT} is '{given}'; accepted is a number of GB.") from None


def _size_and_time(wanted: dict[str, Any]) -> tuple[int, int]:
    return wanted["bytes"], wanted["mtime_ns"]


def _stat(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
