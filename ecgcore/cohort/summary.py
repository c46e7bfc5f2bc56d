"""Totals of a cohort: the content of ``cohort.json`` and the result of an ingest."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.atomic import read_parquet
from ecgcore.cohort.catalogue import read_cohort_file
from ecgcore.cohort.private_paths import IngestOutcome
from ecgcore.cohort.signal_format import SignalFormat
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.code_tables import tables_hash
from ecgcore.labels.targets import class_counts, targets_summary
from ecgcore.records.discover import FoundFile
from ecgcore.version import __version__

_DURATION = re.compile(r"\d[\d.,]*(?=(?:(?: to |–)\d[\d.,]*)? (?:s|ms|samples)\b)")
"""A number of seconds or samples, in which notes of one kind differ."""
_LABELS = [f"{tier}_{code}" for tier in TIERS for code in CODES]


@dataclass(frozen=True)
class RejectedFile:
    """A file that could not be read: its record id, path and the reason."""

    record: str
    path: str
    reason: str


@dataclass(frozen=True)
class DuplicateFile:
    """A file of a recording that the cohort already holds as record ``of``."""

    record: str
    path: str
    of: str


@dataclass(frozen=True)
class IngestResult:
    """Totals of a cohort after an ingest.

    Attributes
    ----------
    cohort
        Name of the cohort.
    fs_hz
        Stored sampling rate in Hz.
    found, read
        Recordings found and records stored; ``found`` = ``read`` + rejected + duplicates.
    rejected, duplicates
        Files that are no records, with paths as reached from the ingested folder. Paths may hold
        patients' names.
    classes
        Records with each class present, by label tier and class code.
    targets
        By target mode: ``used``, ``left_out`` (records by reason) and ``classes`` (records by
        class code).
    notes
        Records by note of their reading (durations replaced by n), most frequent first.
    others
        Files of the folder that are no records, by their role in words; refusals to open a link or
        a pipe name it.
    seconds
        Duration of the ingest in s.

    Examples
    --------
    >>> result = ecgcore.ingest(ecgcore.examples()[0].parent, "few", workers=1)
    >>> sorted(result.as_json())[:3]
    ['classes', 'cohort', 'duplicates']
    """

    cohort: str
    fs_hz: int
    found: int
    read: int
    rejected: tuple[RejectedFile, ...]
    duplicates: tuple[DuplicateFile, ...]
    classes: dict[str, dict[str, int]]
    targets: dict[str, dict[str, Any]]
    notes: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form of ``ecgcore ingest --json``."""
        return asdict(self) | {
            "rejected": [asdict(file) for file in self.rejected],
            "duplicates": [asdict(file) for file in self.duplicates],
        }

    def __repr__(self) -> str:
        return (
            f"<IngestResult '{self.cohort}': {self.found} found = {self.read} read + "
            f"{len(self.rejected)} rejected + {len(self.duplicates)} duplicates>"
        )


def describe_cohort(
    cohort: Path, shards: list[str], signal_format: SignalFormat, outcome: IngestOutcome
) -> dict[str, Any]:
    """Return the content of ``cohort.json``. It holds no path, date or file name.

    ``hash`` changes with any record, signal, label or their order.
    """
    files = [cohort / "shards" / shard / "index.parquet" for shard in shards]
    sources, patient_columns = Counter[str](), []
    for file in files:
        index = read_parquet(file, columns=["source", "patient"])
        sources.update(index["source"].tolist())
        patient_columns.append(index["patient"])
    patients = pd.concat(patient_columns)
    return {
        "name": cohort.name,
        "fs_hz": signal_format.fs_hz,
        "rate_by_rule": signal_format.by_rule,
        "duration_s": signal_format.duration_s,
        "start_s": signal_format.read_options.start_s,
        "n_samples": signal_format.n_samples,
        "records": len(patients),
        "patients": int(patients.nunique() + patients.isna().sum()),
        "sources": dict(sources.most_common()),
        "rejected": outcome.count("rejected"),
        "duplicates": outcome.count("duplicate"),
        "hash": _hash(files),
        "label_tables": tables_hash(),
        "shards": shards,
        "ecgcore": __version__,
    }


def _hash(files: list[Path]) -> str:
    """Return the hash over several indexes, with one of them in memory at a time."""
    digest, separator = hashlib.sha256(), ""
    for file in files:
        index = read_parquet(file, columns=["record", "signal_hash"])
        if text := "\n".join(index["record"] + " " + index["signal_hash"]):
            digest.update((separator + text).encode())
            separator = "\n"
    for file in files:
        digest.update(read_parquet(file, columns=_LABELS).to_numpy(np.int8).tobytes())
    return digest.hexdigest()[:16]


def ingest_result(
    cohort: Path,
    signal_format: SignalFormat,
    outcome: IngestOutcome,
    folder: Path,
    others: Iterable[FoundFile] = (),
) -> IngestResult:
    """Return the totals after an ingest of ``folder``, with paths as reached from it."""
    files = outcome.others.sort_values("path", kind="stable")
    files = files.assign(path=[_relative_path(Path(path), folder) for path in files["path"]])
    rejected = files.loc[files["status"] == "rejected", ["record", "path", "reason"]]
    duplicates = files.loc[files["status"] == "duplicate", ["record", "path", "of"]]
    states = _label_states(cohort)
    return IngestResult(
        cohort=cohort.name,
        fs_hz=signal_format.fs_hz,
        found=outcome.read + len(files),
        read=outcome.read,
        rejected=tuple(RejectedFile(**row) for row in rejected.to_dict("records")),
        duplicates=tuple(DuplicateFile(**row) for row in duplicates.to_dict("records")),
        classes={tier: class_counts(states[tier]) for tier in TIERS},
        targets=targets_summary(states["core"]),
        notes=note_counts(cohort),
        others=dict(Counter(_without_name(file.description) for file in others).most_common()),
    )


def note_counts(cohort: Path) -> dict[str, int]:
    """Return the number of records by note, most frequent first, durations replaced by n."""
    counts = Counter[str]()
    for shard in _shards(cohort):
        notes = read_parquet(cohort / "shards" / shard / "index.parquet", columns=["notes"])
        for text, n in notes["notes"].value_counts().items():
            kinds = {_DURATION.sub("n", note) for note in json.loads(str(text))}
            counts.update(dict.fromkeys(kinds, int(n)))
    return dict(counts.most_common())


def _without_name(description: str) -> str:
    """Return a file's role without the name of the header that it belongs to."""
    return "companion" if description.startswith("companion of ") else description


def _shards(cohort: Path) -> list[str]:
    return read_cohort_file(cohort)["shards"] if (cohort / "cohort.json").exists() else []


def _label_states(cohort: Path) -> dict[str, np.ndarray]:
    """Return the label states by tier, without rows if no record could be read."""
    if not (shards := _shards(cohort)):
        return dict.fromkeys(TIERS, np.empty((0, len(CODES)), np.int8))
    labels = [
        read_parquet(cohort / "shards" / s / "index.parquet", columns=_LABELS) for s in shards
    ]
    core, broad = np.split(np.concatenate([table.to_numpy(np.int8) for table in labels]), 2, axis=1)
    return {"core": core, "broad": broad}


def _relative_path(path: Path, folder: Path) -> str:
    root = folder.absolute()
    return str(folder / path.relative_to(root)) if path.is_relative_to(root) else str(path)
