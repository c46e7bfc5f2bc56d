"""What every record of a cohort is brought to: one rate, one length."""

from dataclasses import dataclass

from ecgcore.records.read import ReadOptions
from ecgcore.records.record import LEADS

AS_IT_SAYS = ReadOptions()
"""Nothing is taken for granted of a file."""


@dataclass(frozen=True)
class Form:
    """Rate and length of a cohort's records.

    Attributes
    ----------
    fs_hz, duration_s
        Hz and seconds stored of each record.
    upsample
        Whether records of a lower rate are taken, too.
    secret
        Key of the patients' hashes.
    by_rule
        Whether the rate follows from the records (the highest that 90 % have), or was asked for.
    reading
        What is said of files that leave it open, and the second at which each record begins.
    """

    fs_hz: int
    duration_s: float
    upsample: bool
    secret: bytes
    by_rule: bool = True
    reading: ReadOptions = AS_IT_SAYS

    @property
    def n_samples(self) -> int:
        """Samples of each lead."""
        return round(self.fs_hz * self.duration_s)

    @property
    def bytes_a_record(self) -> int:
        """Size of a stored signal."""
        return len(LEADS) * self.n_samples * 2
