"""Cells of a table of labels: yes, no and unknown, numbers, dates, and lists of class names."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

YES = frozenset({"1", "1.0", "yes", "y", "true", "t", "x", "present", "positive", "pos", "+", "ja"})
NO = frozenset({"0", "0.0", "no", "n", "false", "f", "absent", "negative", "neg", "nein"})
EMPTY = frozenset({"", "na", "n/a", "nan", "null", "unknown", "unbekannt", "missing", "?"})
"""Words of a cell that states nothing, in small letters."""
SEPARATORS = ("|", ";", ",")
_NUMBER = re.compile(r"[-+]?\d{1,15}(?:[.,]\d+)?(?:[eE][-+]?\d{1,3})?")
_LIST_MARKS = str.maketrans("", "", "[](){}\"'")
_LIKELIHOOD = re.compile(r":\s*[\d.]+$")
"""After a code, as in PTB-XL's ``{'NORM': 100.0}``."""
_EXCEL_EPOCH = datetime(1899, 12, 30)
_FIRST_SERIAL, _LAST_SERIAL = 10_000, 80_000
"""Excel's serial numbers of the days from 1927 to 2119."""
_DATE_FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y")
_DAY_FIRST, _MONTH_FIRST = "%d/%m/%Y", "%m/%d/%Y"


def is_empty(cell: str) -> bool:
    """Return whether a cell states nothing."""
    return cell.strip().lower() in EMPTY


def yes_or_no(cell: str) -> float | None:
    """Return 1 for yes, 0 for no, NaN for an empty cell; None for any other text."""
    word = cell.strip().lower()
    if word in YES:
        return 1.0
    if word in NO:
        return 0.0
    return float("nan") if word in EMPTY else None


def number(cell: str) -> float | None:
    """Return the number of a cell, NaN for an empty one; None for any other text."""
    text = cell.strip()
    if is_empty(text):
        return float("nan")
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def parse_cells(cells: Iterable[str], parse) -> list[float] | None:
    """Return the values of a column's distinct cells in their order; None if one has none.

    ``parse`` is ``yes_or_no`` or ``number``. A column without any value has none, either.
    """
    values = [parse(cell) for cell in cells]
    if any(value is None for value in values) or all(value != value for value in values):
        return None
    return values


def class_names(cell: str, separator: str | None) -> list[str]:
    """Return the class names in a cell: ``AF|LBBB``, ``['AF', 'LBBB']`` or ``{'AF': 100.0}``.

    Without a separator the whole cell is one name.
    """
    if is_empty(cell):
        return []
    parts = [cell] if separator is None else cell.translate(_LIST_MARKS).split(separator)
    names = (_LIKELIHOOD.sub("", part.strip()).strip() for part in parts)
    return list(dict.fromkeys(name for name in names if not is_empty(name)))


def separator_of(cells: Iterable[str]) -> str | None:
    """Return the separator of a column of lists: the first of SEPARATORS that a cell holds.

    A comma counts only between brackets; elsewhere it may belong to a name.
    """
    cells = list(cells)
    for separator in ("|", ";"):
        if any(separator in cell for cell in cells):
            return separator
    return "," if any(cell.strip()[:1] in ("[", "{") for cell in cells) else None


def code_of(name: str) -> str:
    """Return the code of a column or class: letters, digits, ``_``, ``-`` and ``.``, 40 at most."""
    code = re.sub(r"[^\w.\-]+", "_", name.strip()).strip("_.-")
    return code[:40].rstrip("_.-")


def parse_dates(cells: Iterable[str]) -> dict[str, datetime] | None:
    """Return the time of each distinct cell; None if a cell is no date or its order is open.

    Accepted are ISO dates, with a time or without, ``31.12.2020``, Excel's serial numbers, and
    ``31/12/2020`` or ``12/31/2020`` where only one of both readings fits all cells.
    """
    cells = [cell for cell in dict.fromkeys(cells) if not is_empty(cell)]
    for forms in ((*_DATE_FORMS,), (_DAY_FIRST,), (_MONTH_FIRST,)):
        times = {cell: _time_of(cell.strip(), forms) for cell in cells}
        if all(times.values()):
            other = {_DAY_FIRST: _MONTH_FIRST, _MONTH_FIRST: _DAY_FIRST}.get(forms[0])
            if other and all(_time_of(cell.strip(), (other,)) for cell in cells):
                return None
            return {cell: time for cell, time in times.items() if time}
    return None


def _time_of(cell: str, forms: Iterable[str]) -> datetime | None:
    """Return the time that a cell states in one of some forms, an ISO time, or a serial number."""
    serial = number(cell)
    if serial is not None and _FIRST_SERIAL <= serial <= _LAST_SERIAL:
        return _EXCEL_EPOCH + timedelta(days=serial)
    for form in forms:
        try:
            return datetime.strptime(cell, form)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(cell).replace(tzinfo=None)
    except ValueError:
        return None
