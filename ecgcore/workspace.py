"""The home folder: where cohorts and runs live, and how files get there whole.

``./workspace``, or ``--home``, or the environment variable ``ECGCORE_HOME``.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ecgcore.errors import DamagedFile, NotWritten


@dataclass(frozen=True)
class Workspace:
    """A home folder. Nothing is created until something is written."""

    path: Path

    @classmethod
    def find(cls, given: Path | str | None = None) -> "Workspace":
        """Return the home that was given, else that of the environment, else ``./workspace``."""
        return cls(Path(given or os.environ.get("ECGCORE_HOME") or "workspace").absolute())

    @property
    def cohorts(self) -> Path:
        """The folder of all cohorts."""
        return self.path / "cohorts"

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.path / "runs"

    def patient_key(self) -> bytes:
        """Return the 32-byte key of this home's patient hashes, made on first use (mode 600)."""
        file = self.path / "patient.key"
        if not file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f".patient.key.{secrets.token_hex(4)}")
            fresh.touch(mode=0o600)
            fresh.write_bytes(secrets.token_bytes(32))
            try:
                os.link(fresh, file)  # the first of several processes wins
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return file.read_bytes()

    def free_bytes(self) -> int:
        """Return the free disk space below this home."""
        existing = next(p for p in (self.path, *self.path.parents) if p.exists())
        return shutil.disk_usage(existing).free


def write_atomic(file: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``file``, then rename it into place.

    Whoever reads ``file`` finds the old content or the new, never a part.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}.{os.getpid()}")
    try:
        write(beside)
        os.replace(beside, file)
    except OSError as error:
        raise NotWritten(f"{file} could not be written: {error.strerror or error}.") from error
    finally:
        beside.unlink(missing_ok=True)


def clean_temp(folder: Path) -> None:
    """Remove what processes that are gone left behind while they were writing whole files."""
    for left in folder.glob(".*"):
        pid = left.suffix.removeprefix(".")
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            left.unlink(missing_ok=True)


@contextmanager
def atomic_dir(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside ``folder``; it takes that name when the block ends well."""
    folder = Path(os.path.abspath(folder))  # "." has no name
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    beside.mkdir()
    try:
        yield beside
        if folder.exists():
            old = beside.with_name(beside.name + ".old")
            os.replace(folder, old)
            os.replace(beside, folder)
            shutil.rmtree(old)
        else:
            os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_json(file: Path, content: Any) -> None:
    """Write ``content`` as JSON, whole. NaN is refused: an unknown number is null."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(file, lambda path: path.write_text(text + "\n", encoding="utf-8"))


def read_json(file: Path) -> Any:
    """Read a JSON file of ours, or say in one line why it cannot be read."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DamagedFile(f"{file.name} is missing in {file.parent.name}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(f"{file} is not whole JSON ({error}).") from error
