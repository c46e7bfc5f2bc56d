"""Download of one published file: resumed after interruptions and verified by checksum.

An incomplete file is stored as ``.NAME.part`` next to its destination and resumed by a Range
request; a server without Range support sends all of it again. It gets its final name once its
checksum is correct.
"""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ecgcore.download.listing import PublishedFile
from ecgcore.errors import EcgError

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16
"""Bytes; at most this much is lost when a connection breaks."""
TIMEOUT_S = (15, 60)
"""Seconds to connect, and between two chunks of a file."""
MAX_MISMATCHES = 3
"""Downloads of a file with a wrong checksum before it is refused."""
MAX_BROKEN = 6
"""Connections in a row that break without new bytes before a file is given up."""
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_PAUSE_S = 60.0


class NotFetched(EcgError):
    """A published file that could not be downloaded; ``is_unreachable`` without a connection."""

    is_unreachable = False


def is_complete(file: Path, published: PublishedFile) -> bool:
    """Return whether a file exists and has the published checksum."""
    if not file.is_file() or published.size not in (None, file.stat().st_size):
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, published.algorithm).hexdigest() == published.digest


def partial_path(file: Path) -> Path:
    """Return the path of a file while it is incomplete."""
    return file.with_name(f".{file.name}.part")


def fetch(
    published: PublishedFile,
    file: Path,
    session: "requests.Session",
    on_bytes: Callable[[int], None] = lambda n: None,
    pause_s: float = 1.0,
) -> None:
    """Download a published file to ``file``.

    Parameters
    ----------
    published, file
        The file and its destination.
    session
        Session whose connections are reused; one per thread.
    on_bytes
        Called with the number of bytes of each chunk received.
    pause_s
        Seconds before the second attempt, doubled for each further one.

    Raises
    ------
    NotFetched
        Missing, wrong at each attempt, or no connection; one line with the file's name.
    """
    part = partial_path(file)
    part.parent.mkdir(parents=True, exist_ok=True)
    mismatches = broken = 0
    while True:
        before = _size(part)
        problem = _resume(published, part, session, on_bytes)
        if not problem:
            if is_complete(part, published):
                os.replace(part, file)
                return
            part.unlink(missing_ok=True)
            mismatches, broken = mismatches + 1, 0
            if mismatches == MAX_MISMATCHES:
                raise _wrong_checksum(published)
        else:
            broken = broken + 1 if _size(part) <= before else 1
            if broken == MAX_BROKEN:
                raise _unreachable(published, problem)
        time.sleep(min(pause_s * 2 ** max(0, mismatches + broken - 1), _LONGEST_PAUSE_S))


def _resume(
    published: PublishedFile,
    part: Path,
    session: "requests.Session",
    on_bytes: Callable[[int], None],
) -> str:
    """Fetch the rest of a file; return why the connection ended early, or an empty string."""
    import requests

    start = _size(part)
    if start and start == published.size:
        return ""
    try:
        with session.get(
            published.url, headers=_request_headers(start), stream=True, timeout=TIMEOUT_S
        ) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return ""  # already at its end: the checksum decides
            if response.status_code in _RETRY_STATUS:
                return f"the server answered {response.status_code}"
            _refuse_status(published, response.status_code)
            with part.open("ab" if _continues(response, start) else "wb") as out:
                for chunk in response.iter_content(CHUNK):
                    out.write(chunk)
                    on_bytes(len(chunk))
    except requests.RequestException as error:
        return type(error).__name__
    except OSError as error:
        raise EcgError(f"{part.parent} cannot be written: {error.strerror or error}.") from error
    return ""


def _request_headers(start: int) -> dict[str, str]:
    return {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})


def _continues(response: "requests.Response", start: int) -> bool:
    """Return whether a response continues the part instead of starting at the beginning."""
    content_range = response.headers.get("Content-Range", "")
    return response.status_code == 206 and content_range.replace(" ", "").startswith(
        f"bytes{start}-"
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _refuse_status(published: PublishedFile, status: int) -> None:
    if status not in (200, 206):
        raise NotFetched(
            f"{published.path}: the server answered {status} for {published.url}. Try again "
            "later, or use another address with --base-url."
        )


def _wrong_checksum(published: PublishedFile) -> NotFetched:
    return NotFetched(
        f"{published.path}: its bytes are not those published ({published.algorithm.upper()} "
        f"differs, {MAX_MISMATCHES} times). Try again later, or use another address with "
        "--base-url."
    )


def _unreachable(published: PublishedFile, problem: str) -> NotFetched:
    error = NotFetched(
        f"{published.path}: no connection to {published.url} ({problem}, {MAX_BROKEN} times). Run "
        "the same command again to resume it."
    )
    error.is_unreachable = True
    return error
