"""Text of strangers as text: what comes from a file or a URL is never Markdown or a formula."""

import re

import pandas as pd

_MARKUP = re.compile(r"([\\\[\]<>*~$#|`]|(?<![^\W_])_|_(?![^\W_]))")
_ADDRESS = re.compile(r"(?<=\w)://|(?<=\bwww)\.|(?<=\w)@(?=\w)")
"""Parts of a web or mail address, by which Markdown makes a link without any brackets."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(text: object) -> str:
    """Return a text for a Markdown element that displays it as it is, in one line.

    Markdown's images, links, colours and formulas are escaped: none is loaded or followed.
    """
    escaped = _MARKUP.sub(r"\\\1", " ".join(str(text).split()))
    return _ADDRESS.sub(lambda part: f"\\{part[0]}", escaped)


def message(error: object) -> str:
    """Return an error message as ``plain`` does, with its commands in backticks kept as code."""
    parts = re.split(r"(`ecgcore [^`]*`)", " ".join(str(error).split()))
    return "".join(part if part.startswith("`ecgcore ") else plain_part(part) for part in parts)


def plain_part(text: str) -> str:
    """Return ``plain`` with the spaces at both ends kept."""
    if not (stripped := text.strip()):
        return text
    return text.replace(stripped, plain(stripped))


def csv_of(table: pd.DataFrame) -> str:
    """Return a table as CSV whose texts no spreadsheet takes for a formula."""
    return table.map(_cell).rename(columns=_cell).to_csv(index=False)


def _cell(value: object) -> object:
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value
