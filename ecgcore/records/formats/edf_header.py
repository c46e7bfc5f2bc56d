"""The header of an EDF, EDF+ or BDF file.

Kemp B et al. A simple format for exchange of digitized polygraphic recordings. Electroencephalogr
Clin Neurophysiol 1992;82:391–393; EDF+: Kemp & Olivan, Clin Neurophysiol 2003;114:1755–1761. BDF is
EDF with samples of 24 bits. Dates are not needed for the signal: one that is blank or wrong does
not matter.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from ecgcore.errors import UnreadableRecord

_FIXED_BYTES, _SIGNAL_BYTES = 256, 256
_MOST_SIGNALS = 512
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
"""Widths of a signal's fields: label, transducer, unit, physical and digital range, filter, …"""
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True)
class EdfSignal:
    """Declarations of one signal.

    Attributes
    ----------
    offset
        First byte within a data record.
    n_samples
        Samples in a data record.
    physical, digital
        Least and largest value in ``unit``, and as stored.
    """

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    n_samples: int
    offset: int

    @property
    def is_annotations(self) -> bool:
        """True for a signal of times and texts in place of samples."""
        return self.label in _ANNOTATIONS


@dataclass(frozen=True)
class EdfHeader:
    """Declarations of a file.

    Attributes
    ----------
    n_records
        Data records; all complete ones of the file where it states none (-1).
    is_open
        The number of records is not stated: the recorder was stopped.
    trailing_bytes
        Bytes after the last data record, which belong to none.
    """

    signals: list[EdfSignal]
    n_records: int
    record_s: float
    record_bytes: int
    sample_bytes: int
    data_offset: int
    trailing_bytes: int
    is_open: bool
    patient: str
    recording: str
    start: str


def read_edf_header(path: Path) -> EdfHeader:
    """Return the declarations of a file.

    Raises
    ------
    UnreadableRecord
        It is shorter than it declares.
    ValueError
        A field is no number where one is needed.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(_FIXED_BYTES)
        n_signals = int(fixed[252:256])
        if not 0 <= n_signals <= _MOST_SIGNALS:
            raise ValueError(n_signals)
        fields = file.read(_SIGNAL_BYTES * n_signals)
    sample_bytes = 3 if fixed.startswith(b"\xff") else 2
    signals = _signals(fields, n_signals, sample_bytes)
    record_bytes = sum(signal.n_samples for signal in signals) * sample_bytes
    data_offset = _FIXED_BYTES + _SIGNAL_BYTES * n_signals
    data_bytes = size_bytes - data_offset
    declared = int(fixed[236:244])
    n_records = data_bytes // max(record_bytes, 1) if declared == -1 else declared
    if n_records < 0 or data_bytes < n_records * record_bytes:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares {data_offset + n_records * record_bytes:,} "
            f"bytes and has {size_bytes:,}. Fetch it again: it is cut off."
        )
    return EdfHeader(
        signals=signals,
        n_records=n_records,
        record_s=float(fixed[244:252]),
        record_bytes=record_bytes,
        sample_bytes=sample_bytes,
        data_offset=data_offset,
        trailing_bytes=data_bytes - n_records * record_bytes,
        is_open=declared == -1,
        patient=fixed[8:88].decode("latin-1").strip(),
        recording=fixed[88:168].decode("latin-1").strip(),
        start=fixed[168:176].decode("latin-1").strip(),
    )


def sex_and_dates(header: EdfHeader) -> tuple[str, date | None, date | None]:
    """Return sex, date of birth and date of the recording as EDF+ states them."""
    _, sex, birth, *_ = [*header.patient.split(), "", "", ""]
    keyword, day, *_ = [*header.recording.split(), "", ""]
    recorded = _date(day, "%d-%b-%Y") if keyword == "Startdate" else None
    return sex, _date(birth, "%d-%b-%Y"), recorded or _date(header.start, "%d.%m.%y")


def _date(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        return None


def _signals(fields: bytes, n_signals: int, sample_bytes: int) -> list[EdfSignal]:
    """Return the signals; the header lists one field of all of them after the other."""
    columns, start = [], 0
    for width in _WIDTHS:
        block = fields[start : start + width * n_signals].decode("latin-1")
        columns.append([block[i * width : (i + 1) * width].strip() for i in range(n_signals)])
        start += width * n_signals
    labels, _, units, *limits, _, counts, _ = columns
    signals, offset = [], 0
    for i, label in enumerate(labels):
        low, high, lowest, highest = (limit[i] for limit in limits)
        n_samples = int(counts[i])
        if n_samples < 0:
            raise ValueError(n_samples)
        signals.append(
            EdfSignal(
                label=label,
                unit=units[i],
                physical=(float(low), float(high)),
                digital=(int(lowest), int(highest)),
                n_samples=n_samples,
                offset=offset,
            )
        )
        offset += n_samples * sample_bytes
    return signals
