"""A cohort on disk: ``cohort.json`` and ``shards/NNNNN/{index.parquet, signals.npy}``.

Signals are int16 at 1 µV with −32768 for missing, memory-mapped; one rate and one length a cohort.
Paths stand only in the private table ``private/NNNNN.parquet`` (mode 600), one piece a shard.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecgcore.atomic import read_json
from ecgcore.cohort import remote
from ecgcore.cohort.codec import as_record, in_mv, statements_in
from ecgcore.errors import DamagedFile, NotFound, RequestError
from ecgcore.labels.classes import CODES
from ecgcore.labels.label_sets import label_set
from ecgcore.records.record import LEADS, Record
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.measure.measurements import Measurements

TIERS = ("core", "broad")
LABEL_SOURCES = ("expert", "criteria")
_KEYS = {"name", "records", "patients", "fs_hz", "duration_s", "n_samples", "sources", "hash"} | {
    "shards"
}
_MOST_MAPS = 10_000
"""Shards that are mapped at once: a process may hold some 65,000 maps."""
_ADVICE = "Make one: ecgcore ingest FOLDER --cohort NAME."


@dataclass(frozen=True)
class CohortSummary:
    """What a list of cohorts shows of one; ``sources`` gives records a source."""

    name: str
    records: int
    patients: int
    fs_hz: float
    duration_s: float
    sources: dict[str, int]
    hash: str


class Cohort:
    """A cohort, opened for reading. Signals are read when asked for, never all at once."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.meta: dict[str, Any] = read_json(folder / "cohort.json")
        if missing := sorted(_KEYS - self.meta.keys()):
            raise DamagedFile(
                f"Cohort '{folder.name}': cohort.json lacks {', '.join(missing)}; remove the "
                "cohort's folder and ingest again."
            )
        self.name: str = self.meta["name"]
        self.fs_hz: float = self.meta["fs_hz"]
        self.duration_s: float = self.meta["duration_s"]
        self.n_samples: int = self.meta["n_samples"]
        self.hash: str = self.meta["hash"]
        self._maps: dict[int, np.ndarray] = {}

    @classmethod
    def open(cls, name: str, workspace: Workspace) -> "Cohort":
        """Open the cohort of that name, or say which there are; or the one at a URL."""
        if remote.is_url(name):
            return cls(remote.opened(name, workspace))
        names = _names(workspace)
        if name not in names:
            raise NotFound.among("cohort", name, names, _ADVICE)
        return cls(workspace.cohorts / name)

    def __len__(self) -> int:
        return self.meta["records"]

    @property
    def where(self) -> str:
        """By what it is opened again: its name, or the URL where it lies."""
        return self.meta.get(remote.URL, self.name)

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row a record, over all shards.

        Columns: ``record`` (unique), ``source``, ``patient`` (keyed hash, missing where the source
        gives none), ``age`` (years, at most 90), ``sex``, ``fold``, ``fs_hz`` and ``duration_s``
        of the original, ``statements`` (JSON list of [system, code, likelihood]), ``details``
        (JSON), ``machine`` (JSON: what the machine itself measured), ``notes`` (JSON list),
        ``signal_hash``, and ``core_NSR`` … ``broad_ECT`` (int8: 1 present, 0 absent, −1 unknown).
        """
        tables = [self._table(shard / "index.parquet") for shard in self._shards]
        index = pd.concat(tables, ignore_index=True)
        if "machine" not in index:  # shards of earlier versions
            index.insert(index.columns.get_loc("notes"), "machine", "{}")
        index["machine"] = index["machine"].fillna("{}")
        if len(index) != len(self):
            raise DamagedFile(
                f"Cohort '{self.name}' should have {len(self)} records and has {len(index)}; "
                "ingest its folder again."
            )
        return index

    def states(
        self,
        label_tier: str = "core",
        label_source: str = "expert",
        thresholds: str = "paper",
        of: str = "paper10",
    ) -> np.ndarray:
        """Return (N, C) int8 in the label set's order: 1 present, 0 absent, −1 unknown.

        ``label_source`` is ``expert`` (what sources state) or ``criteria`` (measurements against a
        set of ``thresholds``, see ``labels.criteria``); ``of`` names the label set. Label tier,
        label source and thresholds are of ``paper10`` only.

        Raises
        ------
        RequestError
            ``criteria`` of a cohort that is not measured.
        """
        if of != "paper10":
            return label_set(of).states([statements_in(text) for text in self.index["statements"]])
        if label_tier not in TIERS:
            raise NotFound.among("label tier", label_tier, TIERS)
        if label_source not in LABEL_SOURCES:
            raise NotFound.among("label source", label_source, LABEL_SOURCES)
        if label_source == "criteria":
            return self._criteria(label_tier, thresholds)
        return self.index[[f"{label_tier}_{code}" for code in CODES]].to_numpy(np.int8)

    def _criteria(self, label_tier: str, thresholds: str) -> np.ndarray:
        from ecgcore.cohort import measurements_table
        from ecgcore.labels.criteria import criteria_states

        if not self.is_measured:
            raise RequestError(
                f"Cohort '{self.name}' has not been measured, and criteria need measurements. "
                f"Make them: ecgcore ingest FOLDER --cohort {self.name}."
            )
        numbers = measurements_table.read_numbers(self._shards, self._sizes)
        return criteria_states(numbers, self.index, thresholds, label_tier)

    def row_of(self, record: str) -> int:
        """Return the row of a record."""
        try:
            return self._rows[record]
        except KeyError:
            raise NotFound(
                f"Cohort '{self.name}' has no record '{record}' among its {len(self)}, such as "
                f"'{next(iter(self._rows))}'."
            ) from None

    def signals(self, rows: np.ndarray | Iterable[int]) -> np.ndarray:
        """Return the signals of some rows, (B, 12, n_samples) float32 in mV, NaN where missing."""
        wanted = np.asarray(rows, dtype=np.int64)
        out = np.empty((len(wanted), len(LEADS), self.n_samples), np.float32)
        shard_of = np.searchsorted(self._ends, wanted, side="right")
        for shard in np.unique(shard_of):
            here = shard_of == shard
            first = self._ends[shard - 1] if shard else 0
            out[here] = in_mv(self._signals(int(shard))[wanted[here] - first])
        return out

    @cached_property
    def measures(self) -> pd.DataFrame:
        """One row a record, aligned with ``index``: ``record``, the columns of a measurement
        (``MEASURE_SCHEMA``), ``quality`` (JSON list of "code: words") and ``r_peaks_s``.

        All automatic, unconfirmed; missing where the cohort was ingested without measuring
        (``measuring.ensure_measured`` makes them).
        """
        from ecgcore.cohort import measurements_table

        return measurements_table.read(self._shards, self._sizes)

    def measurements_of(self, row: int) -> "Measurements | None":
        """Return what was measured of a record, None where that was not done as it is today."""
        from ecgcore.cohort import measurements_table

        shard, place = self._place(row)
        return measurements_table.of_record(shard, place)

    @property
    def is_measured(self) -> bool:
        """Whether every record has been measured."""
        from ecgcore.cohort import measurements_table

        return all(measurements_table.is_measured(shard) for shard in self._shards)

    @property
    def is_measured_as_today(self) -> bool:
        """Whether every record has been measured, and as this version measures."""
        from ecgcore.cohort import measurements_table

        return all(measurements_table.is_current(shard) for shard in self._shards)

    def beats(self, rows: np.ndarray | Iterable[int]) -> list[np.ndarray]:
        """Return the R peaks of some rows, in s from the start of the stored signal.

        Those that were not found at ingest are sought now.
        """
        return [self._beats_of(int(row)) for row in rows]

    def _beats_of(self, row: int) -> np.ndarray:
        found = self._peaks[row]
        if found.is_valid:
            return found.values.to_numpy(zero_copy_only=False)
        from ecgcore.measure.rpeaks import r_peaks

        return r_peaks(self.signals([row])[0], self.fs_hz)

    @cached_property
    def _peaks(self) -> Any:
        from ecgcore.cohort import measurements_table

        return measurements_table.read_peaks(self._shards, self._sizes)

    def record(self, which: int | str) -> Record:
        """Return a record as it is stored, by row or name, at the cohort's rate and length."""
        row = self.row_of(which) if isinstance(which, str) else int(which)
        return as_record(self._told(row), self.signals([row])[0], self.fs_hz)

    def _told(self, row: int) -> pd.Series:
        """Return a row of the index; where that was not read yet, of its own shard's alone."""
        if "index" in self.__dict__:
            return self.index.iloc[row]
        shard, place = self._place(row)
        return self._table(shard / "index.parquet").iloc[place]

    def _place(self, row: int) -> tuple[Path, int]:
        """Return the shard that holds a row, and the row's place there."""
        number = int(np.searchsorted(self._ends, row, side="right"))
        return self._shards[number], int(row - (self._ends[number - 1] if number else 0))

    def path_of(self, record: str) -> Path:
        """Return the file that a record was read from. For the caller's own eyes only."""
        self.row_of(record)
        for shard in self.meta["shards"]:
            paths = self._table(private_piece(self.folder, shard))
            found = paths.loc[(paths["record"] == record) & (paths["status"] == "read"), "path"]
            if len(found):
                return Path(found.iloc[0])
        raise DamagedFile(f"Cohort '{self.name}' no longer knows the file of record '{record}'.")

    @cached_property
    def _shards(self) -> list[Path]:
        return [self.folder / "shards" / shard for shard in self.meta["shards"]]

    def _signals(self, shard: int) -> np.ndarray:
        """Return a shard's signals (n, 12, T) int16, mapped when first asked for."""
        if shard not in self._maps:
            if len(self._maps) == _MOST_MAPS:
                self._maps.clear()
            self._maps[shard] = _mapped(self._shards[shard] / "signals.npy", self._sizes[shard])
        return self._maps[shard]

    @cached_property
    def _sizes(self) -> list[int]:
        """Records of each shard."""
        return self.meta.get("sizes") or [self._size(s / "index.parquet") for s in self._shards]

    def _size(self, file: Path) -> int:
        try:
            return pq.read_metadata(remote.need(file)).num_rows
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(file) from error

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self._sizes)

    @cached_property
    def _rows(self) -> dict[str, int]:
        if "index" in self.__dict__:
            return {record: row for row, record in enumerate(self.index["record"])}
        tables = [self._names(shard / "index.parquet") for shard in self._shards]
        names = pa.concat_tables(tables)["record"].to_pylist() if tables else []
        return {record: row for row, record in enumerate(names)}

    def _names(self, file: Path) -> pa.Table:
        try:
            return pq.ParquetFile(remote.need(file)).read(["record"])
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(file) from error

    def _table(self, file: Path) -> pd.DataFrame:
        try:
            return pd.read_parquet(remote.need(file))
        except (OSError, ValueError) as error:
            raise self._damaged(file) from error

    def _damaged(self, file: Path) -> DamagedFile:
        return DamagedFile(
            f"Cohort '{self.name}': {file.parent.name}/{file.name} cannot be read; "
            "ingest its folder again."
        )


def private_piece(cohort: Path, shard: str) -> Path:
    """Return the file of a shard's piece of the private table (see ``paths``)."""
    return cohort / "private" / f"{shard}.parquet"


def list_cohorts(workspace: Workspace) -> list[CohortSummary]:
    """Return what there is in a home folder, by name."""
    return [_summary(Cohort(workspace.cohorts / name).meta) for name in _names(workspace)]


def _summary(meta: dict[str, Any]) -> CohortSummary:
    return CohortSummary(**{key: meta[key] for key in CohortSummary.__dataclass_fields__})


def _names(workspace: Workspace) -> list[str]:
    return sorted(file.parent.name for file in workspace.cohorts.glob("[!.]*/cohort.json"))


def _mapped(file: Path, records: int) -> np.ndarray:
    """Return a shard's signals (n, 12, T) int16, memory-mapped."""
    try:
        signals = np.load(remote.need(file), mmap_mode="r")
        if len(signals) != records:
            raise ValueError(f"{len(signals)} signals of {records}")
        return signals
    except (OSError, ValueError) as error:
        raise DamagedFile(
            f"{file.parent.parent.parent.name}: shard {file.parent.name} has no whole signals; "
            "ingest its folder again."
        ) from error
