"""The text of a WFDB header: its declarations, and a form of it that the ``wfdb`` library accepts.

Samples are read in ``formats.wfdb``.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records.regular_files import open_regular

_RECORD_LINE = re.compile(
    r"(?P<name>\S+?(?:\s+\S+?){0,8}?)(?:/(?P<n_segments>\d{1,9}))?\s+(?P<n_signals>\d{1,9})"
    r"(?:\s+(?P<fs_hz>\d{0,20}\.?\d{1,20})(?P<counter>/\S*)?(?:\s+(?P<n_samples>\d{1,18})(?P<date_text>\s.*)?)?)?\s*"
)
_PLAIN_NAME = re.compile(r"[-\w]+", re.ASCII)
_PLAIN_FILE = re.compile(r"~?[-\w]*\.?\w*", re.ASCII)
# Dates of the challenges' own form pass through wfdb; others may not, and no date is used anyway.
_PLAIN_DATE = re.compile(r"\s+\d\d-[A-Z][a-z]{2}-\d{4} [\d:]{8}\s*")
_SIGNAL_LINE = re.compile(
    r"(?P<file>\S+(?:\s+\S+){0,8}?)\s+(?P<format>\d{1,4})(?:x(?P<frame>\d{1,9}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,18}))?"
    r"(?:\s+(?P<gain>-?\d{0,30}\.?\d{0,30}(?:[eE][+-]?\d{1,4})?)(?:\((?P<baseline>-?\d{1,12})\))?(?:/(?P<unit>\S*))?"
    r"(?:\s+(?P<resolution>\d+)(?:\s+(?P<zero>-?\d{1,12})"
    r"(?:\s+(?P<first>-?\d{1,12})(?:\s+(?P<checksum>-?\d{1,12})(?:\s+\d+(?:\s+(?P<name>.*))?)?)?)?)?)?)?"
)
_LARGEST_HEADER_BYTES = 1_000_000
_LONGEST_NAME, _LONGEST_LINE = 250, 2000
_LARGEST_FRAME, _LARGEST_SKEW = 1000, 100_000
DEFAULT_HZ = 250.0
"""WFDB's default for a header without a sampling rate."""
_DEFAULT_GAIN_PER_MV = 200.0
"""The WFDB library's default for a header without a gain."""


class WfdbSignal(NamedTuple):
    """A header's line on one signal.

    Attributes
    ----------
    file, format, offset
        Location of its samples: the file, the WFDB format, bytes before the first.
    frame, skew
        Samples in each frame (1 except in mixed-rate records); frames by which it lags.
    gain, baseline, unit
        Steps of the file in one ``unit``, and the value that stands for 0.
    gain_given
        The header gives a gain; else it is 200 a mV.
    first_value, checksum
        The first sample, and the sum of all samples modulo 2**16; None where it gives none.
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
    first_value: int | None
    checksum: int | None
    name: str


@dataclass(frozen=True)
class WfdbHeader:
    """The declarations of a header.

    Attributes
    ----------
    path
        The ``.hea`` file.
    lines
        All lines except comments and empty ones; the first is the record line.
    comments
        The comments, without ``#``.
    declared_name, date_text
        The record line's own name, and its date and time as written (not used).
    n_signals, fs_hz, n_samples
        From the record line; None where it does not state them.
    segments
        Names of the segments of a multi-segment record, else empty.
    """

    path: Path
    lines: tuple[str, ...]
    comments: tuple[str, ...]
    declared_name: str
    date_text: str
    n_signals: int
    fs_hz: float | None
    n_samples: int | None
    segments: tuple[str, ...]

    @cached_property
    def name(self) -> str:
        """The record's name, which is that of its file."""
        return self.path.stem

    @property
    def rate_hz(self) -> float:
        """The declared rate, or WFDB's default."""
        return DEFAULT_HZ if self.fs_hz is None else self.fs_hz

    @property
    def signal_files(self) -> tuple[str, ...]:
        """The file that holds each signal, as declared."""
        if self.segments:
            return ()
        if self.signals is not None:
            return tuple(signal.file for signal in self.signals)
        return tuple(map(_signal_file, self.lines[1:]))

    @cached_property
    def signals(self) -> tuple[WfdbSignal, ...] | None:
        """The parsed signal lines; None if a line has another form."""
        signals = tuple(_parse_signal(line) for line in self.lines[1:])
        return None if self.segments or None in signals else signals  # type: ignore[return-value]

    @property
    def is_plain(self) -> bool:
        """True if the ``wfdb`` library reads this header unchanged."""
        return bool(
            self.path.suffix == ".hea"
            and _PLAIN_NAME.fullmatch(self.declared_name)
            and all(_PLAIN_FILE.fullmatch(file) for file in self.signal_files)
            and all(line.isascii() for line in self.lines)
            and (not self.date_text or _PLAIN_DATE.fullmatch(self.date_text))
        )

    def plain_text(self, aliases: dict[str, str]) -> str:
        """Return the header with plain names, ``u`` for ``µ`` and no date.

        Parameters
        ----------
        aliases
            The plain name of each signal file.
        """
        numbers = [self.n_signals, self.rate_hz, self.n_samples or ""]
        lines = [" ".join(["record", *map(str, numbers)])]
        for file, line in zip(self.signal_files, self.lines[1:], strict=True):
            rest = line[len(file) :].replace("µ", "u").replace("μ", "u")
            lines.append(f"{aliases[file]}{rest}")
        return "\n".join(lines) + "\n"


