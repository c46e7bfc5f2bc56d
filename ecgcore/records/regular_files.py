"""Guard of files from outside: regular files only, and no link that leads out of a folder.

Opening a pipe waits for ever, reading a device has no end, and a link may lead to any file of the
machine. A path that the user gives may itself be a link.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from ecgcore.errors import UnreadableRecord

_NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; never wait for a pipe.

    Raises
    ------
    UnreadableRecord
        It does not exist, cannot be opened, or is a pipe, a socket or a device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_WAITING)
    except (OSError, ValueError) as error:
        require_regular(path)
        reason = getattr(error, "strerror", None) or "its name is no file's"
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} cannot be opened ({reason})."
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        require_regular(path)
    return os.fdopen(descriptor, "rb")


def read_head(path: Path, n_bytes: int) -> bytes:
    """Return the first bytes of a regular file; raises as ``open_regular``."""
    with open_regular(path) as file:
        return file.read(n_bytes)


def require_regular(path: Path) -> None:
    """Refuse a folder, pipe, socket or device; a path that does not exist passes.

    Raises
    ------
    UnreadableRecord
        It exists and is no regular file.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "a pipe, a socket or a device"
        raise UnreadableRecord(f"{path.name} is {kind}; a record's file is needed.")


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether a path is a link to a target, links followed, outside of a folder."""
    if not os.path.islink(path):
        return False
    root = os.path.join(os.path.realpath(folder), "")
    return not os.path.realpath(path).startswith(root)


def is_misleading(path: Path, primary: Path) -> bool:
    """Return whether a record's further file is a link to where the record does not lie.

    A record may consist of links, all to one folder, or of a file and links below its folder.
    """
    if not leads_out(path, primary.parent):
        return False
    return leads_out(path, Path(os.path.realpath(primary)).parent)


def sibling(path: Path) -> Path | None:
    """Return the file of that name, or of that name in capital or small letters, None if none is.

    Files from DOS, Windows and CDs have names in capitals, also where the header's text has not.
    """
    stem, suffix = os.path.splitext(path.name)
    names = (path.name, stem + suffix.lower(), stem + suffix.upper(), path.name.lower())
    for name in dict.fromkeys((*names, path.name.upper())):
        if os.path.isfile(candidate := path.with_name(name)):
            return candidate
    return None
