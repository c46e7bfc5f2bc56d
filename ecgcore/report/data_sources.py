"""Sources of a report's recordings: data_sources.csv, by the name of the database."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

_TABLE = Path(__file__).with_name("data_sources.csv")
NOT_STATED = "not stated by the source"


class DataSource(NamedTuple):
    """A published database: place, dates, setting and eligibility, citation, licence, address."""

    source: str
    title: str
    location: str
    dates: str
    setting: str
    citation: str
    licence: str
    address: str


@cache
def data_sources() -> dict[str, DataSource]:
    """Return the databases by the name that records carry."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["source"]: DataSource(**row) for row in csv.DictReader(file)}
