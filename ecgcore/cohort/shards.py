"""Making one shard: records read, brought to the cohort's form, labelled, and written whole."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ecgcore.atomic import atomic_dir
from ecgcore.cohort import duplicates, fingerprints, measurements_table
from ecgcore.cohort.codec import LARGEST_UV, MISSING
from ecgcore.cohort.index import INDEX, row_of, write_index
from ecgcore.cohort.partial_shards import Draft
from ecgcore.cohort.private_paths import read_paths, write_paths
from ecgcore.cohort.scan import SeenFile, is_below
from ecgcore.cohort.signal_format import Form
from ecgcore.errors import UnreadableRecord
from ecgcore.labels.code_tables import tables_hash
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.resample import bring_to

Work = list[list[SeenFile]]
"""What a shard is made of: one list a record, its files in order of preference."""


def plan_hash(work: Work, form: Form) -> str:
    """Return what a whole shard is known by: its files, the form, and how both are worked on."""
    told = [[asdict(file) for file in files] for files in work]
    shape = [form.fs_hz, form.duration_s, form.upsample, *form.reading, tables_hash()]
    shape += [duplicates.VERSION, measurements_table.version()]
    return hashlib.sha256(json.dumps([shape, told]).encode()).hexdigest()[:24]


def write_shard(
    cohort: Path,
    name: str,
    work: Work,
    form: Form,
    measure: bool = False,
    on_record: Callable[[bool], None] = lambda is_refused: None,
) -> None:
    """Read the records of ``work`` and write shard ``name`` and its piece of the private table.

    One record is in memory at a time; a shard that a killed run began is gone on with.
    ``on_record`` is called after each, with whether it was refused.
    """
    plan = plan_hash(work, form)
    with Draft(cohort, name, plan, form) as draft:
        for place in range(draft.done):
            on_record(place < draft.done - draft.read)
        for files in work[draft.done :]:
            record, outcome = _first_readable(files, form)
            line: dict[str, Any] = {"files": outcome, "row": None}
            stored = None
            if record:
                stored, notes = _stored(record, form)
                line |= {
                    "row": row_of(record, form.secret) | {"record": _name(outcome)} | notes,
                    "fingerprint": duplicates.fingerprint(record.signal_mv, record.fs_hz).hex(),
                    "measures": measurements_table.row_of(record, form.duration_s)
                    if measure
                    else None,
                }
            draft.add(stored, line)
            on_record(record is None)
        _write_tables(draft, cohort, name, plan)
        draft.finish()


def is_whole(shard: Path) -> bool:
    """Return whether a shard has a signal for every row of an index that is as it is today.

    Indexes of earlier versions lack ``machine``, which is no fault.
    """
    try:
        index = pq.ParquetFile(shard / "index.parquet")
        signals = np.load(shard / "signals.npy", mmap_mode="r")
    except (OSError, ValueError):  # ArrowInvalid is a ValueError
        return False
    complete = set(INDEX.names) - {"machine"} <= set(index.schema_arrow.names)
    return complete and len(signals) == index.metadata.num_rows


def rewritten(cohort: Path, old: str, new: str, keys: set[str], twins: dict[str, str]) -> None:
    """Copy shard ``old`` as ``new``, without some of its records.

    Parameters
    ----------
    keys
        Records of these keys are gone, with all that was known of their files.
    twins
        Records that are another one's copy, by name, and that other's name: their files are
        listed as duplicates.
    """
    paths = read_paths(cohort, [old])
    paths = paths[~paths["key"].isin(keys)]
    source = cohort / "shards" / old
    index = pd.read_parquet(source / "index.parquet")
    stays = paths.loc[paths["status"] == "read", "record"]
    kept = (index["record"].isin(stays) & ~index["record"].isin(twins)).to_numpy()
    with atomic_dir(cohort / "shards" / new) as folder:
        signals = np.load(source / "signals.npy", mmap_mode="r")
        np.save(folder / "signals.npy", signals[kept])
        write_index(folder / "index.parquet", index[kept].to_dict("records"), f"of {old}")
        fingerprints.copy(source, folder, kept)
        measurements_table.copy(source, folder, kept)
        write_paths(cohort, new, _with_twins(paths, twins).to_dict("records"))


def _with_twins(paths: pd.DataFrame, twins: dict[str, str]) -> pd.DataFrame:
    """Return rows of the private table where the files of ``twins`` are duplicates."""
    paths = paths.copy()
    copied = paths["record"].isin(twins) & (paths["status"] == "read")
    second = paths["of"].isin(twins)
    paths.loc[copied, "of"] = paths.loc[copied, "record"].map(twins)
    paths.loc[second, "of"] = paths.loc[second, "of"].map(twins)
    paths.loc[copied, "status"] = "duplicate"
    return paths


def _write_tables(draft: Draft, cohort: Path, name: str, plan: str) -> None:
    """Write the tables of a shard whose records are all done, from its journal."""
    rows: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    prints: list[bytes] = []
    measures: measurements_table.Table | None = measurements_table.Table()
    for line in draft.lines():
        files += line["files"]
        if line["row"] is None:
            continue
        rows.append(line["row"])
        prints.append(bytes.fromhex(line["fingerprint"]))
        if line["measures"] is None:
            measures = None
        elif measures is not None:
            measures.add(line["row"]["record"], line["measures"])
    write_index(draft.folder / "index.parquet", rows, plan)
    fingerprints.write(draft.folder, prints)
    if measures is not None:
        measures.write(draft.folder)
    write_paths(cohort, name, files)


def _first_readable(files: list[SeenFile], form: Form) -> tuple[Record | None, list[dict]]:
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
    record = read_record(path, **form.reading._asdict())
    if is_below(record.fs_hz, form.fs_hz) and not form.upsample:
        raise UnreadableRecord(
            f"Record {record.name} is sampled at {record.fs_hz:g} Hz and this cohort at "
            f"{form.fs_hz} Hz; rates are not raised. Ingest it into a cohort of a lower rate."
        )
    return record


def _name(outcome: list[dict]) -> str:
    return next(told["record"] for told in outcome if told["status"] == "read")


def _stored(record: Record, form: Form) -> tuple[np.ndarray, dict[str, str]]:
    """Return the signal as (12, T) int16 in µV, and its notes and hash for the index."""
    brought = bring_to(record, form.fs_hz, form.duration_s)
    uv = np.rint(brought.signal_mv.astype(np.float64) * 1000)
    notes = list(brought.notes)
    if (np.abs(uv) > LARGEST_UV).any():
        uv = np.clip(uv, -LARGEST_UV, LARGEST_UV)
        notes.append(f"clipped at ±{LARGEST_UV / 1000} mV")
    stored = np.where(np.isnan(uv), MISSING, uv).astype("<i2")
    return stored, {
        "notes": json.dumps(notes, ensure_ascii=False),
        "signal_hash": hashlib.sha256(stored.tobytes()).hexdigest()[:24],
    }
