"""Partial shard: the records that an interrupted ingest finished, which the next one reuses.

Signals are appended to ``shards/.NNNNN/signals.npy``; then a line of ``private/.NNNNN.jsonl`` (mode
600, because it holds file names) records the outcome. A record counts as done once its line is in
that journal; a signal without a line is overwritten.
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
from ecgcore.cohort.signal_format import SignalFormat
from ecgcore.errors import EcgError
from ecgcore.records.record import LEADS

JournalEntry = dict[str, Any]
"""Outcome of one record: ``files`` (rows of the private table), and ``row``, ``fingerprint`` and
``measures`` if it was read."""


class PartialShard:
    """A shard being written, opened to be continued.

    Attributes
    ----------
    done, read
        Number of records processed, and how many of them were read.
    """

    def __init__(self, cohort: Path, name: str, work_hash: str, signal_format: SignalFormat):
        self.folder, self.journal_file = _folder(cohort, name), _journal(cohort, name)
        self.final_folder = cohort / "shards" / name
        self.signal_format = signal_format
        private_folder(cohort)
        self.folder.mkdir(parents=True, exist_ok=True)
        if _work_hash(self.journal_file) != work_hash:
            self.journal_file.unlink(missing_ok=True)
            self.journal_file.touch(mode=0o600)
            self.journal_file.write_text(json.dumps({"plan": work_hash}) + "\n")
        self.done, self.read, end = self._count_entries()
        self._journal = self.journal_file.open("r+b")
        self._journal.truncate(end)
        self._journal.seek(end)
        self._signals = self._open_signals()

    def __enter__(self) -> "PartialShard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._journal.close()
        self._signals.close()

    def add(self, stored: np.ndarray | None, entry: JournalEntry) -> None:
        """Append a record: its signal (12, T) int16 if it was read, then its journal entry."""
        try:
            if stored is not None:
                self._signals.write(stored.tobytes())
                self._signals.flush()
                self.read += 1
            self._journal.write(json.dumps(entry).encode() + b"\n")
            self._journal.flush()
        except OSError as error:
            raise EcgError(
                f"{self.final_folder} could not be written: {error.strerror}."
            ) from error
        self.done += 1

    def entries(self) -> Iterator[JournalEntry]:
        """Yield the journal entries, one at a time."""
        with self.journal_file.open("rb") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def finish(self) -> None:
        """Rename to the final folder; the shard's tables must have been written to ``folder``."""
        self._signals.seek(0)
        _write_header(self._signals, self.read, self.signal_format)
        self._signals.flush()
        os.replace(self.folder, self.final_folder)
        self.journal_file.unlink()

    def _count_entries(self) -> tuple[int, int, int]:
        """Return records done, records read, and the end of the journal's last complete line."""
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

    def _open_signals(self) -> BinaryIO:
        file = (self.folder / "signals.npy").open("r+b" if self.done else "w+b")
        _write_header(file, self.read, self.signal_format)
        file.truncate(file.tell() + self.read * self.signal_format.bytes_per_record)
        file.seek(0, os.SEEK_END)
        return file


def partial_shards_by_hash(cohort: Path) -> dict[str, str]:
    """Return the names of partial shards by the hash of their work."""
    folders = (cohort / "shards").glob(".[0-9]*")
    names = {_work_hash(_journal(cohort, f.name[1:])): f.name[1:] for f in folders}
    return {work_hash: name for work_hash, name in names.items() if work_hash}


def remove_partial_shards(cohort: Path, keep: set[str]) -> None:
    """Remove all partial shards except some."""
    for folder in (cohort / "shards").glob(".*"):
        if folder.name[1:] not in keep:
            shutil.rmtree(folder)
    for journal in (cohort / "private").glob(".*.jsonl"):
        if journal.name[1:].removesuffix(".jsonl") not in keep:
            journal.unlink()


def _folder(cohort: Path, name: str) -> Path:
    return cohort / "shards" / f".{name}"


def _journal(cohort: Path, name: str) -> Path:
    return cohort / "private" / f".{name}.jsonl"


def _work_hash(journal: Path) -> str:
    """Return the hash of the work that a journal belongs to, '' without a journal."""
    try:
        with journal.open("rb") as file:
            return json.loads(file.readline())["plan"]
    except (OSError, ValueError, KeyError):
        return ""


def _write_header(file: BinaryIO, n_records: int, signal_format: SignalFormat) -> None:
    """Write the header of an ``.npy`` file; its length does not depend on ``n_records``."""
    shape = (n_records, len(LEADS), signal_format.n_samples)
    header = {"descr": "<i2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
