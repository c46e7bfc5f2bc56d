"""Remote cohorts (``s3://``, ``gs://``, ``file://`` …), read through a local cache.

``remote/`` in the workspace has a folder for each URL that looks like a cohort's own folder. Its
``cohort.json`` is downloaded whenever the cohort is opened, every other file when it is first
needed. Downloads are verified against the hash that ``push`` wrote. When the cache exceeds
``ECGCORE_CACHE_GB`` (default 20), the least recently used files are removed.
"""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ecgcore.atomic import parse_json, read_json, sha256_file, write_atomic, write_json
from ecgcore.errors import DamagedFile, EcgError, NotFound, RequestError
from ecgcore.workspace import Workspace

CACHE = "remote"
LIMIT_VARIABLE, DEFAULT_LIMIT_GB = "ECGCORE_CACHE_GB", 20.0
FILES_KEY, URL_KEY = "files", "url"
"""Additional entries in the ``cohort.json`` of a pushed cohort: ``bytes``, ``mtime_ns`` and
``sha256`` of each file by path; and, in the cache, its URL."""


def is_url(name: str) -> bool:
    """Return whether a cohort's name is a URL."""
    return "://" in name


def open_remote(url: str, workspace: Workspace) -> Path:
    """Return the cache folder of the cohort at ``url``, with a fresh ``cohort.json``.

    Raises
    ------
    NotFound
        There is no cohort at the URL.
    RequestError
        The URL holds a password, or its driver is not installed.
    EcgError
        The URL cannot be reached.
    """
    url = url.rstrip("/")
    with connect(url) as (file_system, path):
        try:
            meta = parse_json(file_system.cat_file(f"{path}/cohort.json").decode())
        except FileNotFoundError:
            raise NotFound(
                f"No cohort is at {url}. Upload one: ecgcore cohorts push NAME {url}."
            ) from None
        except (ValueError, RecursionError):
            raise DamagedFile(f"{url} holds no whole cohort.json; push the cohort again.") from None
    if not isinstance(meta, dict) or FILES_KEY not in meta:
        raise RequestError(
            f"{url} holds a cohort that was copied there, not pushed, so its files cannot be "
            f"verified. Push it: ecgcore cohorts push NAME {url}."
        )
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = workspace.path / CACHE / name
    write_json(folder / "cohort.json", meta | {URL_KEY: url})
    return folder


@contextmanager
def connect(url: str) -> Iterator[tuple[Any, str]]:
    """Yield the file system of a URL and the path in it; errors become one line."""
    if urlsplit(url).username or urlsplit(url).password:
        raise RequestError(
            "A URL is stored and shown, so it must hold no user or password: put them into the "
            "driver's own settings (AWS_ACCESS_KEY_ID …, ~/.aws, GOOGLE_APPLICATION_CREDENTIALS)."
        )
    try:
        import fsspec

        file_system, path = fsspec.core.url_to_fs(url)
    except ImportError:
        raise RequestError(
            f"{url} needs the extra 'cluster': pip install 'ecgcore[cluster]'."
        ) from None
    except ValueError as error:
        raise RequestError(f"{url} is not a readable URL: {_first_line(error)}.") from None
    try:
        yield file_system, path.rstrip("/")
    except _driver_errors() as error:
        raise EcgError(
            f"{url} cannot be reached: {_first_line(error)}. Check the address, the network and "
            "the driver's settings."
        ) from error


def _driver_errors() -> tuple[type[BaseException], ...]:
    """Return the error types of the drivers that are loaded; others cannot be raised."""
    known = [("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError")]
    known += [("google.auth.exceptions", "GoogleAuthError")]
    loaded = [getattr(sys.modules[m], name) for m, name in known if m in sys.modules]
    return (OSError, ValueError, *loaded)


def _first_line(error: BaseException) -> str:
    message = str(error).strip() or type(error).__name__
    return message.splitlines()[0].rstrip(".")


def local_file(file: Path) -> Path:
    """Return a file of a cohort; the file of a remote cohort is downloaded first if needed.

    Raises
    ------
    RequestError
        The remote cohort has no such file, for example those that name its recordings' files.
    EcgError
        The cohort cannot be reached, or has changed since it was opened.
    """
    folder = _cache_folder(file)
    if folder is None:
        return file
    meta, name = _meta(folder), file.relative_to(folder).as_posix()
    entry = meta[FILES_KEY].get(name)
    if entry is None:
        raise RequestError(
            f"{meta[URL_KEY]} has no {name}: which files its records were read from is known only "
            "where it was made."
        )
    if _stat(file) == _size_and_time(entry):
        os.utime(file, ns=(time.time_ns(), entry["mtime_ns"]))  # mark as recently used
    else:
        _free_cache(folder.parent, entry["bytes"])
        _download(f"{meta[URL_KEY]}/{name}", file, entry)
    return file


def size_and_mtime(file: Path) -> tuple[int, int]:
    """Return the size in bytes and time in ns of a cohort's file, cached or not; zeros if none."""
    folder = _cache_folder(file)
    if folder is None:
        return _stat(file)
    entry = _meta(folder)[FILES_KEY].get(file.relative_to(folder).as_posix())
    return _size_and_time(entry) if entry else (0, 0)


def _download(url: str, file: Path, entry: dict[str, Any]) -> None:
    def fetch(temporary: Path) -> None:
        with connect(url) as (file_system, path):
            file_system.get_file(path, str(temporary))
        if sha256_file(temporary) != entry["sha256"]:
            raise EcgError(f"{url} has changed since its cohort was opened; begin again.")
        os.utime(temporary, ns=(time.time_ns(), entry["mtime_ns"]))

    write_atomic(file, fetch)


def _cache_folder(file: Path) -> Path | None:
    """Return the cache folder of the cohort that a file belongs to, None for a local cohort."""
    parts = file.parts
    if CACHE not in parts:
        return None
    depth = len(parts) - 1 - parts[::-1].index(CACHE)
    folder = Path(*parts[: depth + 2])
    return folder if URL_KEY in _meta(folder) else None


def _meta(folder: Path) -> dict[str, Any]:
    file = folder / "cohort.json"
    return _read_meta(file, file.stat().st_mtime_ns) if file.exists() else {}


@lru_cache(maxsize=8)
def _read_meta(file: Path, mtime_ns: int) -> dict[str, Any]:
    return read_json(file)


def _free_cache(cache: Path, bytes_needed: int) -> None:
    """Remove the least recently used files until the cache stays below its limit."""
    files = [(f.stat(), f) for f in cache.rglob("*") if f.is_file() and f.name != "cohort.json"]
    excess = sum(stat.st_size for stat, _ in files) + bytes_needed - limit_bytes()
    for stat, file in sorted(files, key=lambda pair: pair[0].st_atime_ns):
        if excess <= 0:
            return
        file.unlink(missing_ok=True)  # processes that have it mapped keep it
        excess -= stat.st_size


def limit_bytes() -> int:
    """Return the largest size of the cache in bytes."""
    value = os.environ.get(LIMIT_VARIABLE, str(DEFAULT_LIMIT_GB))
    try:
        return round(float(value) * 1e9)
    except ValueError:
        raise RequestError(f"{LIMIT_VARIABLE} is '{value}'; accepted is a number of GB.") from None


def _size_and_time(entry: dict[str, Any]) -> tuple[int, int]:
    return entry["bytes"], entry["mtime_ns"]


def _stat(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns
