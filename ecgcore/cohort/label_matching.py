"""Matching the rows of a table to the records of a cohort, by names of records, files and paths.

A cell matches where it names exactly one record: the record's name, its file's name with or without
the ending, or the end of its path. Nothing is guessed: letters count as capital or small, zeros in
front count, and a name that several records share matches none of them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PurePosixPath

import numpy as np

from ecgcore.cohort.private_paths import read_paths
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.records.metadata.tables import plain_number

NO_RECORD, SEVERAL = -1, -2
"""In place of a row: the cell names no record, or more than one."""
_MOST_COMPARED = 2000
_IS_ID = re.compile(r"(?=.*\d)[\w./\\+:-]{1,80}")
"""An identifier rather than words; only such cells are repeated to the person who imports."""


class RecordNames:
    """Names under which a cohort's records are known.

    Parameters
    ----------
    cohort
        A cohort of this home: the paths of its files are read.
    id_from
        Regular expression; its group is searched in each record's path and compared with the cells.

    Raises
    ------
    RequestError
        The expression is none, or has no group.
    """

    def __init__(self, cohort: Cohort, id_from: str | None = None):
        self._rows = {name: row for row, name in enumerate(cohort.index["record"])}
        self._by_last: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._is_pattern = id_from is not None
        pattern = compile_group(id_from) if id_from is not None else None
        for path, row in paths_of_records(cohort, self._rows):
            if pattern is None:
                self._add(path, row)
            elif found := pattern.search(path):
                self._by_last[found[1]].add((found[1], row))

    def _add(self, path: str, row: int) -> None:
        """Add a file under its name, with the ending and without."""
        name = PurePosixPath(path).name
        self._by_last[name].add((path, row))
        stem = PurePosixPath(path).stem
        if stem != name:
            self._by_last[stem].add((path.removesuffix(name) + stem, row))

    def find(self, cell: str) -> int:
        """Return the row of the one record that a cell names, else NO_RECORD or SEVERAL."""
        wanted = plain_number(cell).replace("\\", "/").removeprefix("./").strip("/")
        if not wanted:
            return NO_RECORD
        if self._is_pattern:
            rows = {row for _, row in self._by_last.get(wanted, ())}
        else:
            last = wanted.rpartition("/")[2]
            named = self._by_last.get(last, ())
            rows = {row for path, row in named if path == wanted or path.endswith(f"/{wanted}")}
            if wanted in self._rows:
                rows.add(self._rows[wanted])
        if len(rows) > 1:
            return SEVERAL
        return rows.pop() if rows else NO_RECORD

    def find_all(self, cells: Iterable[str]) -> np.ndarray:
        """Return (rows,) int: ``find`` of each cell."""
        known: dict[str, int] = {}
        rows = []
        for cell in cells:
            if cell not in known:
                known[cell] = self.find(cell)
            rows.append(known[cell])
        return np.array(rows, np.int64)

    def nearest(self, cell: str) -> str:
        """Return the known name that is most like a cell, '' if none is."""
        names = list(self._by_last) if self._is_pattern else [*self._rows, *self._by_last]
        if len(names) > _MOST_COMPARED:
            digits = cell.strip("0") or cell
            names = [n for n in names if digits in n or n[:4] == cell[:4] or n[-4:] == cell[-4:]]
        near = get_close_matches(cell, names[:_MOST_COMPARED], n=1, cutoff=0.7)
        return near[0] if near else ""


def compile_group(pattern: str) -> "re.Pattern[str]":
    """Return a regular expression with one group, or refuse it."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise RequestError(f"'{pattern:.80}' is no regular expression: {error}.") from None
    if compiled.groups != 1:
        raise RequestError(
            f"'{pattern:.80}' needs one group in parentheses, such as 'p(\\d+)/'; it has "
            f"{compiled.groups}."
        )
    return compiled


def paths_of_records(cohort: Cohort, rows: dict[str, int]) -> Iterable[tuple[str, int]]:
    """Yield path and row of each file of a record, copies of it included."""
    if cohort.location != cohort.name:
        raise RequestError(
            f"'{cohort.name}' lies at a URL, where paths are not kept; import labels where it was "
            "ingested, and push it again."
        )
    paths = read_paths(cohort.folder, cohort.meta["shards"])
    names = paths["record"].where(paths["status"] == "read", paths["of"])
    for path, name in zip(paths["path"], names, strict=True):
        if name in rows:
            yield path.replace("\\", "/"), rows[name]


def shown_id(cell: str) -> str:
    """Return a cell that is an identifier, '' for words, which may be a person's name."""
    return cell if _IS_ID.fullmatch(cell) else ""
