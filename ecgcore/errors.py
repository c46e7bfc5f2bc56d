"""Every error a user can meet, as a tree. Each message is one line: found, accepted, what to do.

EcgError                     the work failed                      exit code 1
├── DamagedFile              a file of ours is not what it should be
├── NotWritten               the disk is full, or refuses
└── RequestError             the request was wrong                exit code 2
    ├── UnreadableRecord     a file that cannot be read as a 12-lead ECG
    └── NotFound             a cohort, run, model, class … of that name does not exist
"""

from collections.abc import Iterable
from difflib import get_close_matches


class EcgError(Exception):
    """The work failed for a reason that can be told in one line."""

    exit_code = 1


class DamagedFile(EcgError):
    """A file that the product wrote (weights, cohort, run) is missing, cut off or altered."""


class NotWritten(EcgError):
    """A file could not be written; what was there before is as it was."""


class RequestError(EcgError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class UnreadableRecord(RequestError):
    """A file that is not, or not completely, a 12-lead ECG."""


class NotFound(RequestError):
    """Nothing of that name exists; the message suggests the nearest."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], advice: str = "") -> "NotFound":
        """Say that no ``kind`` is called ``name``, which is nearest, and what there is."""
        known = list(known)
        nearest = get_close_matches(name, known, n=1, cutoff=0.4)
        said = f"There is no {kind} '{name}'."
        if nearest:
            said += f" Did you mean '{nearest[0]}'?"
        if known:
            shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if known[12:] else "")
            said += f" There is: {shown}."
        return cls(f"{said} {advice}".strip())
