"""Unexpected errors about one record: its line, and never the end of a folder.

The one place where any error is caught. Readers, measurements and networks refuse what they know
to be wrong; this is for what nobody thought of.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgcore.errors import EcgError, UnreadableRecord

_PACKAGE = Path(__file__).resolve().parents[1]


@contextmanager
def refuse_unexpected_errors(name: str) -> Iterator[None]:
    """Turn an unexpected error about a record into one line; known errors pass unchanged.

    Parameters
    ----------
    name
        The record's name, for the message. The error's own text is left out: it may quote the file,
        and with it a person's name.

    Raises
    ------
    UnreadableRecord
        In place of an error that is none of the product's own.
    """
    try:
        yield
    except EcgError:
        raise
    except Exception as error:
        raise UnreadableRecord(
            f"Record {name}: {type(error).__name__} in {_place(error)}, a fault of this program "
            "and no finding about the ECG. Report it with the kind of the file; other records are "
            "not affected."
        ) from error


def _place(error: BaseException) -> str:
    """Return the innermost module and line of this package in which an error occurred."""
    frames = traceback.extract_tb(error.__traceback__)
    places = ((Path(frame.filename), frame.lineno) for frame in frames)
    own = [(file, line) for file, line in places if file.is_relative_to(_PACKAGE)]
    file, line = own[-1]  # this module is always among them
    return f"{file.relative_to(_PACKAGE)}, line {line}"
