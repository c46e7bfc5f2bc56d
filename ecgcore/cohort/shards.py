"""Making one shard: records read, brought to the cohort's form, labelled, and written whole."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ecgcore.cohort.paths import read_paths, write_paths
from ecgcore.cohort.store import LARGEST_UV, MISSING, TIERS
from ecgcore.cohort.survey import Seen, is_below
from ecgcore.errors import UnreadableRecord
from ecgcore.home import folder_made_whole, write_whole
from ecgcore.labels.classes import CODES
from ecgcore.labels.expert import label
from ecgcore.labels.tables import tables_hash
from ecgcore.records.reading import read_record
from ecgcore.records.record import LEADS, Record, Statement
from ecgcore.records.resampling import bring_to

SHARD_RECORDS = 2000
OLDEST_YEARS = 90.0
"""Ages above are stored as this: over 89 they may identify (HIPAA, 45 CFR 164.514)."""
_TEXT, _REAL = pa.string(), pa.float64()
INDEX = pa.schema(
    {
        "record": _TEXT,
        "source": _TEXT,
        "patient": _TEXT,
        "age": pa.float32(),
        "sex": _TEXT,
        "fold": pa.int16(),
        "fs_hz": _REAL,
        "duration_s": _REAL,
        "statements": _TEXT,
        "details": _TEXT,
        "notes": _TEXT,
        "signal_hash": _TEXT,
    }
    | {f"{tier}_{code}": pa.int8() for tier in TIERS for code in CODES}
)


@dataclass(frozen=True)
class Form:
    """What every record of a cohort is brought to; ``secret`` keys the patients' hashes."""

    fs_hz: int
    duration_s: float
    upsample: bool
    secret: bytes

    @property
    def n_samples(self) -> int:
        """Samples of each lead."""
        return round(self.fs_hz * self.duration_s)

    @property
    def bytes_a_record(self) -> int:
        """Size of a stored signal."""
        return len(LEADS) * self.n_samples * 2


Work = list[list[Seen]]
"""What a shard is made of: one list a record, its files in order of preference."""


def plan_hash(work: Work, form: Form) -> str:
    """Return what a whole shard is known by: its files as they are, and the form."""
    told = [[asdict(file) for file in files] for files in work]
    shape = [form.fs_hz, form.duration_s, form.upsample, tables_hash()]
    return hashlib.sha256(json.dumps([shape, told]).encode()).hexdigest()[:24]


def write_shard(
    cohort: Path, name: str, work: Work, form: Form, on_record: Callable[[], None] = lambda: None
) -> None:
    """Read the records of ``work`` and write shard ``name`` and its piece of the private table.

    One record is in memory at a time. ``on_record`` is called after each.
    """
    rows: list[dict] = []
    paths: list[dict] = []
    with folder_made_whole(cohort / "shards" / name) as folder:
        with (folder / "signals.npy").open("wb") as file:
            _write_header(file, len(work), form)
            for files in work:
                record, outcome = _first_readable(files, form)
                if record:
                    stored, row = _stored(record, form)
                    file.write(stored.tobytes())
                    rows.append(row | {"record": _name(outcome)})
                paths += outcome
                on_record()
            file.seek(0)
            _write_header(file, len(rows), form)
        write_index(folder / "index.parquet", rows, plan_hash(work, form))
        write_paths(cohort, name, paths)


def write_index(file: Path, rows: Iterable[dict], plan: str) -> None:
    """Write a shard's index, typed alike whether it has rows or none."""
    table = pd.DataFrame(list(rows), columns=INDEX.names).astype({"fold": "Int16"})
    table.attrs["plan"] = plan
    write_whole(file, lambda path: table.to_parquet(path, index=False, schema=INDEX))


def relabel(file: Path) -> None:
    """Label the records of a shard's index anew, from their stored statements."""
    table = pd.read_parquet(file)
    plan = table.attrs["plan"]
    rows = table.to_dict("records")
    for row in rows:
        statements = [Statement(*parts) for parts in json.loads(row["statements"])]
        row |= _labels(statements, row["source"], json.loads(row["details"]))
    write_index(file, rows, plan)


