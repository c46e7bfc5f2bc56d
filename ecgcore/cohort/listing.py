"""Listing of a cohort's records: filters, and the table that lists show.

Arrow columns in which equal texts are stored once (see ``listing_columns``): 200,000 records are
opened and filtered in hundredths of a second. No signal is read.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecgcore.cohort.listing_columns import LABELS, TEXTS, load_columns
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound
from ecgcore.labels import code_tables
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.label_set_file import find_label_set
from ecgcore.labels.label_sets import LabelSet, label_set

LABEL_SOURCES = (*TIERS, "criteria")
"""Basis of the listed classes: statements (core or broad tier) or measurements."""
SET_PREFIX = "set:"
"""Before the name of a label set of the workspace, which is a basis of other classes."""
NO_DOUBT, NOT_MEASURED = "nothing doubtful", "not measured"
UNKNOWN = "unknown"
OLDEST_YEARS = 90


@dataclass(frozen=True)
class Filters:
    """Filters of a list; an empty tuple, the full age range and an empty text select all.

    Attributes
    ----------
    label_source
        One of LABEL_SOURCES, or ``set:NAME``: the basis of ``classes``.
    classes, sources, sexes, quality
        A record is listed if it has any of them. ``sexes`` may hold ``unknown``; ``quality`` holds
        codes of flags, ``nothing doubtful`` or ``not measured``.
    ages
        Years, both ends included; records of unknown age only with the full range, 0 to 90.
    text
        Part of the record's name, its source, or a statement's code or words; case is ignored.
    records
        Names of records.
    """

    label_source: str = "core"
    classes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    ages: tuple[float, float] = (0, OLDEST_YEARS)
    sexes: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    text: str = ""
    records: tuple[str, ...] = ()


class Listing:
    """Records of a cohort as lists show them; read-only, so it can be shared between threads."""

    def __init__(self, cohort: Cohort, label_sets: Path | None = None):
        self.cohort, self._label_sets = cohort, label_sets
        columns = load_columns(cohort)
        self._labels = np.stack([columns[name].to_numpy() for name in LABELS], axis=1)
        self._record, self._age = columns["record"], columns["age"]
        self._texts = {name: columns[name].combine_chunks() for name in TEXTS}
        self._flags = columns["quality"].combine_chunks()
        self._states: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._record)

    @cached_property
    def sources(self) -> list[str]:
        """Sources of the records, in alphabetical order."""
        return sorted(self._texts["source"].dictionary.to_pylist())

    @cached_property
    def quality(self) -> list[str]:
        """Values of ``Filters.quality`` in this cohort: nothing doubtful first, then flag codes."""
        present = {code for codes in self._quality_codes for code in codes}
        special = {NO_DOUBT, NOT_MEASURED}
        return [*sorted(present & special), *sorted(present - special)]

    def states(self, label_source: str) -> np.ndarray:
        """Return (N, C) int8 of a label source: 1 present, 0 absent, −1 unknown.

        Raises
        ------
        NotFound, RequestError
            There is no such label source; ``criteria`` of a cohort that was not measured; a label
            set of columns that were not imported.
        """
        if label_source.startswith(SET_PREFIX):
            if label_source not in self._states:
                self._states[label_source] = self.cohort.states(
                    label_set=self.label_set(label_source)
                )
            return self._states[label_source]
        if label_source not in LABEL_SOURCES:
            raise NotFound.among("label source", label_source, LABEL_SOURCES)
        if label_source not in self._states:
            if label_source == "criteria":
                self._states[label_source] = self.cohort.states("core", "criteria")
            else:
                first = TIERS.index(label_source) * len(CODES)
                self._states[label_source] = self._labels[:, first : first + len(CODES)]
        return self._states[label_source]

    def label_set(self, label_source: str) -> LabelSet:
        """Return the label set of a label source: the paper's ten classes, or that of its name."""
        if not label_source.startswith(SET_PREFIX) or self._label_sets is None:
            return label_set("paper10")
        return find_label_set(label_source.removeprefix(SET_PREFIX), self._label_sets)

    def select_rows(self, filters: Filters) -> np.ndarray:
        """Return the rows (n,) that filters select, in the cohort's order."""
        keep = np.ones(len(self), bool)
        if filters.records:
            keep &= _isin(self._record, filters.records)
        if filters.classes:
            codes = self.label_set(filters.label_source).codes
            columns = [codes.index(_known("class", code, codes)) for code in filters.classes]
            keep &= (self.states(filters.label_source)[:, columns] == 1).any(axis=1)
        for name, wanted in (("source", filters.sources), ("sex", filters.sexes)):
            if wanted:
                keep &= _expand(self._texts[name], [x in wanted for x in self._values(name)])
        if tuple(filters.ages) != (0, OLDEST_YEARS):
            age = self._age.to_numpy()
            keep &= (age >= filters.ages[0]) & (age <= filters.ages[1])
        if filters.quality:
            wanted_codes = set(filters.quality)
            has_any = [not wanted_codes.isdisjoint(codes) for codes in self._quality_codes]
            keep &= _expand(self._flags, has_any)
        if text := filters.text.strip():
            keep &= self._contains(text)
        return np.flatnonzero(keep)

    def table(self, rows: np.ndarray, label_source: str) -> pa.Table:
        """Return the list of some rows.

        Columns: ``record``, ``classes`` (by the label source), ``age`` (years), ``sex``,
        ``quality``, ``source`` and ``statements``.
        """
        indices = pa.array(rows)
        statements = [", ".join(codes) for codes in self._shown_statements]
        quality = [", ".join(codes) for codes in self._quality_codes]
        sex, source = self._texts["sex"], self._texts["source"]
        return pa.table(
            {
                "record": self._record.take(indices),
                "classes": _class_lists(
                    self.states(label_source)[rows] == 1, self.label_set(label_source).codes
                ),
                "age": self._age.take(indices),
                "sex": _take_texts(sex, sex.dictionary.to_pylist(), indices),
                "quality": _take_texts(self._flags, quality, indices),
                "source": _take_texts(source, source.dictionary.to_pylist(), indices),
                "statements": _take_texts(self._texts["statements"], statements, indices),
            }
        )

    def row_of(self, record: str) -> int | None:
        """Return the row of a record, None if there is no such record."""
        return self._rows.get(record)

    def name_of(self, row: int) -> str:
        """Return the name of the record in a row."""
        return self._record[int(row)].as_py()

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._record.to_pylist())}

    def _values(self, name: str) -> list[str]:
        """Return the distinct texts of a column, ``unknown`` for missing ones."""
        return [text or UNKNOWN for text in self._texts[name].dictionary.to_pylist()]

    @cached_property
    def _shown_statements(self) -> list[list[str]]:
        """Codes shown for each distinct statements text; words for codes that are numbers."""
        return [
            [_shown(system, code) for system, code, _ in json.loads(text)]
            for text in self._texts["statements"].dictionary.to_pylist()
        ]

    @cached_property
    def _searchable_statements(self) -> list[str]:
        """Text searched for each distinct statements text: codes and words."""
        return [
            " ".join(
                f"{code} {code_tables.statement_words(*_canonical(system, code))}"
                for system, code, _ in statements
            )
            for statements in map(json.loads, self._texts["statements"].dictionary.to_pylist())
        ]

    @cached_property
    def _quality_codes(self) -> list[list[str]]:
        """Codes of each distinct quality text."""
        return [_codes_in(text) for text in self._flags.dictionary.to_pylist()]

    def _contains(self, text: str) -> np.ndarray:
        """Return (N,) bool: whether a record's name, source or statements contain a text."""
        folded = text.casefold()
        in_name = pc.match_substring(self._record, text, ignore_case=True).to_numpy(False)
        statements = [folded in x.casefold() for x in self._searchable_statements]
        sources = [folded in x.casefold() for x in self._values("source")]
        in_statements = _expand(self._texts["statements"], statements)
        return in_name | in_statements | _expand(self._texts["source"], sources)


