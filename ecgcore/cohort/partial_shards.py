"""A shard in the making, which a killed ingest leaves and the next one goes on with.

Signals are appended to ``shards/.NNNNN/signals.npy``; a line of ``private/.NNNNN.jsonl`` (mode 600,
as file names stand in it) then tells what became of the record. What is in the journal is done;
a signal beyond it is written over.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from ecgcore.cohort.private_paths import private_folder
from ecgcore.cohort.signal_format import Form
from ecgcore.errors import EcgError
from ecgcore.records.record import LEADS

Line = dict[str, Any]
"""What became of one record: ``files`` (rows of the private table), and ``row``, ``fingerprint``
and ``measures`` where it was read."""


class Draft:
    """A shard in the making, opened for going on.

    Attributes
    ----------
    done, read
        How many records of the plan have been looked at, and how many of them were read.
    """

    def __init__(self, cohort: Path, name: str, plan: str, form: Form):
        self.folder, self.journal_file = _folder(cohort, name), _journal(cohort, name)
        self.whole = cohort / "shards" / name
        self.form = form
        private_folder(cohort)
        self.folder.mkdir(parents=True, exist_ok=True)
        if _plan(self.journal_file) != plan:
            self.journal_file.unlink(missing_ok=True)
            self.journal_file.touch(mode=0o600)
            self.journal_file.write_text(json.dumps({"plan": plan}) + "\n")
        self.done, self.read, end = self._counted()
        self._journal = self.journal_file.open("r+b")
        self._journal.truncate(end)
        self._journal.seek(end)
        self._signals = self._opened_signals()

    def __enter__(self) -> "Draft":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._journal.close()
        self._signals.close()

    def add(self, stored: np.ndarray | None, line: Line) -> None:
        """Append a record: its signal (12, T) int16 if it was read, then its line."""
        try:
            if stored is not None:
                self._signals.write(stored.tobytes())
                self._signals.flush()
                self.read += 1
            self._journal.write(json.dumps(line).encode() + b"\n")
            self._journal.flush()
        except OSError as error:
            raise EcgError(f"{self.whole} could not be written: {error.strerror}.") from error
        self.done += 1

    def lines(self) -> Iterator[Line]:
        """Yield the lines, one at a time."""
        with self.journal_file.open("rb") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def finish(self) -> None:
        """Give the shard its name; its tables must have been written into ``folder``."""
        self._signals.seek(0)
        _write_header(self._signals, self.read, self.form)
        self._signals.flush()
        os.replace(self.folder, self.whole)
        self.journal_file.unlink()

    def _counted(self) -> tuple[int, int, int]:
        """Return records done, records read, and where the last whole line of the journal ends."""
        done, read = 0, 0
        with self.journal_file.open("rb") as file:
            end = len(next(file))
            for line in file:
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                done += 1
                read += json.loads(line)["row"] is not None
        return done, read, end

    def _opened_signals(self) -> BinaryIO:
        file = (self.folder / "signals.npy").open("r+b" if self.done else "w+b")
        _write_header(file, self.read, self.form)
        file.truncate(file.tell() + self.read * self.form.bytes_a_record)
        file.seek(0, os.SEEK_END)
        return file


def plans_of_drafts(cohort: Path) -> dict[str, str]:
    """Return the names of drafts by plan."""
    folders = (cohort / "shards").glob(".[0-9]*")
    plans = {_plan(_journal(cohort, f.name[1:])): f.name[1:] for f in folders}
    return {plan: name for plan, name in plans.items() if plan}


def remove_drafts(cohort: Path, but: set[str]) -> None:
    """Remove all drafts but some."""
    for folder in (cohort / "shards").glob(".*"):
        if folder.name[1:] not in but:
            shutil.rmtree(folder)
    for journal in (cohort / "private").glob(".*.jsonl"):
        if journal.name[1:].removesuffix(".jsonl") not in but:
            journal.unlink()


def _folder(cohort: Path, name: str) -> Path:
    return cohort / "shards" / f".{name}"


def _journal(cohort: Path, name: str) -> Path:
    return cohort / "private" / f".{name}.jsonl"


def _plan(journal: Path) -> str:
    """Return the plan that a journal follows, '' where there is none."""
    try:
        with journal.open("rb") as file:
            return json.loads(file.readline())["plan"]
    except (OSError, ValueError, KeyError):
        return ""


def _write_header(file: BinaryIO, n_records: int, form: Form) -> None:
    """Write the header of an ``.npy`` file; its length does not depend on ``n_records``."""
    shape = (n_records, len(LEADS), form.n_samples)
    header = {"descr": "<i2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
