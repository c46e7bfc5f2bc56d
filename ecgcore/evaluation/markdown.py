"""Markdown tables of generated pages."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def span(values: Iterable[int]) -> str:
    """Return the range of the values, such as ``63 to 66``, or one value if all are equal."""
    low, *_, high = sorted(values) * 2
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