def read_wfdb_header(path: Path) -> WfdbHeader:
    """Read a ``.hea`` file.

    Raises
    ------
    UnreadableRecord
        It is not a WFDB header, is cut off, or names files outside its own folder.
    """
    header = parse_wfdb_header(path, _read_text(path))
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
        _refuse_other_folder(header.name, file)
    for signal in header.signals or ():
        if signal.frame > _LARGEST_FRAME or signal.skew > _LARGEST_SKEW:
            raise UnreadableRecord(
                f"Record {header.name}: its header gives a signal {signal.frame} samples a frame "
                f"and a skew of {signal.skew}, which no recording has. Fetch {path.name} again."
            )
    return header


def parse_wfdb_header(path: Path, text: str) -> WfdbHeader:
    """Parse the text of a header; only its record line is checked."""
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
    record = _RECORD_LINE.fullmatch(_name_without_spaces(path, lines[0])) if lines else None
    if record is None:
        finding = "its first line is another" if lines else "it has no record line"
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a WFDB header ({finding}); "
            "the first line must give name, number of signals, rate and length."
        )
    has_segments = record["n_segments"] is not None
    folder = record["name"].rpartition("/")[0]
    if folder:  # a record that was written as FOLDER/NAME: its files lie beside the header
        lines = tuple(line.removeprefix(f"{folder}/") for line in lines)
    return WfdbHeader(
        path=path,
        lines=lines,
        comments=comments,
        declared_name=record["name"],
        date_text=record["date_text"] or "",
        n_signals=int(record["n_signals"]),
        fs_hz=float(record["fs_hz"]) if record["fs_hz"] else None,
        n_samples=int(record["n_samples"]) if record["n_samples"] else None,
        segments=tuple(line.split()[0] for line in lines[1:]) if has_segments else (),
    )


def _name_without_spaces(path: Path, record_line: str) -> str:
    """Return the record line with a name that cannot be mistaken for its numbers."""
    if " " in path.stem and record_line.startswith(path.stem):
        return record_line.replace(path.stem, path.stem.replace(" ", "_"), 1)
    return record_line


def _signal_file(line: str) -> str:
    """Return the file that a signal's line names, which may have spaces."""
    match = _SIGNAL_LINE.fullmatch(line)
    return match["file"] if match else line.split()[0]


def _parse_signal(line: str) -> WfdbSignal | None:
    match = _SIGNAL_LINE.fullmatch(line.strip())
    if match is None:
        return None
    try:
        gain = float(match["gain"] or 0)
    except ValueError:
        return None
    return WfdbSignal(
        file=match["file"],
        format=match["format"],
        frame=int(match["frame"] or 1),
        skew=int(match["skew"] or 0),
        offset=int(match["offset"] or 0),
        gain=gain or _DEFAULT_GAIN_PER_MV,
        baseline=int(match["baseline"] or match["zero"] or 0),
        unit=match["unit"] or "mV",
        gain_given=gain != 0,
        first_value=_integer(match["first"]),
        checksum=_integer(match["checksum"]),
        name=(match["name"] or "").strip(),
    )


def _integer(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _read_text(path: Path) -> str:
    with open_regular(path) as file:
        content = file.read(_LARGEST_HEADER_BYTES + 1)
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


def _refuse_other_folder(name: str, file: str) -> None:
    too_long = len(file.encode()) > _LONGEST_NAME
    if too_long or "/" in file or "\\" in file or ":" in file or file in ("..", "."):
        raise UnreadableRecord(
            f"Record {name}: its header names a signal file with a path; a signal file must lie in "
            "the header's own folder and be named without a path."
        )
