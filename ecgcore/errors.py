"""Error tree of the product. Each message is one line: what was found, is accepted, and to do next.

EcgError                     the work failed                      exit code 1
├── DamagedFile              a file of the product is missing, incomplete or altered
├── NotWritten               a file could not be written (disk full, no permission)
└── RequestError             the request was wrong                exit code 2
    ├── UnreadableRecord     a file cannot be read as a 12-lead ECG
    └── NotFound             no cohort, run, model, class … of that name exists
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

LONGEST_NAME = 80
"""Characters of an unknown name that a message repeats."""


class EcgError(Exception):
    """The work failed for a reason that fits in one line.

    Examples
    --------
    >>> try:
    ...     ecgcore.read("missing.hea")
    ... except ecgcore.EcgError as error:
    ...     print(type(error).__name__, error.exit_code)
    UnreadableRecord 2
    """

    exit_code = 1


class DamagedFile(EcgError):
    """A file that the product wrote (weights, cohort, run) is missing, cut off or altered."""


class NotWritten(EcgError):
    """A file could not be written; its previous content is unchanged."""


class RequestError(EcgError):
    """The request cannot be carried out as stated."""

    exit_code = 2


class UnreadableRecord(RequestError):
    """A file that is not, or not completely, a 12-lead ECG."""


class NotFound(RequestError):
    """Nothing of that name exists; the message suggests the nearest name."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], advice: str = "") -> "NotFound":
        """Return the error for an unknown name, with the nearest and all known names."""
        known = list(known)
        nearest = get_close_matches(name, known, n=1, cutoff=0.4)
        shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
        message = f"There is no {kind} '{shown}'."
        if nearest:
            message += f" Did you mean '{nearest[0]}'?"
        if known:
            names = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if known[12:] else "")
            message += f" Available: {names}."
        return cls(f"{message} {advice}".strip())


def require_type(name: str, value: Any, types: type | tuple[type, ...], accepted: str) -> None:
    """Refuse an argument of another type, in one line that says what is accepted."""
    if not isinstance(value, types) or isinstance(value, bool):
        raise RequestError(f"{name} is of type {type(value).__name__}; {accepted} is accepted.")
