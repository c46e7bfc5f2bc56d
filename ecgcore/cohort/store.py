"""Cohort on disk: ``cohort.json`` and ``shards/NNNNN/{index.parquet, signals.npy}``.

Signals are int16 at 1 µV with −32768 for missing, memory-mapped; one rate and one length per
cohort. Paths are only in the private table ``private/NNNNN.parquet`` (mode 600), one per shard.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecgcore.atomic import map_array, read_parquet
from ecgcore.cohort import label_versions, measurements_table, remote
from ecgcore.cohort.catalogue import cohort_names, read_cohort_file
from ecgcore.cohort.codec import decode_record, decode_signals_mv, decode_statements
from ecgcore.cohort.label_attributes import with_attributes
from ecgcore.errors import DamagedFile, NotFound, RequestError
from ecgcore.labels import label_sets
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.records.record import LEADS, Record
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.labels.label_sets import LabelSet
    from ecgcore.measurement.measurements import Measurements

LABEL_SOURCES = ("expert", "criteria")
_MAX_MAPS = 10_000
"""Shards that are memory-mapped at once: a process may hold some 65,000 maps."""
_IMPORT = "Import a table that has it: ecgcore label import COHORT TABLE."
_ADVICE = "Make one: ecgcore ingest FOLDER --cohort NAME."


class Cohort:
    """Records of one sampling rate and length, opened for reading.

    Signals are read on access, never all at once.

    Attributes
    ----------
    name
        Name of the cohort.
    fs_hz, duration_s, n_samples
        Sampling rate in Hz, length in s and samples per lead of every record.
    hash
        Changes with any record, signal, stated label or their order.
    label_version
        Version of the imported labels that is read (see ``label_versions``); None: the latest.

    Examples
    --------
    >>> cohort = ecgcore.open_cohort("examples")
    >>> cohort.index["record"].iloc[0], cohort.signals([0]).shape
    ('00147_lr', (1, 12, 1000))
    >>> cohort.record(0).name
    '00147_lr'
    """

    def __init__(self, folder: Path, label_version: str | None = None):
        self.folder, self.label_version = folder, label_version
        self.meta: dict[str, Any] = read_cohort_file(folder)
        self.name: str = self.meta["name"]
        self.fs_hz: float = self.meta["fs_hz"]
        self.duration_s: float = self.meta["duration_s"]
        self.n_samples: int = self.meta["n_samples"]
        self.hash: str = self.meta["hash"]
        self._maps: dict[int, np.ndarray] = {}

    @classmethod
    def open(cls, name: str, workspace: Workspace) -> "Cohort":
        """Open a cohort by name or URL; NotFound lists those that exist."""
        if remote.is_url(name):
            return cls(remote.open_remote(name, workspace))
        names = cohort_names(workspace)
        if name not in names:
            raise NotFound.among("cohort", name, names, _ADVICE)
        return cls(workspace.cohorts / name)

    def __len__(self) -> int:
        return self.meta["records"]

    def __getitem__(self, row_or_name: int | str) -> Record:
        return self.record(row_or_name)

    def __iter__(self) -> Iterator[Record]:
        return (self.record(row) for row in range(len(self)))

    def __repr__(self) -> str:
        return (
            f"<Cohort '{self.name}': {len(self)} records of {self.meta['patients']} patients, "
            f"{self.duration_s:g} s at {self.fs_hz:g} Hz>"
        )

    @property
    def location(self) -> str:
        """Name or URL that reopens this cohort."""
        return self.meta.get(remote.URL_KEY, self.name)

    @cached_property
    def index(self) -> pd.DataFrame:
        """Table with one row per record, over all shards.

        Columns: ``record`` (unique), ``source``, ``patient`` (keyed hash, missing where the source
        states none), ``age`` (years, at most 90), ``sex``, ``fold``, ``fs_hz`` and ``duration_s``
        of the original, ``statements`` (JSON list of [system, code, likelihood]), ``details``
        (JSON), ``machine`` (JSON: what the machine itself measured), ``notes`` (JSON list),
        ``signal_hash``, and ``core_NSR`` … ``broad_ECT`` (int8: 1 present, 0 absent, −1 unknown).
        What imported tables state of patient, age, sex, fold, site and device replaces it.
        """
        return with_attributes(self._stored_index, self.overlay.attributes)

    @cached_property
    def overlay(self) -> label_versions.Overlay:
        """Imported labels and attributes, aligned with ``index``."""
        return label_versions.read_overlay(
            self.folder, self._stored_index["record"], self.label_version
        )

    @cached_property
    def _stored_index(self) -> pd.DataFrame:
        """The index as ingested."""
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
        label_set: "str | LabelSet" = "paper10",
    ) -> np.ndarray:
        """Return the label states, (N, C) int8 in the label set's order.

        1 is present, 0 absent, −1 unknown.

        Parameters
        ----------
        label_tier
            ``core`` or ``broad``.
        label_source
            ``expert`` (statements of the sources) or ``criteria`` (measurements against a set of
            ``thresholds``, see ``labels.criteria``).
        thresholds
            Set of thresholds of the criteria.
        label_set
            Label set, or the name of a built-in one. Source and thresholds apply to ``paper10``
            only, the tier also to sets that build on it.

        Raises
        ------
        NotFound
            An unknown tier, source or label set.
        RequestError
            ``criteria`` of a cohort that is not measured.
        """
        chosen = label_sets.label_set(label_set) if isinstance(label_set, str) else label_set
        if chosen.name != "paper10":
            return self._states_of_set(chosen, label_tier)
        if label_tier not in TIERS:
            raise NotFound.among("label tier", label_tier, TIERS)
        if label_source not in LABEL_SOURCES:
            raise NotFound.among("label source", label_source, LABEL_SOURCES)
        if label_source == "criteria":
            return self._criteria(label_tier, thresholds)
        return self.index[[f"{label_tier}_{code}" for code in CODES]].to_numpy(np.int8)

    def _states_of_set(self, label_set: "LabelSet", label_tier: str) -> np.ndarray:
        """Return the states of another set's classes, from statements, tables and measurements."""
        if not label_set.rules:
            statements = [decode_statements(text) for text in self.index["statements"]]
            return label_set.states(statements)
        return label_set.states_of(CohortEvidence(self, label_tier))

    def _criteria(self, label_tier: str, thresholds: str) -> np.ndarray:
        from ecgcore.labels.criteria import criteria_states

        if not self.is_measured:
            raise RequestError(
                f"Cohort '{self.name}' has not been measured, and criteria need measurements. "
                f"Make them: ecgcore ingest FOLDER --cohort {self.name}."
            )
        numbers = measurements_table.read_numbers(self._shards, self._sizes)
        return criteria_states(numbers, self.index, thresholds, label_tier)

    def row_of(self, record: str) -> int:
        """Return the row of a record, or raise NotFound."""
        try:
            return self._rows[record]
        except KeyError:
            raise NotFound(
                f"Cohort '{self.name}' has no record '{record}' among its {len(self)}, such as "
                f"'{next(iter(self._rows))}'."
            ) from None

    def signals(self, rows: np.ndarray | Iterable[int]) -> np.ndarray:
        """Return the signals of some rows, (B, 12, n_samples) float32 in mV, NaN where missing."""
        rows = np.asarray(rows, dtype=np.int64)
        signals_mv = np.empty((len(rows), len(LEADS), self.n_samples), np.float32)
        shard_of_row = np.searchsorted(self._ends, rows, side="right")
        for shard in np.unique(shard_of_row):
            of_shard = shard_of_row == shard
            first = self._ends[shard - 1] if shard else 0
            stored = self._signals(int(shard))[rows[of_shard] - first]
            signals_mv[of_shard] = decode_signals_mv(stored)
        return signals_mv

    @cached_property
    def measures(self) -> pd.DataFrame:
        """Measurements with one row per record, aligned with ``index``.

        Columns: ``record``, those of a measurement (``MEASURE_SCHEMA``), ``quality`` (JSON list of
        "code: words") and ``r_peaks_s``. All automatic, unconfirmed; missing if the cohort was
        ingested without measuring (``measure_job.ensure_measured`` adds them).
        """
        return measurements_table.read(self._shards, self._sizes)

    def measurements_of(self, row: int) -> "Measurements | None":
        """Return the measurements of a record; None without those of the current version."""
        return measurements_table.read_measurements(*self._locate(row))

    @property
    def is_measured(self) -> bool:
        """True if every record has been measured."""
        return all(measurements_table.is_measured(shard) for shard in self._shards)

    @property
    def has_current_measurements(self) -> bool:
        """True if every record has measurements of the current version."""
        return all(measurements_table.is_current(shard) for shard in self._shards)

    def beats(self, rows: np.ndarray | Iterable[int]) -> list[np.ndarray]:
        """Return the R peaks of some rows, in s from the start of the stored signal.

        They are detected now if they were not at ingest.
        """
        return [self._beats_of(int(row)) for row in rows]

    def _beats_of(self, row: int) -> np.ndarray:
        peaks_s = self._peaks[row]
        if peaks_s.is_valid:
            return peaks_s.values.to_numpy(zero_copy_only=False)
        from ecgcore.measurement.rpeaks import r_peaks

        return r_peaks(self.signals([row])[0], self.fs_hz)

    @cached_property
    def _peaks(self) -> Any:
        return measurements_table.read_peaks(self._shards, self._sizes)

    def record(self, row_or_name: int | str) -> Record:
        """Return a stored record at the cohort's rate and length.

        Parameters
        ----------
        row_or_name
            Row of the index (negative rows count from the end) or name of the record.

        Returns
        -------
        Record
            ``signal_mv`` is (12, n_samples) in mV, NaN where missing.

        Raises
        ------
        NotFound
            There is no record of that name.
        IndexError
            There is no such row.
        """
        row = self.row_of(row_or_name) if isinstance(row_or_name, str) else int(row_or_name)
        if not -len(self) <= row < len(self):
            raise IndexError(f"Cohort '{self.name}' has {len(self)} records, no row {row}.")
        row %= len(self)
        return decode_record(self._index_row(row), self.signals([row])[0], self.fs_hz)

    def _index_row(self, row: int) -> pd.Series:
        """Return a row of the index, reading only its own shard's if none was read yet."""
        if "index" in self.__dict__ or label_versions.exist(self.folder):
            return self.index.iloc[row]
        shard, position = self._locate(row)
        return self._table(shard / "index.parquet").iloc[position]

    def _locate(self, row: int) -> tuple[Path, int]:
        """Return the shard that holds a row, and the row's position in it."""
        number = int(np.searchsorted(self._ends, row, side="right"))
        return self._shards[number], int(row - (self._ends[number - 1] if number else 0))

    def path_of(self, record: str) -> Path:
        """Return the file that a record was read from. Its path may hold a patient's name."""
        self.row_of(record)
        for shard in self.meta["shards"]:
            paths = self._table(private_paths_file(self.folder, shard))
            path = paths.loc[(paths["record"] == record) & (paths["status"] == "read"), "path"]
            if len(path):
                return Path(path.iloc[0])
        raise DamagedFile(f"Cohort '{self.name}' no longer knows the file of record '{record}'.")

    @cached_property
    def _shards(self) -> list[Path]:
        return [self.folder / "shards" / shard for shard in self.meta["shards"]]

    def _signals(self, shard: int) -> np.ndarray:
        """Return a shard's signals (n, 12, T) int16, memory-mapped on first access."""
        if shard not in self._maps:
            if len(self._maps) == _MAX_MAPS:
                self._maps.clear()
            self._maps[shard] = map_signals(self._shards[shard], self._sizes[shard])
        return self._maps[shard]

    @cached_property
    def _sizes(self) -> list[int]:
        """Number of records in each shard."""
        return self.meta.get("sizes") or [self._size(s / "index.parquet") for s in self._shards]

    def _size(self, file: Path) -> int:
        try:
            return pq.read_metadata(remote.local_file(file)).num_rows
        except (OSError, pa.ArrowException) as error:
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
            return pq.ParquetFile(remote.local_file(file)).read(["record"])
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(file) from error

    def _table(self, file: Path) -> pd.DataFrame:
        try:
            return read_parquet(remote.local_file(file))
        except DamagedFile as error:
            raise self._damaged(file) from error

    def _damaged(self, file: Path) -> DamagedFile:
        return DamagedFile(
            f"Cohort '{self.name}': {file.parent.name}/{file.name} cannot be read; "
            "ingest its folder again."
        )


