"""A whole published data set, brought here in its published layout."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgcore.atomic import write_atomic
from ecgcore.download.fetch import TIMEOUT_S, NotFetched, fetch, is_whole, part_of
from ecgcore.download.listing import SUMS, Listed, listed, listing_url
from ecgcore.download.sources import Source, find_source
from ecgcore.errors import EcgError, RequestError

if TYPE_CHECKING:
    import requests

PARALLEL = 6
_SPARE = 1.02
_GIVE_UP_AFTER = 8
"""Files in a row for which there was no connection."""
_LISTING_TRIES = 3


@dataclass
class Progress:
    """How far a download is; files are those of the data set, bytes those that came now."""

    files: int = 0
    files_done: int = 0
    bytes_come: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DownloadPlan:
    """What has to be fetched: its files, those already here, and the space still needed."""

    source: Source
    folder: Path
    files: list[Listed]
    missing: list[Listed]
    listing: bytes
    needed_bytes: int
    free_bytes: int


def plan(name: str, to: Path | None = None, base_url: str | None = None) -> DownloadPlan:
    """Ask the publisher which files a data set has, and look which are here already.

    Files that are here are known by their sum.

    Parameters
    ----------
    name
        ``ptb-xl``, ``ecg-arrhythmia``, ``ludb`` or ``code-15``.
    to
        The folder of the data set; default ``data/NAME``.
    base_url
        Address of a mirror of the data set's folder, http or https; default the publisher's.

    Raises
    ------
    NotFound
        No such data set.
    EcgError
        No list of files there, or not enough space: one line with what is needed and free.
    """
    source = find_source(name)
    folder = Path(to or Path("data") / name)
    base_url = (base_url or source.base_url).rstrip("/") + "/"
    if not base_url.startswith(("http://", "https://")):
        raise RequestError(f"An address begins with http:// or https://, not '{base_url}'.")
    content = _listing(source, base_url)
    files = listed(source, base_url, content)
    missing = [file for file in files if not is_whole(folder / file.path, file)]
    made = DownloadPlan(
        source=source,
        folder=folder,
        files=files,
        missing=missing,
        listing=content,
        needed_bytes=_needed(source, folder, files, missing),
        free_bytes=_free(folder),
    )
    _refuse_full_disk(made)
    return made


def download(
    made: DownloadPlan,
    parallel: int = PARALLEL,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    pause_s: float = 1.0,
) -> dict[str, Any]:
    """Fetch what a plan says is missing, several files at a time.

    A file that fails doesn't stop the others.

    Parameters
    ----------
    made
        From ``plan``.
    parallel
        Files at a time, 1 to 16.
    on_progress
        Called now and then, from this thread.
    pause_s
        Seconds before a broken connection is tried again, doubled each time.

    Returns
    -------
    dict
        ``dataset``, ``version``, ``to``, ``files``, ``fetched``, ``already_there``, ``bytes``
        (that came now), ``seconds``.

    Raises
    ------
    EcgError
        Some files could not be fetched: the first by name with its reason, and how many.
    """
    started = time.monotonic()
    progress = Progress(len(made.files), len(made.files) - len(made.missing))
    with _only_one(made.folder):
        _fetch_all(made, parallel, progress, on_progress, pause_s)
        if made.source.listing == "sha256sums":
            write_atomic(made.folder / SUMS, lambda file: file.write_bytes(made.listing))
    if progress.failed:
        left = progress.files - progress.files_done
        others = f" {left} of {progress.files} files are not here yet." if left > 1 else ""
        raise EcgError(progress.failed[0] + others)
    return {
        "dataset": made.source.name,
        "version": made.source.version,
        "to": str(made.folder),
        "files": len(made.files),
        "fetched": len(made.missing),
        "already_there": len(made.files) - len(made.missing),
        "bytes": progress.bytes_come,
        "seconds": round(time.monotonic() - started, 2),
    }


def _fetch_all(
    made: DownloadPlan,
    parallel: int,
    progress: Progress,
    on_progress: Callable[[Progress], None],
    pause_s: float,
) -> None:
    """Fetch the missing files; what failed is in ``progress``."""
    sessions = _Sessions()

    def one(file: Listed) -> None:
        fetch(file, made.folder / file.path, sessions.mine(), sessions.count, pause_s)

    pool = ThreadPoolExecutor(parallel, thread_name_prefix="download")
    try:
        waiting = {pool.submit(one, file) for file in made.missing}
        unreachable = 0
        while waiting:
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                error = _error_of(future)
                progress.files_done += error is None
                unreachable = unreachable + 1 if error and error.broken else 0
                if error:
                    progress.failed.append(str(error))
            if unreachable >= _GIVE_UP_AFTER:
                waiting = {future for future in waiting if not future.cancel()}
            progress.bytes_come = sessions.bytes_come
            on_progress(progress)
    finally:
        sessions.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
        sessions.close()


def _error_of(future: "Future[None]") -> NotFetched | None:
    """Return why a file was not fetched; any other error is raised."""
    try:
        future.result()
    except NotFetched as error:
        return error
    return None


class _Stopped(EcgError):
    """The download ends; what has come of a file stays for the next time."""


class _Sessions:
    """One session a thread, so that connections are used again; stopped and closed together."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._local, self._lock = threading.local(), threading.Lock()
        self._all: list[requests.Session] = []
        self.bytes_come = 0

    def mine(self) -> "requests.Session":
        """Return this thread's session."""
        import requests

        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            with self._lock:
                self._all.append(self._local.session)
        return self._local.session

    def count(self, n_bytes: int) -> None:
        """Count bytes that came, in any thread; the place where a thread notices the end."""
        if self.stopped.is_set():
            raise _Stopped("The download was stopped.")
        with self._lock:
            self.bytes_come += n_bytes

    def close(self) -> None:
        """Close all connections."""
        for session in self._all:
            session.close()


def _listing(source: Source, base_url: str) -> bytes:
    """Return the publisher's list of files, or say in one line why there is none."""
    import requests

    url = listing_url(source, base_url)
    why = ""
    for _ in range(_LISTING_TRIES):
        try:
            with requests.get(url, timeout=TIMEOUT_S) as response:
                if response.ok:
                    return response.content
                why = f"the server answered {response.status_code}"
        except requests.RequestException as error:
            why = type(error).__name__
    raise EcgError(
        f"The list of files of {source.name} cannot be had from {url} ({why}). Check the "
        "connection, or take another address with --base-url."
    )


def _needed(source: Source, folder: Path, files: list[Listed], missing: list[Listed]) -> int:
    """Return about how many bytes are still to come onto the disk."""
    sizes = [file.size for file in files]
    if None not in sizes:
        total = sum(file.size or 0 for file in missing)
    else:
        total = (source.bytes or 0) * len(missing) // source.files
    here = (part_of(folder / file.path) for file in missing)
    return max(0, int(total * _SPARE) - sum(part.stat().st_size for part in here if part.exists()))


def _free(folder: Path) -> int:
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(existing).free


def _refuse_full_disk(made: DownloadPlan) -> None:
    if made.needed_bytes > made.free_bytes:
        raise EcgError(
            f"{made.source.title} needs {made.needed_bytes / 1e9:.2f} GB more in {made.folder} and "
            f"{made.free_bytes / 1e9:.2f} GB are free; make room or choose another folder with "
            "--to. Nothing was downloaded."
        )


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep a second download out of the same folder."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".download.lock", timeout=0):
            yield
            (folder / ".download.lock").unlink(missing_ok=True)
    except Timeout:
        raise EcgError(f"Another download writes {folder}; wait until it is done.") from None
