"""The text of a WFDB header: what it declares, and a form of it that ``wfdb`` accepts.

Knows nothing of samples: those are ``wfdb``'s (wfdb_file.py).
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord

_RECORD_LINE = re.compile(
    r"(?P<name>[^\s/]+)(?:/(?P<n_segments>\d{1,9}))?\s+(?P<n_signals>\d{1,9})"
    r"(?:\s+(?P<fs_hz>\d{0,20}\.?\d{1,20})(?P<counter>/\S*)?(?:\s+(?P<n_samples>\d{1,18})(?P<when>\s.*)?)?)?\s*"
)
_PLAIN_NAME = re.compile(r"[-\w]+", re.ASCII)
_PLAIN_FILE = re.compile(r"~?[-\w]*\.?\w*", re.ASCII)
# Dates of the challenges' own form pass through wfdb; others may not, and no date is used anyway.
_PLAIN_DATE = re.compile(r"\s+\d\d-[A-Z][a-z]{2}-\d{4} [\d:]{8}\s*")
_SIGNAL_LINE = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d{1,4})(?:x(?P<frame>\d{1,9}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,18}))?"
    r"(?:\s+(?P<gain>-?\d{0,30}\.?\d{0,30}(?:[eE][+-]?\d{1,4})?)(?:\((?P<baseline>-?\d{1,12})\))?(?:/(?P<unit>\S*))?"
    r"(?:\s+(?P<resolution>\d+)(?:\s+(?P<zero>-?\d{1,12})"
    r"(?:\s+-?\d+(?:\s+-?\d+(?:\s+\d+(?:\s+(?P<name>.*))?)?)?)?)?)?)?"
)
_LARGEST_HEADER_BYTES = 1_000_000
_LONGEST_NAME, _LONGEST_LINE = 250, 2000
_LARGEST_FRAME, _LARGEST_SKEW = 1000, 100_000
DEFAULT_HZ = 250.0
"""The rate that a header without one means."""
_NO_GAIN_PER_MV = 200.0
"""What a header that gives no gain means (the WFDB library's default)."""


class Signal(NamedTuple):
    """What a header's line says of one signal.

    Attributes
    ----------
    file, format, offset
        Where its samples lie: the file, the WFDB format, bytes before the first.
    frame, skew
        Samples in each frame (1 but in mixed records); frames by which it lags.
    gain, baseline, unit
        Units of the file in one ``unit``, and the value that is 0.
    gain_given
        Whether the header gives a gain; else it is 200 a mV.
    name
        The lead.
    """

    file: str
    format: str
    frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    unit: str
    gain_given: bool
    name: str


@dataclass(frozen=True)
class Header:
    """What a header declares.

    Attributes
    ----------
    path
        The ``.hea`` file.
    lines
        Every line but comments and empty ones; the first is the record line.
    comments
        The comments, without ``#``.
    declared_name, when
        The record line's own name, and its date and time as written (used for nothing).
    n_signals, fs_hz, n_samples
        From the record line; None where it does not say.
    segments
        Names of the segments of a multi-segment record, else empty.
    """

    path: Path
    lines: tuple[str, ...]
    comments: tuple[str, ...]
    declared_name: str
    when: str
    n_signals: int
    fs_hz: float | None
    n_samples: int | None
    segments: tuple[str, ...]

    @property
    def name(self) -> str:
        """The record's name: that of its file."""
        return self.path.stem

    @property
    def rate_hz(self) -> float:
        """The rate declared, or WFDB's default."""
        return DEFAULT_HZ if self.fs_hz is None else self.fs_hz

    @property
    def signal_files(self) -> tuple[str, ...]:
        """The file each signal lies in, as declared."""
        return () if self.segments else tuple(line.split()[0] for line in self.lines[1:])

    @cached_property
    def signals(self) -> tuple[Signal, ...] | None:
        """What the header's lines say of each signal; None where a line says it otherwise."""
        found = tuple(_signal(line) for line in self.lines[1:])
        return None if self.segments or None in found else found  # type: ignore[return-value]

    @property
    def is_plain(self) -> bool:
        """Whether ``wfdb`` reads this header as it stands."""
        return bool(
            self.path.suffix == ".hea"
            and _PLAIN_NAME.fullmatch(self.declared_name)
            and all(_PLAIN_FILE.fullmatch(file) for file in self.signal_files)
            and all(line.isascii() for line in self.lines)
            and (not self.when or _PLAIN_DATE.fullmatch(self.when))
        )

    def plain_text(self, aliases: dict[str, str]) -> str:
        """Return the header with plain names, ``u`` for ``µ`` and no date.

        Parameters
        ----------
        aliases
            The plain name of each signal file.
        """
        numbers = [self.n_signals, self.rate_hz, self.n_samples or ""]
        text = [" ".join(["record", *map(str, numbers)])]
        for line in self.lines[1:]:
            file, rest = line.split(maxsplit=1)
            text.append(f"{aliases[file]} {rest.replace('µ', 'u').replace('μ', 'u')}")
        return "\n".join(text) + "\n"


def read_header(path: Path) -> Header:
    """Read a ``.hea`` file, or say why it is none.

    Raises
    ------
    UnreadableRecord
        It is not a WFDB header, is cut off, or names files outside its own folder.
    """
    header = parse_header(path, _text(path))
    if not header.segments and len(header.lines) - 1 != header.n_signals:
        raise UnreadableRecord(
            f"Record {header.name}: its header declares {header.n_signals} signals and describes "
            f"{len(header.lines) - 1}. Fetch {path.name} again: it is cut off or altered."
        )
    if any(len(line.split()) < 2 for line in header.lines[1:]):
        raise UnreadableRecord(
            f"Record {header.name}: a line of its header names a file and nothing more. "
            f"Fetch {path.name} again: it is cut off or altered."
        )
    for file in (*header.signal_files, *header.segments):
        _refuse_outside(header.name, file)
    for signal in header.signals or ():
        if signal.frame > _LARGEST_FRAME or signal.skew > _LARGEST_SKEW:
            raise UnreadableRecord(
                f"Record {header.name}: its header gives a signal {signal.frame} samples a frame "
                f"and a skew of {signal.skew}, which no recording has. Fetch {path.name} again."
            )
    return header


def parse_header(path: Path, text: str) -> Header:
    """Take the text of a header apart; only its record line is checked."""
    content = [line.strip() for line in text.splitlines()]
    comments = tuple(
        line[:_LONGEST_LINE].lstrip("# \t").rstrip() for line in content if line.startswith("#")
    )
    lines = tuple(line for line in content if line and not line.startswith("#"))
    if any(len(line) > _LONGEST_LINE for line in lines):
        raise UnreadableRecord(
            f"Record {path.stem}: a line of {path.name} is longer than any of a WFDB header. "
            "Fetch it again."
        )
    record = _RECORD_LINE.fullmatch(lines[0]) if lines else None
    if record is None:
        found = "its first line is another" if lines else "it has no record line"
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a WFDB header ({found}); "
            "the first line must give name, number of signals, rate and length."
        )
    several = record["n_segments"] is not None
    return Header(
        path=path,
        lines=lines,
        comments=comments,
        declared_name=record["name"],
        when=record["when"] or "",
        n_signals=int(record["n_signals"]),
        fs_hz=float(record["fs_hz"]) if record["fs_hz"] else None,
        n_samples=int(record["n_samples"]) if record["n_samples"] else None,
        segments=tuple(line.split()[0] for line in lines[1:]) if several else (),
    )


