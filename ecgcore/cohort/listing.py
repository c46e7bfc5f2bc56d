"""What a list shows of a cohort's records, and which of them a choice of filters leaves.

Arrow columns in which equal texts stand once (see ``columns``): 200,000 records are opened and
filtered in hundredths of a second. Nothing here looks at a signal.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecgcore.cohort.listing_columns import LABELS, TEXTS, columns
from ecgcore.cohort.store import TIERS, Cohort
from ecgcore.errors import NotFound
from ecgcore.labels import code_tables
from ecgcore.labels.classes import CODES

LABEL_SOURCES = (*TIERS, "criteria")
"""What the classes of a list rest on: statements (core or broad tier), or measurements."""
NO_DOUBT, NOT_MEASURED = "nothing doubtful", "not measured"
UNKNOWN = "unknown"
OLDEST_YEARS = 90


@dataclass(frozen=True)
class Filters:
    """What to list; an empty tuple, a full span and an empty text leave all.

    Attributes
    ----------
    policy
        One of LABEL_SOURCES: what ``classes`` means.
    classes, sources, sexes, quality
        A record is listed where it has any of them. ``sexes`` may hold ``unknown``; ``quality``
        holds codes of flags, ``nothing doubtful`` or ``not measured``.
    ages
        Years, both ends included; records of unknown age only where the span is 0 to 90.
    text
        Stands in the record's name, its source, or a statement's code or words; case is ignored.
    records
        Only these.
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
    """The records of a cohort as lists show them; for reading only, so it can be shared."""

    def __init__(self, cohort: Cohort):
        self.cohort = cohort
        table = columns(cohort)
        self._labels = np.stack([table[name].to_numpy() for name in LABELS], axis=1)
        self._record, self._age = table["record"], table["age"]
        self._texts = {name: table[name].combine_chunks() for name in TEXTS}
        self._flags = table["quality"].combine_chunks()
        self._states: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._record)

    @cached_property
    def sources(self) -> list[str]:
        """The sources that there are, in alphabetical order."""
        return sorted(self._texts["source"].dictionary.to_pylist())

    @cached_property
    def quality(self) -> list[str]:
        """What ``Filters.quality`` may hold here: nothing doubtful first, then codes of flags."""
        found = {code for codes in self._codes for code in codes}
        ends = {NO_DOUBT, NOT_MEASURED}
        return [*sorted(found & ends), *sorted(found - ends)]

    def states(self, label_source: str) -> np.ndarray:
        """Return (N, 10) int8 of a policy: 1 present, 0 absent, −1 unknown.

        Raises
        ------
        NotFound, RequestError
            There is no such policy; ``criteria`` of a cohort that was not measured.
        """
        if label_source not in LABEL_SOURCES:
            raise NotFound.among("label source", label_source, LABEL_SOURCES)
        if label_source not in self._states:
            if label_source == "criteria":
                self._states[label_source] = self.cohort.states("core", "criteria")
            else:
                first = TIERS.index(label_source) * len(CODES)
                self._states[label_source] = self._labels[:, first : first + len(CODES)]
        return self._states[label_source]

    def kept(self, filters: Filters) -> np.ndarray:
        """Return the rows (n,) that filters leave, in the cohort's order."""
        keep = np.ones(len(self), bool)
        if filters.records:
            keep &= _isin(self._record, filters.records)
        if filters.classes:
            chosen = [CODES.index(_known("class", code, CODES)) for code in filters.classes]
            keep &= (self.states(filters.label_source)[:, chosen] == 1).any(axis=1)
        for name, wanted in (("source", filters.sources), ("sex", filters.sexes)):
            if wanted:
                keep &= _of(self._texts[name], [x in wanted for x in self._plain(name)])
        if tuple(filters.ages) != (0, OLDEST_YEARS):
            age = self._age.to_numpy()
            keep &= (age >= filters.ages[0]) & (age <= filters.ages[1])
        if filters.quality:
            asked = set(filters.quality)
            keep &= _of(self._flags, [not asked.isdisjoint(codes) for codes in self._codes])
        if text := filters.text.strip():
            keep &= self._holds(text)
        return np.flatnonzero(keep)

    def table(self, rows: np.ndarray, label_source: str) -> pa.Table:
        """Return what a list shows of some rows: ``record``, ``classes`` (of the policy), ``age``
        (years), ``sex``, ``quality``, ``source`` and ``statements``."""
        taken = pa.array(rows)
        said = [", ".join(statements) for statements in self._said]
        doubts = [", ".join(codes) for codes in self._codes]
        sex, source = self._texts["sex"], self._texts["source"]
        return pa.table(
            {
                "record": self._record.take(taken),
                "classes": _lists(self.states(label_source)[rows] == 1),
                "age": self._age.take(taken),
                "sex": _told(sex, sex.dictionary.to_pylist(), taken),
                "quality": _told(self._flags, doubts, taken),
                "source": _told(source, source.dictionary.to_pylist(), taken),
                "statements": _told(self._texts["statements"], said, taken),
            }
        )

    def row_of(self, record: str) -> int | None:
        """Return the row of a record, None where there is no such record."""
        return self._rows.get(record)

    def name_of(self, row: int) -> str:
        """Return the name of the record in a row."""
        return self._record[int(row)].as_py()

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._record.to_pylist())}

    def _plain(self, name: str) -> list[str]:
        """Return the different texts of a column, ``unknown`` where nothing is told."""
        return [text or UNKNOWN for text in self._texts[name].dictionary.to_pylist()]

    @cached_property
    def _said(self) -> list[list[str]]:
        """What is shown of each text of statements: a code, words where that is a number."""
        return [
            [_shown(system, code) for system, code, _ in json.loads(text)]
            for text in self._texts["statements"].dictionary.to_pylist()
        ]

    @cached_property
    def _searched(self) -> list[str]:
        """What is searched of each different text of statements: codes and words."""
        return [
            " ".join(
                f"{code} {code_tables.words(*_line(system, code))}" for system, code, _ in said
            )
            for said in map(json.loads, self._texts["statements"].dictionary.to_pylist())
        ]

    @cached_property
    def _codes(self) -> list[list[str]]:
        """The codes of each different text of quality flags."""
        return [_codes_in(text) for text in self._flags.dictionary.to_pylist()]

    def _holds(self, text: str) -> np.ndarray:
        """Return (N,) bool: where a record's name, source or statements hold a text."""
        low = text.casefold()
        named = pc.match_substring(self._record, text, ignore_case=True).to_numpy(False)
        stated = _of(self._texts["statements"], [low in x.casefold() for x in self._searched])
        source = _of(self._texts["source"], [low in x.casefold() for x in self._plain("source")])
        return named | stated | source


