"""Notebook view of a record: the ECG on millimetre paper, with its research-use line."""

from ecgcore.paper.draw import page_svg
from ecgcore.records.record import Record


def record_html(record: Record) -> str:
    """Return a record on millimetre paper as SVG inside HTML."""
    return f"<div>{page_svg(record)}</div>"
