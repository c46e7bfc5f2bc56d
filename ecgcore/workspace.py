"""Workspace: the folder with the cohorts, the runs and the key of patient hashes.

``./workspace``, or ``--home``, or the environment variable ``ECGCORE_HOME``.
"""

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """A workspace folder. Nothing is created until something is written.

    Examples
    --------
    >>> workspace = ecgcore.Workspace.find("my-study")
    >>> workspace.runs.name, workspace.path.name
    ('runs', 'my-study')
    """

    path: Path

    @classmethod
    def find(cls, path: "Workspace | Path | str | None" = None) -> "Workspace":
        """Return the workspace at ``path``, else at ``$ECGCORE_HOME``, else at ``./workspace``."""
        if isinstance(path, Workspace):
            return path
        return cls(Path(path or os.environ.get("ECGCORE_HOME") or "workspace").absolute())

    @property
    def cohorts(self) -> Path:
        """Folder of all cohorts."""
        return self.path / "cohorts"

    @property
    def runs(self) -> Path:
        """Folder of all runs."""
        return self.path / "runs"

    @property
    def label_sets(self) -> Path:
        """Folder of the label sets that were written for this workspace."""
        return self.path / "label_sets"

    def patient_key(self) -> bytes:
        """Return the 32-byte key of patient hashes, created on first use (mode 600)."""
        file = self.path / "patient.key"
        if not file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            new_key = file.with_name(f".patient.key.{secrets.token_hex(4)}")
            new_key.touch(mode=0o600)
            new_key.write_bytes(secrets.token_bytes(32))
            try:
                os.link(new_key, file)  # the first of several processes wins
            except FileExistsError:
                pass
            finally:
                new_key.unlink()
        return file.read_bytes()

    def free_bytes(self) -> int:
        """Return the free disk space of the file system that holds this workspace."""
        existing = next(p for p in (self.path, *self.path.parents) if p.exists())
        return shutil.disk_usage(existing).free


@dataclass(frozen=True)
class Damaged:
    """A cohort or run that cannot be opened, and why, in one line."""

    name: str
    reason: str
