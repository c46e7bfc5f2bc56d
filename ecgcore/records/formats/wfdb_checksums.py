"""Comparison of a WFDB signal with the checksums and first values in its header.

A checksum is the sum of all samples of a signal modulo 2**16. Where some differ, samples were
altered; where all differ, the file holds other samples than those that the header describes (a
shifted byte, another recording, another format), and the record is refused.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.wfdb_header import WfdbHeader
from ecgcore.records.lead_names import public_names
from ecgcore.records.record import ALTERED

_MODULUS = 1 << 16
_PLACEHOLDER_FROM = 3
"""Signals that share a number from which on it is a placeholder (mostly 0) and no check."""


class Comparison(NamedTuple):
    """Notes on signals that differ, and whether checksums confirm every signal that has one."""

    notes: tuple[str, ...] = ()
    is_confirmed: bool = False


def compare(
    header: WfdbHeader, sums: Sequence[int] | None, firsts: Sequence[int] | None
) -> Comparison:
    """Compare what was read with what the header states; what it does not state is not compared.

    Parameters
    ----------
    sums
        Sum of all samples of each signal; None where only the beginning of the record was read.
    firsts
        First sample of each signal, compared where there is no checksum; None where the beginning
        was not read.

    Raises
    ------
    UnreadableRecord
        All signals differ.
    """
    signals = header.signals or ()
    names = [signal.name or "unnamed" for signal in signals]
    is_apart = [signal.skew != 0 for signal in signals]  # shifted against its own checksum
    if sums is not None:
        stated = [s.checksum if s.checksum is None else s.checksum % _MODULUS for s in signals]
        read = [total % _MODULUS for total in sums]
        if equal := _equal_by_name(names, is_apart, stated, read):
            return _judge(header, "checksum", equal)
    if firsts is None:
        return Comparison()
    equal = _equal_by_name(names, is_apart, [s.first_value for s in signals], firsts)
    return _judge(header, "first sample", equal)._replace(is_confirmed=False)


def _equal_by_name(
    names: Sequence[str],
    is_apart: Sequence[bool],
    stated: Sequence[int | None],
    read: Sequence[int],
) -> list[tuple[str, bool]]:
    """Return the name of each signal whose number can be compared, and whether it is equal."""
    shared = Counter(stated)
    return [
        (name, number == value)
        for name, apart, number, value in zip(names, is_apart, stated, read, strict=True)
        if not apart and number is not None and shared[number] < _PLACEHOLDER_FROM
    ]


def _judge(header: WfdbHeader, kind: str, equal: list[tuple[str, bool]]) -> Comparison:
    differing = [name for name, is_equal in equal if not is_equal]
    if len(differing) == len(equal) >= _PLACEHOLDER_FROM:
        raise UnreadableRecord(
            f"Record {header.name}: its samples are not those that its header describes (the "
            f"{kind} of every lead differs). Fetch both files again; if the samples were changed "
            "on purpose, write the header anew."
        )
    if not differing:
        return Comparison((), True)
    return Comparison((f"{ALTERED}{kind} of {public_names(differing)} differs",))
