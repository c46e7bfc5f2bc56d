"""Versions of a cohort's labels: an append-only overlay of imports, readings and corrections.

``labels/NNNN.parquet`` in the cohort's folder holds one version: a row a record, a column for each
finding (``v:CODE``: 1 present, 0 absent, NaN unknown, null not stated) and each attribute
(``a:patient`` …). The file's metadata say who, when and what. A hash over the version before it and
its own content names the state: no version can be altered without changing all that follow. The
latest statement about a record and a finding counts.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecgcore.atomic import damaged, reading_table, write_atomic
from ecgcore.cohort.remote import local_file, size_and_mtime
from ecgcore.errors import NotFound

FOLDER = "labels"
AS_INGESTED = "ingested"
"""Name of the state without any version."""
KINDS = ("import", "reading", "correction", "paths")
ATTRIBUTES = ("patient", "age", "sex", "fold", "order", "site", "device")
_VALUE, _ATTRIBUTE, _METADATA = "v:", "a:", b"ecgcore"
_NUMBERS = ("age", "fold", "order")


@dataclass(frozen=True)
class LabelVersion:
    """One version: its number (from 1), the hash of the state, and who made what when.

    Attributes
    ----------
    kind
        One of KINDS.
    titles
        Code → name of each finding.
    counts
        What it states: rows, records, and the records of each finding.
    """

    number: int
    hash: str
    parent: str
    kind: str
    who: str
    when: str
    titles: dict[str, str] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Overlay:
    """State of the overlay for the records of an index.

    Attributes
    ----------
    hash
        Names the state; ``ingested`` where there is none.
    values
        Code → (N,) float: 1 present, 0 absent or a number; NaN unknown or not stated.
    stated
        Code → (N,) bool: a version says something of the record, be it "unknown".
    attributes
        Name → (N,) object, None where not stated.
    titles
        Code → name.
    """

    hash: str
    values: dict[str, np.ndarray]
    stated: dict[str, np.ndarray]
    attributes: dict[str, np.ndarray]
    titles: dict[str, str]


def exist(cohort: Path) -> bool:
    """Return whether a cohort's labels have any version beside those ingested."""
    return bool(files(cohort))


def list_versions(cohort: Path) -> list[LabelVersion]:
    """Return the versions of a cohort's labels, the first first.

    Raises
    ------
    DamagedFile
        A version is missing or was altered.
    """
    versions: list[LabelVersion] = []
    for file in files(cohort):
        with reading_table(file):
            metadata = json.loads((pq.read_schema(local_file(file)).metadata or {})[_METADATA])
            version = LabelVersion(**metadata)
        parent = versions[-1].hash if versions else AS_INGESTED
        if version.parent != parent or version.number != len(versions) + 1:
            raise damaged(file, "it does not follow the version before it")
        versions.append(version)
    return versions


def files(cohort: Path) -> list[Path]:
    """Return the files of all versions; those of a remote cohort need not be here yet."""
    found: list[Path] = []
    while size_and_mtime(file := cohort / FOLDER / f"{len(found) + 1:04d}.parquet") != (0, 0):
        found.append(file)
    if later := sorted(set((cohort / FOLDER).glob("[0-9]*.parquet")) - set(found)):
        raise damaged(later[0], "a version before it is missing")
    return found


def state_hash(cohort: Path) -> str:
    """Return the hash of the latest state, ``ingested`` without any version."""
    return _hash_of(list_versions(cohort))


def _hash_of(versions: Sequence[LabelVersion]) -> str:
    return versions[-1].hash if versions else AS_INGESTED


def find_version(cohort: Path, name: str | None) -> int:
    """Return the number of a version named by its hash, its number or ``ingested``; None: latest.

    Raises
    ------
    NotFound
        There is no such version.
    """
    return _number(list_versions(cohort), name)


def _number(versions: Sequence[LabelVersion], name: str | None) -> int:
    if name is None:
        return len(versions)
    if name in (AS_INGESTED, "0"):
        return 0
    for version in versions:
        if name in (version.hash, str(version.number)):
            return version.number
    raise NotFound.among("version", name, [AS_INGESTED, *(v.hash for v in versions)])