def _signal(line: str) -> Signal | None:
    found = _SIGNAL_LINE.fullmatch(line.strip())
    if found is None:
        return None
    try:
        gain = float(found["gain"] or 0)
    except ValueError:
        return None
    return Signal(
        file=found["file"],
        format=found["format"],
        frame=int(found["frame"] or 1),
        skew=int(found["skew"] or 0),
        offset=int(found["offset"] or 0),
        gain=gain or _NO_GAIN_PER_MV,
        baseline=int(found["baseline"] or found["zero"] or 0),
        unit=found["unit"] or "mV",
        gain_given=gain != 0,
        name=(found["name"] or "").strip(),
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_HEADER_BYTES + 1)
    except OSError as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} cannot be opened ({error.strerror})."
        ) from error
    if not content.strip():
        raise UnreadableRecord(f"Record {path.stem}: {path.name} is empty.")
    if b"\0" in content or len(content) > _LARGEST_HEADER_BYTES:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a WFDB header: it is not a short text."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _refuse_outside(name: str, file: str) -> None:
    too_long = len(file.encode()) > _LONGEST_NAME
    if too_long or "/" in file or "\\" in file or ":" in file or file in ("..", "."):
        raise UnreadableRecord(
            f"Record {name}: its header names a signal file with a path; a signal file must lie in "
            "the header's own folder and be named without a path."
        )
