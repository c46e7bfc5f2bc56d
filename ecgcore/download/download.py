"""Download of a published data set in its published layout."""

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
from ecgcore.download.fetch import TIMEOUT_S, NotFetched, fetch, is_complete, partial_path
from ecgcore.download.listing import SUMS, PublishedFile, listing_url, parse_listing
from ecgcore.download.sources import Source, find_source
from ecgcore.errors import EcgError, RequestError

if TYPE_CHECKING:
    import requests

PARALLEL = 6
_SPARE = 1.02
_GIVE_UP_AFTER = 8
"""Unreachable files in a row after which the download ends."""
_LISTING_TRIES = 3


@dataclass
class Progress:
    """Progress of a download: files of the data set, and bytes received in this run."""

    files: int = 0
    files_done: int = 0
    bytes_received: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DownloadPlan:
    """Files of a data set, those still missing, and the space they need."""

    source: Source
    folder: Path
    files: list[PublishedFile]
    missing: list[PublishedFile]
    listing: bytes
    needed_bytes: int
    free_bytes: int


def plan_download(name: str, to: Path | None = None, base_url: str | None = None) -> DownloadPlan:
    """Compare the publisher's list of files with those already downloaded.

    A file counts as downloaded if its checksum is correct.

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
        Unknown data set.
    EcgError
        No list of files, or not enough space: one line with the space needed and available.
    """
    source = find_source(name)
    folder = Path(to or Path("data") / name)
    base_url = (base_url or source.base_url).rstrip("/") + "/"
    if not base_url.startswith(("http://", "https://")):
        raise RequestError(f"An address begins with http:// or https://, not '{base_url}'.")
    content = _listing(source, base_url)
    files = parse_listing(source, base_url, content)
    missing = [file for file in files if not is_complete(folder / file.path, file)]
    plan = DownloadPlan(
        source=source,
        folder=folder,
        files=files,
        missing=missing,
        listing=content,
        needed_bytes=_needed(source, folder, files, missing),
        free_bytes=_free(folder),
    )
    _refuse_full_disk(plan)
    return plan


def download(
    plan: DownloadPlan,
    parallel: int = PARALLEL,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    pause_s: float = 1.0,
) -> dict[str, Any]:
    """Fetch the missing files of a plan, several at a time.

    A file that fails does not stop the others.

    Parameters
    ----------
    plan
        From ``plan_download``.
    parallel
        Files at a time, 1 to 16.
    on_progress
        Called repeatedly, from this thread.
    pause_s
        Seconds before a broken connection is retried, doubled each time.

    Returns
    -------
    dict
        ``dataset``, ``version``, ``to``, ``files``, ``fetched``, ``already_there``, ``bytes``
        (received in this run), ``seconds``.

    Raises
    ------
    EcgError
        Some files could not be fetched: the first by name with its reason, and how many.
    """
    started = time.monotonic()
    progress = Progress(len(plan.files), len(plan.files) - len(plan.missing))
    with _exclusive(plan.folder):
        _fetch_all(plan, parallel, progress, on_progress, pause_s)
        if plan.source.listing == "sha256sums":
            write_atomic(plan.folder / SUMS, lambda file: file.write_bytes(plan.listing))
    if progress.failed:
        left = progress.files - progress.files_done
        others = f" {left} of {progress.files} files are still missing." if left > 1 else ""
        raise EcgError(progress.failed[0] + others)
    return {
        "dataset": plan.source.name,
        "version": plan.source.version,
        "to": str(plan.folder),
        "files": len(plan.files),
        "fetched": len(plan.missing),
        "already_there": len(plan.files) - len(plan.missing),
        "bytes": progress.bytes_received,
        "seconds": round(time.monotonic() - started, 2),
    }


def _fetch_all(
    plan: DownloadPlan,
    parallel: int,
    progress: Progress,
    on_progress: Callable[[Progress], None],
    pause_s: float,
) -> None:
    """Fetch the missing files; failures are listed in ``progress``."""
    sessions = _Sessions()

    def fetch_one(file: PublishedFile) -> None:
        fetch(file, plan.folder / file.path, sessions.of_this_thread(), sessions.count, pause_s)

    pool = ThreadPoolExecutor(parallel, thread_name_prefix="download")
    try:
        pending = {pool.submit(fetch_one, file) for file in plan.missing}
        unreachable = 0
        while pending:
            done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                error = _error_of(future)
                progress.files_done += error is None
                unreachable = unreachable + 1 if error and error.is_unreachable else 0
                if error:
                    progress.failed.append(str(error))
            if unreachable >= _GIVE_UP_AFTER:
                pending = {future for future in pending if not future.cancel()}
            progress.bytes_received = sessions.bytes_received
            on_progress(progress)
    finally:
        sessions.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
        sessions.close()


def _error_of(future: "Future[None]") -> NotFetched | None:
    """Return the error of a file that was not fetched; raise any other error."""
    try:
        future.result()
    except NotFetched as error:
        return error
    return None


class _Stopped(EcgError):
    """The download ends; incomplete files remain for the next run."""


class _Sessions:
    """One session per thread, so that connections are reused; stopped and closed together."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._local, self._lock = threading.local(), threading.Lock()
        self._all: list[requests.Session] = []
        self.bytes_received = 0

    def of_this_thread(self) -> "requests.Session":
        """Return this thread's session."""
        import requests

        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            with self._lock:
                self._all.append(self._local.session)
        return self._local.session

    def count(self, n_bytes: int) -> None:
        """Count received bytes, from any thread, and raise in it once the download is stopped."""
        if self.stopped.is_set():
            raise _Stopped("The download was stopped.")
        with self._lock:
            self.bytes_received += n_bytes

    def close(self) -> None:
        """Close all connections."""
        for session in self._all:
            session.close()


def _listing(source: Source, base_url: str) -> bytes:
    """Return the publisher's list of files."""
    import requests

    url = listing_url(source, base_url)
    problem = ""
    for _ in range(_LISTING_TRIES):
        try:
            with requests.get(url, timeout=TIMEOUT_S) as response:
                if response.ok:
                    return response.content
                problem = f"the server answered {response.status_code}"
        except requests.RequestException as error:
            problem = type(error).__name__
    raise EcgError(
        f"The list of files of {source.name} cannot be fetched from {url} ({problem}). Check the "
        "connection, or use another address with --base-url."
    )


def _needed(
    source: Source, folder: Path, files: list[PublishedFile], missing: list[PublishedFile]
) -> int:
    """Return about how many bytes on disk are still needed."""
    sizes = [file.size for file in files]
    if None not in sizes:
        total = sum(file.size or 0 for file in missing)
    else:
        total = (source.bytes or 0) * len(missing) // source.files
    parts = (partial_path(folder / file.path) for file in missing)
    present = sum(part.stat().st_size for part in parts if part.exists())
    return max(0, int(total * _SPARE) - present)


def _free(folder: Path) -> int:
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(existing).free


def _refuse_full_disk(plan: DownloadPlan) -> None:
    if plan.needed_bytes > plan.free_bytes:
        raise EcgError(
            f"{plan.source.title} needs {plan.needed_bytes / 1e9:.2f} GB more in {plan.folder} and "
            f"{plan.free_bytes / 1e9:.2f} GB are free; make room or choose another folder with "
            "--to. Nothing was downloaded."
        )


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Refuse a second download into the same folder."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".download.lock", timeout=0):
            yield
            (folder / ".download.lock").unlink(missing_ok=True)
    except Timeout:
        raise EcgError(f"Another download writes to {folder}; wait until it is done.") from None