def append_version(
    cohort: Path,
    kind: str,
    who: str,
    records: Iterable[str],
    values: Mapping[str, pa.Array],
    attributes: Mapping[str, Iterable[Any]] | None = None,
    titles: Mapping[str, str] | None = None,
    counts: Mapping[str, Any] | None = None,
) -> LabelVersion:
    """Append a version to a cohort's labels; the caller holds the cohort's lock.

    Parameters
    ----------
    values
        Code → (n,) float64: 1, 0 or a number; NaN withdraws what was stated; null says nothing.
    attributes
        Name (one of ATTRIBUTES) → (n,) values, None where nothing is stated.
    """
    columns: dict[str, pa.Array] = {"record": pa.array(list(records), pa.string())}
    columns |= {f"{_VALUE}{code}": array.cast(pa.float64()) for code, array in values.items()}
    for name, column in (attributes or {}).items():
        kind_of = pa.float64() if name in _NUMBERS else pa.string()
        columns[f"{_ATTRIBUTE}{name}"] = pa.array(list(column), kind_of)
    table = pa.table(columns)
    versions = list_versions(cohort)
    parent, number = _hash_of(versions), len(versions) + 1
    version = LabelVersion(
        number,
        _hash(parent, table),
        parent,
        kind,
        who[:80],
        datetime.now(UTC).isoformat(timespec="seconds"),
        dict(titles or {}),
        dict(counts or {}),
    )
    metadata = {_METADATA: json.dumps(asdict(version), ensure_ascii=False).encode()}
    table = table.replace_schema_metadata(metadata)
    file = cohort / FOLDER / f"{number:04d}.parquet"
    write_atomic(file, lambda path: pq.write_table(table, path, compression="zstd"))
    return version


def _hash(parent: str, table: pa.Table) -> str:
    digest = hashlib.sha256(f"{parent}\n{table.num_rows}".encode())
    for name in table.column_names:
        digest.update(f"\n{name}\n".encode())
        digest.update("\n".join(map(repr, table[name].to_pylist())).encode())
    return digest.hexdigest()[:12]


def read_overlay(cohort: Path, records: pd.Series, version: str | None = None) -> Overlay:
    """Return the state of the labels for records, at a version (None: the latest).

    Records that a version states and the cohort no longer holds are left out.

    Raises
    ------
    DamagedFile
        A version cannot be read, or was altered.
    """
    versions = list_versions(cohort)
    versions = versions[: _number(versions, version)]
    name = AS_INGESTED
    titles: dict[str, str] = {}
    values: dict[str, np.ndarray] = {}
    stated: dict[str, np.ndarray] = {}
    attributes: dict[str, np.ndarray] = {}
    rows = pd.Index(records)
    for file, info in zip(files(cohort), versions, strict=False):
        with reading_table(file):
            table = pq.read_table(local_file(file), use_threads=False)
        if _hash(info.parent, table) != info.hash:
            raise damaged(file, "its content is not what its hash names")
        name, titles = info.hash, titles | info.titles
        at = rows.get_indexer(table["record"].to_pylist())
        for column in table.column_names[1:]:
            if column.startswith(_VALUE):
                _put_values(table[column], at, column[len(_VALUE) :], values, stated, len(rows))
            else:
                _put_attribute(table[column], at, column[len(_ATTRIBUTE) :], attributes, len(rows))
    return Overlay(name, values, stated, attributes, titles)


def _put_values(
    column: pa.ChunkedArray,
    at: np.ndarray,
    code: str,
    values: dict[str, np.ndarray],
    stated: dict[str, np.ndarray],
    n: int,
) -> None:
    says = ~column.is_null().to_numpy() & (at >= 0)
    values.setdefault(code, np.full(n, np.nan))[at[says]] = column.to_numpy()[says]
    stated.setdefault(code, np.zeros(n, bool))[at[says]] = True


def _put_attribute(
    column: pa.ChunkedArray, at: np.ndarray, name: str, attributes: dict[str, np.ndarray], n: int
) -> None:
    target = attributes.setdefault(name, np.full(n, None, object))
    for row, value in zip(at, column.to_pylist(), strict=True):
        if value is not None and row >= 0:
            target[row] = value


def diff(cohort: Path, records: pd.Series, first: str, second: str) -> pd.DataFrame:
    """Return what changed from one version to another: record, column, before and after.

    Values are ``present``, ``absent``, ``unknown`` or a number; of attributes only that they
    changed.
    """
    states = [read_overlay(cohort, records, version) for version in (first, second)]
    names = records.to_numpy(object)
    parts = []
    for code in sorted(set(states[0].values) | set(states[1].values)):
        before, after = (s.values.get(code, np.full(len(names), np.nan)) for s in states)
        rows = np.flatnonzero(~((before == after) | (np.isnan(before) & np.isnan(after))))
        parts.append(_changes(names[rows], code, before[rows], after[rows]))
    for name in ATTRIBUTES:
        nothing = np.full(len(names), None, object)
        before, after = (s.attributes.get(name, nothing) for s in states)
        rows = np.flatnonzero(before != after)
        parts.append(
            pd.DataFrame({"record": names[rows], "column": name, "before": "", "after": "changed"})
        )
    return pd.concat(parts, ignore_index=True)


def _changes(records: np.ndarray, code: str, before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    columns = {"before": list(map(in_words, before)), "after": list(map(in_words, after))}
    return pd.DataFrame({"record": records, "column": code, **columns}, dtype=object)


def in_words(value: float) -> str:
    """Return a value for people."""
    if value != value:
        return "unknown"
    return {1.0: "present", 0.0: "absent"}.get(value, f"{value:g}")
