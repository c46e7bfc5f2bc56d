"""Batch parts: input, fingerprint and parquet file of one part of a batch classification.

A part's plan is a hash of its records, the network and the read options. A part that exists with
the same plan is not made again.
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

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecgcore.atomic import read_parquet, reading_table, write_atomic
from ecgcore.cohort.codec import decode_record, decode_signals_mv
from ecgcore.cohort.exclusions import anonymous_reason
from ecgcore.cohort.private_paths import write_paths
from ecgcore.cohort.remote import local_file
from ecgcore.cohort.scan import FileStamps, ScannedFile, scan_file
from ecgcore.cohort.store import map_signals
from ecgcore.errors import DamagedFile, EcgError, UnreadableRecord
from ecgcore.inference.classify import classify_all
from ecgcore.inference.inputs import ClassifierInput, read_input
from ecgcore.inference.model import BATCH_SIZE, Classifier, load_model
from ecgcore.records.read import ReadOptions
from ecgcore.records.unexpected_errors import refuse_unexpected_errors
from ecgcore.runs.run import Run, find_run
from ecgcore.version import RESEARCH_USE_ONLY
from ecgcore.workspace import Workspace

NETWORK = "network"
"""Key of the network's digest among a part's metadata."""
_FORMAT_VERSION = 3
"""Rises whenever parts change: every part is then made anew."""


@dataclass(frozen=True)
class BatchRequest:
    """Network and target folder of a batch classification; sent to every worker.

    Attributes
    ----------
    folder
        Absolute path of the folder to write.
    run
        Reference of the run, as ``find_run`` takes it.
    workspace
        Workspace of the run and of the key that names records.
    digest
        Identity of the network; see ``run_digest``.
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
    """Some files, by absolute path, and the options to read them with."""

    name: str
    paths: tuple[str, ...]
    options: ReadOptions

    def fingerprint(self) -> list[Any]:
        """Return values that change when a file does."""
        stamps = FileStamps()
        return [list(self.options), [[path, stamps.of(Path(path))] for path in self.paths]]

    def inputs(self, classifier: Classifier) -> Iterator[ClassifierInput | UnreadableRecord]:
        """Yield each file's record or image, or the error that refuses it."""
        for path in self.paths:
            try:
                with refuse_unexpected_errors(Path(path).stem):
                    item: ClassifierInput | UnreadableRecord
                    item = read_input(Path(path), classifier, self.options)
            except UnreadableRecord as error:
                item = error
            yield item

    def finish_rows(self, request: BatchRequest, rows: list[dict[str, Any]]) -> None:
        """Name the rows anonymously, and write the files' paths where only their owner reads."""
        secret, stamps, files = request.workspace.patient_key(), FileStamps(), []
        for path, row in zip(self.paths, rows, strict=True):
            file = scan_file(Path(path), stamps.of(Path(path)), secret)
            files.append(_private_row(file, row["error"]))
            row["record"] = file.record
            if row["error"]:
                row["error"] = anonymous_reason(row["error"], path, Path(path).stem)
        write_paths(request.folder, self.name, files)


@dataclass(frozen=True)
class ShardPart:
    """A shard of a cohort, whose records are stored at one rate."""

    shard: Path
    fs_hz: float

    @property
    def name(self) -> str:
        """Name of the shard."""
        return self.shard.name

    def fingerprint(self) -> list[Any]:
        """Return values that change when a record of the shard does."""
        index = self._index()
        return [self.fs_hz, index[["record", "signal_hash", "notes"]].to_numpy().tolist()]

    def inputs(self, classifier: Classifier) -> Iterator[ClassifierInput | UnreadableRecord]:
        """Yield each record as it is stored."""
        index = self._index()
        signals = map_signals(self.shard, len(index))
        for row, stored in zip(index.itertuples(), signals, strict=True):
            yield decode_record(row, decode_signals_mv(stored), self.fs_hz)

    def finish_rows(self, request: BatchRequest, rows: list[dict[str, Any]]) -> None:
        """Do nothing: the cohort knows its records' files."""

    def _index(self) -> pd.DataFrame:
        try:
            return read_parquet(local_file(self.shard / "index.parquet"))
        except DamagedFile as error:
            raise DamagedFile(
                f"Shard {self.name} of cohort '{self.shard.parents[1].name}' cannot be read; "
                "ingest its folder again."
            ) from error


BatchPart = FilesPart | ShardPart


def run_digest(run: Run) -> str:
    """Return a hash of everything a run's answers depend on: weights, calibration, input."""
    meta = run.meta
    fitted = run.calibration if (run.folder / "calibration.json").exists() else {}
    content = [run.weights_hash, fitted, meta["classes"], meta["target_mode"], meta["input"]]
    return _hash(content)


