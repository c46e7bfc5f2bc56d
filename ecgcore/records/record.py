"""What a record is: twelve leads in mV, in one order, and what its source says of them."""

from dataclasses import dataclass, field

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

MACHINE = (
    "rate_bpm",
    "pr_ms",
    "qrs_ms",
    "qt_ms",
    "qtc_ms",
    "p_axis_deg",
    "axis_deg",
    "t_axis_deg",
)
"""What an electrocardiograph measures itself, by the names that ``Record.machine`` uses."""


@dataclass(frozen=True)
class Statement:
    """One statement of a source about a record.

    ``system`` is ``scp``, ``snomed``, ``aha`` …, or ``text`` for the machine's own words (then
    ``code`` is the sentence); ``likelihood`` is 0–100 as PTB-XL gives it
    (0 means not known), and None where the source knows no likelihood.
    """

    system: str
    code: str
    likelihood: float | None = None


@dataclass(frozen=True)
class Record:
    """A 12-lead ECG.

    Attributes
    ----------
    signal_mv
        (12, T) float32 in mV, rows in the order of LEADS, NaN where nothing was recorded.
    fs_hz
        Sampling rate.
    name
        The record's name as its source gives it, without folder or suffix.
    source
        The database (``ptb-xl``, ``georgia``, …), or ``unknown``.
    patient
        The source's patient id, None where it gives none. Never stored: cohorts keep a keyed hash.
    age_years, sex
        ``sex`` is ``female``, ``male`` or None.
    fold
        The source's published fold (PTB-XL: 1–10), None where there is none.
    statements
        What the source says, in its own codes.
    details
        Source columns that labels need (PTB-XL: ``infarction_stadium1`` …).
    notes
        What was done to the record: derived leads, resampled, windowed, scale assumed.
    machine
        The electrocardiograph's own measurements, where the file carries them, by the names in
        MACHINE: beside ours, never instead of them.
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

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.signal_mv.shape[1] / self.fs_hz
