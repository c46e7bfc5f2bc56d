"""Refusal of files that the parsers of other people's formats cannot read."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgcore.errors import UnreadableRecord

# Parsers were never designed for bytes that are no file of their format, and raise whatever comes
# up: a missing key, a number that does not fit, an invalid text. These are the families seen over
# thousands of mutated files; they are caught around the parsing alone.
_PARSER_ERRORS = (
    ValueError,  # with it UnicodeError, binascii.Error, defusedxml's refusals
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,  # with it RecursionError, NotImplementedError
    SyntaxError,  # xml.etree's ParseError
    struct.error,
    EOFError,
    OSError,
    MemoryError,
)
LIBRARY_ERRORS = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError),
    *(RuntimeError, OverflowError, MemoryError),
)
"""Errors of ``wfdb``, ``h5py`` and ``scipy.io`` for a file that is not as it declares itself."""


@contextmanager
def refuse_parser_errors(
    path: Path, format_name: str, parser_error: type[Exception] = ValueError
) -> Iterator[None]:
    """Turn any error of a parser into one line, and suppress its warnings.

    Parameters
    ----------
    path
        The file that is parsed.
    format_name
        The name of its format, for the message. The parser's own message is left out: it may quote
        the file, and with it a person's name.
    parser_error
        The parser's own class of errors, where it derives from Exception alone.

    Raises
    ------
    UnreadableRecord
        In place of the parser's error; an UnreadableRecord raised inside passes unchanged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (*_PARSER_ERRORS, parser_error) as error:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} cannot be parsed as {format_name} "
                f"({type(error).__name__}): it is cut off, altered, or of an unknown variant. "
                "Fetch or export it again."
            ) from error


def read_bytes(path: Path, format_name: str, largest_bytes: int) -> bytes:
    """Return a file's bytes.

    Raises
    ------
    UnreadableRecord
        It cannot be opened, is empty, or is larger than any ECG of its format.
    """
    try:
        size_bytes = path.stat().st_size
        if 0 < size_bytes <= largest_bytes:
            return path.read_bytes()
    except OSError as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} cannot be opened ({error.strerror})."
        ) from error
    if not size_bytes:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} is empty.")
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} has {size_bytes / 1e6:,.0f} MB; {format_name} of a "
        f"12-lead ECG has at most {largest_bytes / 1e6:,.0f} MB. Give a single recording."
    )
