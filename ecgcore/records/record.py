"""A 12-lead ECG record: signal in mV, metadata of its source, and the statements about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve leads in the only order that is used after a file has been read."""

MACHINE_MEASUREMENTS = (
    "rate_bpm",
    "pr_ms",
    "qrs_ms",
    "qt_ms",
    "qtc_ms",
    "p_axis_deg",
    "axis_deg",
    "t_axis_deg",
)
"""Names under which ``Record.machine`` holds the electrocardiograph's own measurements."""

ALTERED = "altered: "
"""Begins a note on content that its file's own checks deny; the quality gate is doubtful then."""
_OLDEST_SHOWN_AGE = 89
"""Higher ages may identify a person (HIPAA, 45 CFR 164.514)."""


_notebook_view: "Callable[[Record], str] | None" = None


@dataclass(frozen=True)
class Statement:
    """One statement of a source about a record.

    Attributes
    ----------
    system
        ``scp``, ``snomed``, ``aha`` …, or ``text`` for the machine's own words.
    code
        The code; for ``text`` the sentence.
    likelihood
        0 to 100 as PTB-XL gives it (0 means not known); None where the source gives none.
    """

    system: str
    code: str
    likelihood: float | None = None


@dataclass(frozen=True, eq=False)  # equal only to itself: signals are not compared by ==
class Record:
    """A 12-lead ECG.

    Attributes
    ----------
    signal_mv
        (12, T) float32 in mV, rows in the order of LEADS, NaN where nothing was recorded.
    fs_hz
        Sampling rate in Hz.
    name
        The record's name as its source gives it, without folder or suffix.
    source
        The database (``ptb-xl``, ``georgia``, …), or ``unknown``.
    patient
        The source's patient id, None where it gives none. Never stored: cohorts keep a keyed hash.
    age_years, sex
        None where unknown; ``sex`` is ``female`` or ``male``.
    fold
        The source's published fold (PTB-XL: 1–10), None where there is none.
    statements
        Statements of the source, in its own codes.
    details
        Source columns that labels need (PTB-XL: ``infarction_stadium1`` …).
    notes
        Steps taken while reading: derived leads, resampling, a window, an assumed scale.
    machine
        The electrocardiograph's own measurements by the names in MACHINE_MEASUREMENTS, where the
        file carries them. Shown next to the product's measurements, never in place of them.
    evidence
        What the reader took ``rate``, ``leads`` and ``unit`` from ("its header", "its time
        column"), for ``ecgcore doctor``; cohorts do not store it.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgcore.records.record import Record
    >>> record = Record(np.zeros((12, 1000), np.float32), 100, "flat", age_years=56, sex="female")
    >>> record
    Record(name='flat', 12 leads x 10.0 s at 100 Hz, age 56, sex F)
    >>> record.duration_s
    10.0
    >>> record.to_dataframe().shape
    (1000, 12)
    """

    signal_mv: np.ndarray
    fs_hz: float
    name: str
    source: str = "unknown"
    patient: str | None = None
    age_years: float | None = None
    sex: str | None = None
    fold: int | None = None
    statements: tuple[Statement, ...] = ()
    details: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    machine: dict[str, float | str] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the rows of ``signal_mv``: always LEADS."""
        return LEADS

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.signal_mv.shape[1] / self.fs_hz

    def to_dataframe(self) -> "pd.DataFrame":
        """Return the signal as a table, one row a sample and one column a lead.

        Returns
        -------
        pandas.DataFrame
            (T, 12) float32 in mV; the index ``time_s`` counts seconds from the first sample.
        """
        import pandas as pd

        seconds = np.arange(self.signal_mv.shape[1]) / self.fs_hz
        return pd.DataFrame(
            self.signal_mv.T, index=pd.Index(seconds, name="time_s"), columns=list(LEADS)
        )

    def __repr__(self) -> str:
        """Return one line without patient id, statements or details."""
        facts = [
            f"name={self.name!r}",
            f"{len(self.signal_mv)} leads x {self.duration_s:.1f} s at {self.fs_hz:g} Hz",
        ]
        if self.age_years is not None:
            is_oldest = self.age_years > _OLDEST_SHOWN_AGE
            facts.append("age 90+" if is_oldest else f"age {self.age_years:.0f}")
        if self.sex:
            facts.append(f"sex {self.sex[0].upper()}")
        return f"Record({', '.join(facts)})"

    def _repr_html_(self) -> str | None:
        """Return the record as a notebook shows it; None leaves its line."""
        return None if _notebook_view is None else _notebook_view(self)


def set_notebook_view(view: Callable[[Record], str]) -> None:
    """Set the function that shows records as HTML in notebooks: drawing lies above this layer."""
    global _notebook_view
    _notebook_view = view
