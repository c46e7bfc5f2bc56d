"""Bringing one published file here: in parts if need be, whole and checked in the end.

What has come is kept in ``.NAME.part`` beside the file. It is resumed by a Range request; a server
that doesn't know Range sends all of it again. The file gets its name when its sum is right.
"""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ecgcore.download.listing import Listed
from ecgcore.errors import EcgError

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16
"""Bytes; at most so much is lost when a connection breaks."""
TIMEOUT_S = (15, 60)
"""To connect, and between two pieces of a file."""
WRONG_BYTES = 3
"""So often a file with wrong bytes is fetched anew."""
BROKEN = 6
"""So often in a row a connection may break without having brought anything."""
_TRY_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_PAUSE_S = 60.0


class NotFetched(EcgError):
    """A published file that could not be brought here; ``broken``: for want of a connection."""

    broken = False


def is_whole(file: Path, wanted: Listed) -> bool:
    """Return whether a file is there with the published sum."""
    if not file.is_file() or wanted.size not in (None, file.stat().st_size):
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, wanted.algorithm).hexdigest() == wanted.digest


def part_of(file: Path) -> Path:
    """Return where the file lies while it is not whole."""
    return file.with_name(f".{file.name}.part")


def fetch(
    wanted: Listed,
    file: Path,
    session: "requests.Session",
    on_bytes: Callable[[int], None] = lambda n: None,
    pause_s: float = 1.0,
) -> None:
    """Bring a published file to ``file``.

    Parameters
    ----------
    wanted, file
        What, and where to.
    session
        Whose connections are used again; one a thread.
    on_bytes
        Called with the number of bytes of each piece that came.
    pause_s
        Seconds before the second try, doubled for each one after.

    Raises
    ------
    NotFetched
        Not there, wrong each time, or no connection; one line with the file's name.
    """
    part = part_of(file)
    part.parent.mkdir(parents=True, exist_ok=True)
    wrong = broken = 0
    while True:
        before = _size(part)
        why = _more(wanted, part, session, on_bytes)
        if not why:
            if is_whole(part, wanted):
                os.replace(part, file)
                return
            part.unlink(missing_ok=True)
            wrong, broken = wrong + 1, 0
            if wrong == WRONG_BYTES:
                raise _wrong(wanted)
        else:
            broken = broken + 1 if _size(part) <= before else 1
            if broken == BROKEN:
                raise _unreachable(wanted, why)
        time.sleep(min(pause_s * 2 ** max(0, wrong + broken - 1), _LONGEST_PAUSE_S))


def _more(
    wanted: Listed, part: Path, session: "requests.Session", on_bytes: Callable[[int], None]
) -> str:
    """Fetch what is missing of a file; return why the connection ended early, or nothing."""
    import requests

    start = _size(part)
    if start and start == wanted.size:
        return ""
    try:
        with session.get(
            wanted.url, headers=_asking_from(start), stream=True, timeout=TIMEOUT_S
        ) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return ""  # there is no more of it: the sum decides
            if response.status_code in _TRY_LATER:
                return f"the server answered {response.status_code}"
            _refuse_status(wanted, response.status_code)
            with part.open("ab" if _goes_on(response, start) else "wb") as out:
                for piece in response.iter_content(CHUNK):
                    out.write(piece)
                    on_bytes(len(piece))
    except requests.RequestException as error:
        return type(error).__name__
    except OSError as error:
        raise EcgError(f"{part.parent} cannot be written: {error.strerror or error}.") from error
    return ""


def _asking_from(start: int) -> dict[str, str]:
    return {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})


def _goes_on(response: "requests.Response", start: int) -> bool:
    """Return whether an answer begins where the part ends, rather than at the beginning."""
    told = response.headers.get("Content-Range", "")
    return response.status_code == 206 and told.replace(" ", "").startswith(f"bytes{start}-")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _refuse_status(wanted: Listed, status: int) -> None:
    if status not in (200, 206):
        raise NotFetched(
            f"{wanted.path}: the server answered {status} for {wanted.url}. Try again later, or "
            "take another address with --base-url."
        )


def _wrong(wanted: Listed) -> NotFetched:
    return NotFetched(
        f"{wanted.path}: its bytes are not those published ({wanted.algorithm.upper()} differs, "
        f"{WRONG_BYTES} times). Try again later, or take another address with --base-url."
    )


def _unreachable(wanted: Listed, why: str) -> NotFetched:
    error = NotFetched(
        f"{wanted.path}: no connection to {wanted.url} ({why}, {BROKEN} times). Start the same "
        "command again to go on where it stopped."
    )
    error.broken = True
    return error