def classify_part(
    request: BatchRequest, part: BatchPart, on_record: Callable[..., None]
) -> Counter[str]:
    """Write a part's answers unless it exists with the same plan, and count them.

    Parameters
    ----------
    request, part
        Network and target folder; input of the part.
    on_record
        Called after each record, with True if it was refused.

    Returns
    -------
    Counter
        ``records``, ``refused``, ``refer``, ``top CODE``; ``kept`` is 1 if the part existed.
    """
    plan = _hash([_FORMAT_VERSION, request.digest, part.fingerprint()])
    file = request.file(part.name)
    if not _is_current(file, plan):
        rows = _classify(request, part, on_record)
        part.finish_rows(request, rows)
        _write(file, rows, request, plan)
        return _count(file)
    counts = _count(file)
    for number in range(counts["records"]):
        on_record(number < counts["refused"])
    return counts + Counter({"kept": 1})


def _classify(
    request: BatchRequest, part: BatchPart, on_record: Callable[..., None]
) -> list[dict[str, Any]]:
    """Return one row per record of a part; one batch of records is in memory at a time."""
    classifier = _load(request.run, request.workspace, request.digest)
    inputs, rows = part.inputs(classifier), list[dict[str, Any]]()
    while batch := list(islice(inputs, BATCH_SIZE)):
        for answer in classify_all(batch, classifier):
            rows.append(_row(answer))
            on_record(answer["error"] is not None)
    return rows


@lru_cache(maxsize=1)
def _load(run: str, workspace: Workspace, digest: str) -> Classifier:
    """Load the network, once per process, if it is the requested one."""
    if run_digest(find_run(run, workspace)) != digest:
        raise EcgError(
            f"Run {Path(run).name} is not the same on all machines, or has just changed; start "
            "again where all see the same."
        )
    return load_model(run, workspace)


def _row(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as a flat row."""
    row = {key: answer[key] for key in _ANSWER_COLUMNS.names}
    for prefix, key in (("p", "probabilities"), ("raw", "raw")):
        row |= {f"{prefix}_{code}": p for code, p in (answer[key] or {}).items()}
    return row


_STRINGS = pa.list_(pa.string())
_ANSWER_COLUMNS = pa.schema(
    {
        "record": pa.string(),
        "run": pa.string(),
        "top": pa.string(),
        "refer": pa.bool_(),
        "called": _STRINGS,
        "ranked": _STRINGS,
        "uncertain": _STRINGS,
        "quality": _STRINGS,
        "gate": pa.string(),
        "notes": _STRINGS,
        "error": pa.string(),
    }
)


def _write(file: Path, rows: list[dict[str, Any]], request: BatchRequest, plan: str) -> None:
    classes = find_run(request.run, request.workspace).meta["classes"]
    numbers = [
        pa.field(f"{prefix}_{code}", pa.float32()) for prefix in ("p", "raw") for code in classes
    ]
    metadata = {"plan": plan, NETWORK: request.digest, "notice": RESEARCH_USE_ONLY}
    schema = pa.schema([*_ANSWER_COLUMNS, *numbers], metadata)
    table = pa.Table.from_pylist(rows, schema)
    write_atomic(file, lambda path: pq.write_table(table, path))


def network_of(file: Path) -> tuple[str, str]:
    """Return the name and the digest of the network whose answers a part holds.

    Each is empty where the part does not state it: earlier versions wrote no digest.

    Raises
    ------
    DamagedFile
        The part cannot be read.
    """
    with reading_table(file):
        table = pq.read_table(file, columns=["run"])
    digest = (table.schema.metadata or {}).get(NETWORK.encode(), b"").decode()
    return (table["run"][0].as_py() or "" if len(table) else ""), digest


def _is_current(file: Path, plan: str) -> bool:
    """Tell whether a part is complete and was made by this plan."""
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (OSError, ValueError, pa.ArrowException):
        return False
    return metadata.get(b"plan", b"").decode() == plan


def _count(file: Path) -> Counter[str]:
    with reading_table(file):
        table = pq.read_table(file, columns=["error", "refer", "top"])
    tops = Counter(f"top {code}" for code in table["top"].to_pylist() if code is not None)
    return tops + Counter(
        records=len(table),
        refused=len(table) - table["error"].null_count,
        refer=sum(map(bool, table["refer"].to_pylist())),
    )


def _private_row(file: ScannedFile, error: str | None) -> dict[str, Any]:
    status = "rejected" if error else "read"
    return asdict(file) | {"status": status, "reason": error or "", "of": ""}


def _hash(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