def class_counts_of(cohort: Cohort) -> dict[str, int]:
    """Return how many records of a cohort state each class (core tier)."""
    states = columns(cohort)
    return {code: pc.sum(pc.equal(states[f"core_{code}"], 1)).as_py() or 0 for code in CODES}


def _of(encoded: pa.DictionaryArray, true_of: Sequence[bool]) -> np.ndarray:
    """Return (N,) bool from what is true of each different text."""
    return np.asarray(true_of, bool)[encoded.indices.to_numpy()]


def _told(encoded: pa.DictionaryArray, texts: list[str], rows: pa.Array) -> pa.DictionaryArray:
    """Return some rows of a column, its different texts told as ``texts``; '' as missing."""
    told = pa.array([text or None for text in texts], pa.string())
    return told.take(encoded.indices.take(rows)).dictionary_encode()


def _lists(stated: np.ndarray) -> pa.ListArray:
    """Return the codes of the classes that stand in each row of (n, 10) bool."""
    ends = np.concatenate([[0], np.cumsum(stated.sum(axis=1))]).astype(np.int32)
    codes = pa.array(CODES, pa.string()).take(pa.array(np.nonzero(stated)[1]))
    return pa.ListArray.from_arrays(pa.array(ends), codes)


def _isin(column: pa.ChunkedArray, names: Iterable[str]) -> np.ndarray:
    return pc.is_in(column, value_set=pa.array(list(names), pa.string())).to_numpy(False)


def _codes_in(text: str) -> list[str]:
    flags = json.loads(text)
    if flags is None:
        return [NOT_MEASURED]
    return list(dict.fromkeys(flag.partition(":")[0] for flag in flags)) or [NO_DOUBT]


def _line(system: str, code: str) -> tuple[str, str]:
    return system, code_tables.canonical(system, code)


def _shown(system: str, code: str) -> str:
    bare = code.replace("+", "").isdigit()
    return (code_tables.words(*_line(system, code)) or code) if bare else code


def _known(kind: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise NotFound.among(kind, name, known)
    return name
