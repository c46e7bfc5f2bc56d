"""Where the parsers of other people's formats meet files that nobody vouches for."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgcore.errors import UnreadableRecord

# What parsers raise on bytes that are no file of their format was never designed: a missing key, a
# number that does not fit, a text that is none. These are the families seen over thousands of
# mutated files; they are caught around the parsing alone.
_OF_DAMAGE = (
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
LIBRARIES_RAISE = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError),
    *(RuntimeError, OverflowError, MemoryError),
)
"""What ``wfdb``, ``h5py`` and ``scipy.io`` raise where a file is not as it declares itself."""


@contextmanager
def refusing(path: Path, form: str, family: type[Exception] = ValueError) -> Iterator[None]:
    """Turn whatever a parser raises inside into one line, and keep its warnings to itself.

    Parameters
    ----------
    path
        The file that is parsed.
    form
        The name of its format, for the message. What the parser says is left out: it may quote
        the file, and with it a name.
    family
        The parser's own kind of error, where it derives from Exception alone.

    Raises
    ------
    UnreadableRecord
        In place of the parser's error; one raised inside passes as it is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (*_OF_DAMAGE, family) as error:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} cannot be parsed as {form} "
                f"({type(error).__name__}): it is cut off, altered, or of a variant that is not "
                "known. Fetch or export it again."
            ) from error


def file_bytes(path: Path, form: str, largest_bytes: int) -> bytes:
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
        f"Record {path.stem}: {path.name} has {size_bytes / 1e6:,.0f} MB; {form} of a 12-lead ECG "
        f"has at most {largest_bytes / 1e6:,.0f} MB. Give a single recording."
    )
