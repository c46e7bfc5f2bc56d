"""The simulated patient of the vendors' files, and constants that their writers share."""

from typing import NamedTuple

import numpy as np

from ecgcore.records.record import LEADS

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
SCP_CODES = dict(zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))
"""Each lead's number in SCP-ECG, which also ends DICOM's codes."""


class Person(NamedTuple):
    """A person whose name, number and birth date must not get into a record."""

    family: str = "Quillfeather"
    given: str = "Zebulon"
    number: str = "ZQ77190042"
    doctor: str = "Grimsbottom"
    hospital: str = "Lazarettenberg"
    born: tuple[int, int, int] = (1937, 3, 14)
    on: tuple[int, int, int] = (1999, 6, 2)

    @property
    def traces(self) -> tuple[str, ...]:
        """Words to search for afterwards, in lower case."""
        words = (self.family, self.given, self.number, self.doctor, self.hospital)
        return (*(word.lower() for word in words), "77190042", "1937", "1999", "grimsb")


PERSON = Person()
SIGNED = f"Confirmed by Dr. {PERSON.doctor} on 02-JUN-1999"
QUOTED = f"Sinus rhythm in {PERSON.family}"


def rows(signal_uv: np.ndarray, leads: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the rows of (12, T) by lead."""
    return {lead: signal_uv[LEADS.index(lead)] for lead in leads}
