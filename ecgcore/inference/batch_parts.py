"""One part of a batch classification: what its rows are of, and how it is answered and written.

A part is known by its plan: its records, the network, and how files are read. One that is there
with the same plan is not made again.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.atomic import sha256_file, write_atomic
from ecgcore.cohort.codec import as_record, in_mv
from ecgcore.cohort.exclusions import kind_of_reason
from ecgcore.cohort.private_paths import write_paths
from ecgcore.cohort.remote import need
from ecgcore.cohort.scan import SeenFile, Stamps, look
from ecgcore.errors import DamagedFile, EcgError, UnreadableRecord
from ecgcore.inference.classify import BATCH, answers_to
from ecgcore.inference.inputs import ClassifierInput, read_sight
from ecgcore.inference.model import Classifier, load
from ecgcore.records.read import ReadOptions
from ecgcore.runs.run import Run, find_run
from ecgcore.workspace import Workspace

_FORM = 2
"""Rises whenever parts are made differently: every part is then made anew."""
Found = ClassifierInput | UnreadableRecord


@dataclass(frozen=True)
class Asked:
    """Which network answers, and where to. Told to every worker.

    Attributes
    ----------
    folder
        Where parts are written; absolute.
    run, home
        The network, as ``find_run`` finds it.
    digest
        What the network is known by; see ``digest_of``.
    """

    folder: Path
    run: str
    workspace: Workspace
    digest: str

    def file(self, part: str) -> Path:
        """Return the file of a part's answers."""
        return self.folder / "parts" / f"{part}.parquet"


@dataclass(frozen=True)
class FilesPart:
    """Some recordings' files, by absolute path, and what is said of those that leave it open."""

    name: str
    paths: tuple[str, ...]
    how: ReadOptions

    def known_by(self) -> list[Any]:
        """Return what changes when a file does."""
        stamps = Stamps()
        return [list(self.how), [[path, stamps.of(Path(path))] for path in self.paths]]

    def found(self, classifier: Classifier) -> Iterator[Found]:
        """Yield what is read of each file, or why it cannot be."""
        for path in self.paths:
            try:
                yield read_sight(Path(path), classifier, self.how)
            except UnreadableRecord as error:
                yield error

    def tell(self, asked: Asked, rows: list[dict[str, Any]]) -> None:
        """Name the rows without naming anybody; write which files they are of where only their
        owner reads."""
        secret, stamps, files = asked.workspace.patient_key(), Stamps(), []
        for path, row in zip(self.paths, rows, strict=True):
            seen = look(Path(path), stamps.of(Path(path)), secret)
            files.append(_line(seen, row["error"]))
            row["record"] = seen.record
            if row["error"]:
                row["error"] = kind_of_reason(row["error"], path, Path(path).stem)
        write_paths(asked.folder, self.name, files)


@dataclass(frozen=True)
class ShardPart:
    """A shard of a cohort, whose records are stored at one rate."""

    shard: Path
    fs_hz: float

    @property
    def name(self) -> str:
        """The shard's."""
        return self.shard.name

    def known_by(self) -> list[Any]:
        """Return what changes when a record of the shard does."""
        index = self._index()
        return [self.fs_hz, index[["record", "signal_hash", "notes"]].to_numpy().tolist()]

    def found(self, classifier: Classifier) -> Iterator[Found]:
        """Yield each record as it is stored."""
        index = self._index()
        signals = np.load(need(self.shard / "signals.npy"), mmap_mode="r")
        for told, stored in zip(index.itertuples(), signals, strict=True):
            yield as_record(told, in_mv(stored), self.fs_hz)

    def tell(self, asked: Asked, rows: list[dict[str, Any]]) -> None:
        """Say nothing more: the cohort knows its records' files."""

    def _index(self) -> pd.DataFrame:
        try:
            return pd.read_parquet(need(self.shard / "index.parquet"))
        except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
            raise DamagedFile(
                f"Shard {self.name} of cohort '{self.shard.parents[1].name}' cannot be read; "
                "ingest its folder again."
            ) from error