def without(cohort: Path, old: str, new: str, keys: set[str]) -> None:
    """Copy shard ``old`` as ``new``, leaving out the records of ``keys``."""
    paths = read_paths(cohort, [old])
    going = paths["key"].isin(keys)
    source = cohort / "shards" / old
    index = pd.read_parquet(source / "index.parquet")
    kept = ~index["record"].isin(paths.loc[going & (paths["status"] == "read"), "record"])
    with folder_made_whole(cohort / "shards" / new) as folder:
        signals = np.load(source / "signals.npy", mmap_mode="r")
        np.save(folder / "signals.npy", signals[kept.to_numpy()])
        write_index(folder / "index.parquet", index[kept].to_dict("records"), f"of {old}")
        write_paths(cohort, new, paths[~going].to_dict("records"))


def _write_header(file, n_records: int, form: Form) -> None:
    """Write the header of an ``.npy`` file; its length does not depend on ``n_records``."""
    shape = (n_records, len(LEADS), form.n_samples)
    header = {"descr": "<i2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _first_readable(files: list[Seen], form: Form) -> tuple[Record | None, list[dict]]:
    """Return the record from the first of its files that can be read, and what became of each."""
    record, chosen, outcome = None, "", []
    for file in files:
        told = asdict(file) | {"status": "duplicate", "reason": "", "of": chosen}
        if record is None:
            try:
                record = _readable(Path(file.path), form)
                chosen = file.record
                told["status"] = "read"
            except UnreadableRecord as error:
                told |= {"status": "rejected", "reason": str(error)}
        outcome.append(told)
    return record, outcome


def _readable(path: Path, form: Form) -> Record:
    """Read a record whose rate is not below the cohort's."""
    record = read_record(path)
    if is_below(record.fs_hz, form.fs_hz) and not form.upsample:
        raise UnreadableRecord(
            f"Record {record.name} is sampled at {record.fs_hz:g} Hz and this cohort at "
            f"{form.fs_hz} Hz; rates are not raised. Ingest it into a cohort of a lower rate."
        )
    return record


def _name(outcome: list[dict]) -> str:
    return next(told["record"] for told in outcome if told["status"] == "read")


def _stored(record: Record, form: Form) -> tuple[np.ndarray, dict]:
    """Return the signal as (12, T) int16 in µV, and the record's row of the index."""
    brought = bring_to(record, form.fs_hz, form.duration_s)
    uv = np.rint(brought.signal_mv.astype(np.float64) * 1000)
    notes = list(brought.notes)
    if (np.abs(uv) > LARGEST_UV).any():
        uv = np.clip(uv, -LARGEST_UV, LARGEST_UV)
        notes.append(f"clipped at ±{LARGEST_UV / 1000} mV")
    stored = np.where(np.isnan(uv), MISSING, uv).astype("<i2")
    told = {
        "notes": json.dumps(notes, ensure_ascii=False),
        "signal_hash": hashlib.sha256(stored.tobytes()).hexdigest()[:24],
    }
    return stored, _row(record, form.secret) | told


def _row(record: Record, secret: bytes) -> dict:
    """Return what the index tells of a record as its source has it."""
    return {
        "source": record.source,
        "patient": _patient_hash(record, secret),
        "age": None if record.age_years is None else min(record.age_years, OLDEST_YEARS),
        "sex": record.sex,
        "fold": record.fold,
        "fs_hz": record.fs_hz,
        "duration_s": record.duration_s,
        "statements": json.dumps([[s.system, s.code, s.likelihood] for s in record.statements]),
        "details": json.dumps(record.details),
        **_labels(record.statements, record.source, record.details),
    }


def _labels(statements: Iterable[Statement], source: str, details: dict[str, str]) -> dict:
    statements = tuple(statements)
    return {
        f"{tier}_{code}": int(state)
        for tier in TIERS
        for code, state in zip(CODES, label(statements, source, details, tier).states, strict=True)
    }


def _patient_hash(record: Record, secret: bytes) -> str | None:
    """Return the keyed hash of a patient id; ids of different sources never meet."""
    if record.patient is None:
        return None
    told = f"{record.source}/{record.patient}".encode()
    return hmac.new(secret, told, "sha256").hexdigest()[:16]