def class_counts_of(cohort: Cohort) -> dict[str, int]:
    """Return how many records of a cohort state each class (core tier)."""
    states = load_columns(cohort)
    return {code: pc.sum(pc.equal(states[f"core_{code}"], 1)).as_py() or 0 for code in CODES}


def _expand(encoded: pa.DictionaryArray, values: Sequence[bool]) -> np.ndarray:
    """Return (N,) bool from one bool per distinct text of a column."""
    return np.asarray(values, bool)[encoded.indices.to_numpy()]


def _take_texts(
    encoded: pa.DictionaryArray, texts: list[str], rows: pa.Array
) -> pa.DictionaryArray:
    """Return some rows of a column with its distinct texts replaced; '' becomes missing."""
    replaced = pa.array([text or None for text in texts], pa.string())
    return replaced.take(encoded.indices.take(rows)).dictionary_encode()


def _class_lists(stated: np.ndarray, classes: Sequence[str]) -> pa.ListArray:
    """Return the codes of the classes that are present in each row of (n, C) bool."""
    ends = np.concatenate([[0], np.cumsum(stated.sum(axis=1))]).astype(np.int32)
    codes = pa.array(classes, pa.string()).take(pa.array(np.nonzero(stated)[1]))
    return pa.ListArray.from_arrays(pa.array(ends), codes)


def _isin(column: pa.ChunkedArray, names: Iterable[str]) -> np.ndarray:
    return pc.is_in(column, value_set=pa.array(list(names), pa.string())).to_numpy(False)


def _codes_in(text: str) -> list[str]:
    flags = json.loads(text)
    if flags is None:
        return [NOT_MEASURED]
    return list(dict.fromkeys(flag.partition(":")[0] for flag in flags)) or [NO_DOUBT]


def _canonical(system: str, code: str) -> tuple[str, str]:
    return system, code_tables.canonical_code(system, code)


def _shown(system: str, code: str) -> str:
    if not code.replace("+", "").isdigit():
        return code
    return code_tables.statement_words(*_canonical(system, code)) or code


def _known(kind: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise NotFound.among(kind, name, known)
    return name
