"""Whole files only: atomic writes of files and folders, JSON files and checksums.

A reader finds the old content or the new, never a part of either.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from ecgcore.errors import DamagedFile, NotWritten


def write_atomic(file: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary path next to ``file``, then rename that path to ``file``.

    Raises
    ------
    NotWritten
        The disk is full or refuses the file. The old content of ``file`` is unchanged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.{os.getpid()}")
    try:
        write(temporary)
        os.replace(temporary, file)
    except OSError as error:
        raise NotWritten(f"{file} could not be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces ``folder`` when the block ends without an error."""
    folder = Path(os.path.abspath(folder))  # "." has no name
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        yield temporary
        if folder.exists():
            old = temporary.with_name(temporary.name + ".old")
            os.replace(folder, old)
            os.replace(temporary, folder)
            shutil.rmtree(old)
        else:
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def clean_temp(folder: Path) -> None:
    """Remove the temporary files that interrupted ``write_atomic`` calls left in ``folder``."""
    for leftover in folder.glob(".*"):
        pid = leftover.suffix.removeprefix(".")
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            leftover.unlink(missing_ok=True)


def write_json(file: Path, content: Any) -> None:
    """Write ``content`` as JSON, atomically. NaN is refused: an unknown number is null."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(file, lambda path: path.write_text(text + "\n", encoding="utf-8"))


def read_json(file: Path) -> Any:
    """Return the content of a JSON file that the product wrote.

    Raises
    ------
    DamagedFile
        The file is missing or is not complete JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DamagedFile(f"{file.name} is missing in {file.parent.name}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(f"{file} is not whole JSON ({error}).") from error


def sha256_file(file: Path) -> str:
    """Return the SHA-256 of a file's content, as 64 hexadecimal digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