Part = FilesPart | ShardPart


def digest_of(run: Run) -> str:
    """Return what a run's answers follow from: weights, calibration, classes and input."""
    meta = run.meta
    fitted = run.calibration if (run.folder / "calibration.json").exists() else {}
    told = [sha256_file(run.weights), fitted, meta["classes"], meta["target_mode"], meta["input"]]
    return _hash(told)


def classify_part(asked: Asked, part: Part, on_record: Callable[..., None]) -> Counter[str]:
    """Write a part's answers unless they are there; count what they are.

    Returns
    -------
    Counter
        ``records``, ``refused``, ``refer``, ``top CODE``, and ``kept`` 1 where it was there.
    """
    plan = _hash([_FORM, asked.digest, part.known_by()])
    file = asked.file(part.name)
    if not _is_there(file, plan):
        rows = _answered(asked, part, on_record)
        part.tell(asked, rows)
        _write(file, rows, asked, plan)
        return _counted(file)
    counts = _counted(file)
    for number in range(counts["records"]):
        on_record(number < counts["refused"])
    return counts + Counter(kept=1)


def _answered(asked: Asked, part: Part, on_record: Callable[..., None]) -> list[dict[str, Any]]:
    """Return one row a record of a part; a few records are in memory at a time."""
    classifier = _loaded(asked.run, asked.workspace, asked.digest)
    found, rows = part.found(classifier), list[dict[str, Any]]()
    while batch := list(islice(found, BATCH)):
        for answer in answers_to(batch, classifier):
            rows.append(_row(answer))
            on_record(answer["error"] is not None)
    return rows


@lru_cache(maxsize=1)
def _loaded(run: str, workspace: Workspace, digest: str) -> Classifier:
    """Return the network, once a process, if it is the one that was asked for."""
    if digest_of(find_run(run, workspace)) != digest:
        raise EcgError(
            f"Run {Path(run).name} is not the same on all machines, or has just changed; begin "
            "again where all see the same."
        )
    return load(run, workspace)


def _row(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as a flat row."""
    told = {key: answer[key] for key in _TOLD.names}
    for prefix, key in (("p", "probabilities"), ("raw", "raw")):
        told |= {f"{prefix}_{code}": p for code, p in (answer[key] or {}).items()}
    return told


_WORDS = pa.list_(pa.string())
_TOLD = pa.schema(
    {
        "record": pa.string(),
        "run": pa.string(),
        "top": pa.string(),
        "refer": pa.bool_(),
        "called": _WORDS,
        "uncertain": _WORDS,
        "quality": _WORDS,
        "gate": pa.string(),
        "notes": _WORDS,
        "error": pa.string(),
    }
)


def _write(file: Path, rows: list[dict[str, Any]], asked: Asked, plan: str) -> None:
    classes = find_run(asked.run, asked.workspace).meta["classes"]
    numbers = [
        pa.field(f"{prefix}_{code}", pa.float32()) for prefix in ("p", "raw") for code in classes
    ]
    schema = pa.schema([*_TOLD, *numbers], {"plan": plan, "notice": RESEARCH_USE_ONLY})
    table = pa.Table.from_pylist(rows, schema)
    write_atomic(file, lambda path: pq.write_table(table, path))


def _is_there(file: Path, plan: str) -> bool:
    """Return whether a part is whole and made by this plan."""
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return False
    return metadata.get(b"plan", b"").decode() == plan


def _counted(file: Path) -> Counter[str]:
    table = pq.read_table(file, columns=["error", "refer", "top"])
    tops = Counter(f"top {code}" for code in table["top"].to_pylist() if code is not None)
    return tops + Counter(
        records=len(table),
        refused=len(table) - table["error"].null_count,
        refer=sum(map(bool, table["refer"].to_pylist())),
    )


def _line(seen: SeenFile, error: str | None) -> dict[str, Any]:
    status = "rejected" if error else "read"
    return asdict(seen) | {"status": status, "reason": error or "", "of": ""}


def _hash(told: list[Any]) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
