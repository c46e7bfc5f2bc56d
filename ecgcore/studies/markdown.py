"""Tables in Markdown, as the pages of studies print them."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def span(values: Iterable[int]) -> str:
    """Return the least and the largest number: ``63 to 66``, or one where they are the same."""
    least, *_, largest = sorted(values) * 2
    return f"{least:,}" if least == largest else f"{least:,} to {largest:,}"
