"""Data frames of one recording (Parquet, Feather, a worksheet, long CSV) as tables of numbers."""

from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.records.clocks import is_count, parse_times
from ecgcore.records.formats.tabular import (
    INDEX_NAMES,
    TIME_NAMES,
    Table,
    holds_clock_times,
    wanted_columns,
)
from ecgcore.records.lead_names import LEAD_COLUMNS, standard_leads
from ecgcore.records.rates import is_rate_name
from ecgcore.records.units import name_and_unit

WIDEST = 100
"""More columns are samples, not leads."""
MOST_CELLS = 14_000_000
_MOST_LEADS, _FEWEST_LEADS = 40, 8


def table_of_frame(path: Path, frame: pd.DataFrame, comments: tuple[str, ...] = ()) -> Table:
    """Return a frame's numbers: of a column a lead, a row a lead, or a row a lead and sample.

    Raises
    ------
    UnreadableRecord
        A lead holds words, or the rows of a long table do not fit together.
    """
    if frame.size > MOST_CELLS:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} has {frame.size:,} cells, more than any ECG that is "
            "read whole. Cut out the part that is meant."
        )
    frame = _columns_of_leads(path, frame.rename(columns=str))
    cells = [name_and_unit(column.strip()) for column in frame.columns]
    names = [name for name, _ in cells]
    first = [str(cell) for cell in frame.iloc[0]] if len(frame) else []
    wanted = wanted_columns(names, first, lambda i: _holds_numbers(frame.iloc[:, i]))
    columns = [_numbers(path, names[i], frame.iloc[:, i], cells[i][1]) for i in wanted]
    return Table(
        names=[names[i] for i in wanted],
        units=[unit for _, unit in columns],
        values=np.column_stack([values for values, _ in columns])
        if columns
        else np.empty((len(frame), 0)),
        unused=tuple(names[i] for i in range(len(names)) if i not in wanted),
        comments=comments,
    )


def looks_like_recording(frame: pd.DataFrame) -> bool:
    """Return whether the first rows of a frame are those of a recording, by names or numbers."""
    names = [name_and_unit(str(column).strip())[0] for column in frame.columns]
    if sum(lead is not None for lead in standard_leads(names)) > 1:
        return True
    if lead_column(frame) is not None:
        return True
    are_numbers = [pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes]
    others = [name for name, is_number in zip(names, are_numbers, strict=True) if not is_number]
    return sum(are_numbers) >= _FEWEST_LEADS and all(name.lower() in TIME_NAMES for name in others)


def lead_column(frame: pd.DataFrame) -> int | None:
    """Return the column whose cells name leads, None where there is none."""
    for i, column in enumerate(frame.columns):
        if str(column).strip().lower() in LEAD_COLUMNS | INDEX_NAMES:
            cells = frame.iloc[:, i].map(str)
            names = list(dict.fromkeys(cells))[: _MOST_LEADS + 1]
            if len(names) <= _MOST_LEADS and any(standard_leads(names)):
                return i
    return None


def _columns_of_leads(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with one column a lead."""
    column = lead_column(frame)
    if column is None:
        return _without_row_numbers(frame).T if _is_wide(frame) else frame
    leads = frame.iloc[:, column].map(str)
    others = frame.drop(columns=frame.columns[column])
    if leads.is_unique:
        return _turned(leads, others)
    return _unstacked(path, leads, others)


def _is_wide(frame: pd.DataFrame) -> bool:
    return len(frame) <= _MOST_LEADS and frame.shape[1] > WIDEST


def _without_row_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    first = pd.to_numeric(frame.iloc[:, 0], errors="coerce").to_numpy(np.float64)
    rest = frame.iloc[:, 1:] if is_count(first) else frame
    return rest.set_axis([str(i) for i in range(len(frame))], axis=0)


def _turned(leads: pd.Series, samples: pd.DataFrame) -> pd.DataFrame:
    """Return rows of leads as columns, with the names of the samples as their clock or count."""
    turned = samples.T.set_axis(list(leads), axis=1)
    times = pd.to_numeric(pd.Series(list(samples.columns)), errors="coerce").to_numpy(np.float64)
    if np.isnan(times).any():
        return turned
    turned.insert(0, "index" if is_count(times) else "time", times)
    return turned


def _unstacked(path: Path, leads: pd.Series, others: pd.DataFrame) -> pd.DataFrame:
    """Return a long frame (lead, sample or time, value) with one column a lead."""
    bare = [name_and_unit(column.strip()) for column in others.columns]
    clocks = [i for i, (name, _) in enumerate(bare) if name.lower() in TIME_NAMES | INDEX_NAMES]
    rates = [i for i, (name, _) in enumerate(bare) if is_rate_name(name)]
    numbers = [i for i in range(len(bare)) if pd.api.types.is_numeric_dtype(others.dtypes.iloc[i])]
    values = [i for i in numbers if i not in clocks + rates]
    if len(values) != 1:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} has a row for each lead and sample, and "
            f"{len(values)} columns of numbers beside their time; one is needed."
        )
    groups = [others[leads == lead] for lead in leads.unique()]
    first = groups[0].iloc[:, clocks + rates]
    for group in groups:
        if not np.array_equal(group.iloc[:, clocks + rates].to_numpy(), first.to_numpy()):
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} has a row for each lead and sample, and its "
                "leads have different times; leads recorded together are needed."
            )
    unit = bare[values[0]][1]
    unstacked = first.reset_index(drop=True)
    for lead, group in zip(leads.unique(), groups, strict=True):
        name = f"{lead} ({unit})" if unit else lead
        unstacked[name] = group.iloc[:, values[0]].to_numpy()
    return unstacked


def _holds_numbers(column: pd.Series) -> bool:
    return _is_time_type(column) or not _words(column).any()


def _numbers(path: Path, name: str, column: pd.Series, unit: str) -> tuple[np.ndarray, str]:
    """Return a column as float64, and its unit; clock times as seconds."""
    if _is_time_type(column):
        return (column - column.iloc[0]) / pd.Timedelta(seconds=1), "s"
    if holds_clock_times(name, [str(cell) for cell in column.iloc[:1]]):
        return parse_times(path.stem, [str(cell) for cell in column]), "s"
    words = _words(column)
    if words.any():
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a table of numbers: row {words.argmax() + 1} "
            "below its header holds words."
        )
    return pd.to_numeric(column, errors="coerce").to_numpy(np.float64), unit


def _words(column: pd.Series) -> np.ndarray:
    """Return which cells are neither numbers nor empty."""
    numbers = pd.to_numeric(column, errors="coerce")
    return (numbers.isna() & column.notna() & (column.astype(str).str.strip() != "")).to_numpy()


def _is_time_type(column: pd.Series) -> bool:
    types = pd.api.types
    return types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype)
