"""Signal format of a cohort: one sampling rate and one length for all records."""

from dataclasses import dataclass

from ecgcore.records.read import DEFAULT_READ_OPTIONS, ReadOptions
from ecgcore.records.record import LEADS


@dataclass(frozen=True)
class SignalFormat:
    """Sampling rate and length of a cohort's records.

    Attributes
    ----------
    fs_hz, duration_s
        Rate in Hz and length in s of each stored record.
    upsample
        Whether records of a lower rate are accepted, too.
    secret
        Key of patient hashes.
    by_rule
        Whether the rate follows from the records (the highest that 90 % have) or was requested.
    read_options
        Assumptions about files that state no rate or lead order, and the second to start at.
    """

    fs_hz: int
    duration_s: float
    upsample: bool
    secret: bytes
    by_rule: bool = True
    read_options: ReadOptions = DEFAULT_READ_OPTIONS

    @property
    def n_samples(self) -> int:
        """Samples of each lead."""
        return round(self.fs_hz * self.duration_s)

    @property
    def bytes_per_record(self) -> int:
        """Size of a stored signal."""
        return len(LEADS) * self.n_samples * 2