class CohortEvidence:
    """Evidence of a cohort's records for the rules of a label set (``label_rules.Evidence``)."""

    def __init__(self, cohort: Cohort, label_tier: str = "core"):
        self._cohort, self._tier = cohort, label_tier
        self.n_records = len(cohort)

    @property
    def statements(self) -> Sequence[str]:
        """The statements of each record, as JSON text."""
        return self._cohort.index["statements"].tolist()

    @property
    def sources(self) -> Sequence[str]:
        """The source of each record."""
        return self._cohort.index["source"].tolist()

    def paper10(self) -> np.ndarray:
        """Return (N, 10) int8 states of the paper's classes."""
        return self._cohort.states(self._tier)

    def column(self, code: str) -> tuple[np.ndarray, np.ndarray]:
        """Return values (N,), NaN unknown, and (N,) bool: whether a table states the column."""
        overlay = self._cohort.overlay
        if code not in overlay.values:
            raise NotFound.among("imported column", code, sorted(overlay.values), _IMPORT)
        return overlay.values[code], overlay.stated[code]

    def measure(self, name: str) -> np.ndarray:
        """Return (N,) float of a measurement, NaN where it was not measured."""
        measures = self._cohort.measures
        if name not in measures:
            raise NotFound.among("measurement", name, sorted(measures.columns))
        return measures[name].to_numpy(float)


def private_paths_file(cohort: Path, shard: str) -> Path:
    """Return the file of a shard's part of the private table (see ``private_paths``)."""
    return cohort / "private" / f"{shard}.parquet"


def map_signals(shard: Path, records: int) -> np.ndarray:
    """Return a shard's signals, (records, 12, T) int16, memory-mapped.

    Raises
    ------
    DamagedFile
        The file is not whole, or holds something else.
    """
    with suppress(DamagedFile):
        signals = map_array(remote.local_file(shard / "signals.npy"))
        if signals.dtype == np.int16 and signals.shape[:2] == (records, len(LEADS)):
            return signals
    raise DamagedFile(
        f"{shard.parent.parent.name}: shard {shard.name} has no whole signals; ingest its folder "
        "again."
    )
