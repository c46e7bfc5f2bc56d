"""Reading WFDB records: ``.hea`` with ``.dat`` or ``.mat``. The samples are read by ``wfdb``."""

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import wfdb

from ecgcore.errors import UnreadableRecord
from ecgcore.records import ptbxl_table
from ecgcore.records.leads import standard_lead, twelve_leads
from ecgcore.records.record import Record, Statement
from ecgcore.records.sources import Origin, origin
from ecgcore.records.wfdb_header import Header, read_header

_MV_PER_UNIT = {"mv": 1.0, "uv": 1e-3, "v": 1e3, "nv": 1e-6}
_BYTES_PER_SAMPLE = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2} | {
    "212": 3 / 2,
    "310": 4 / 3,
    "311": 4 / 3,
}
_NO_GAIN = re.compile(r"\S+\s+\S+(\s+0(\.0*)?(\(\S*\))?(/\S*)?(\s.*)?)?$")
_FIELD = re.compile(r"<?(?P<key>[A-Za-z ]+)>?\s*:\s*(?P<value>.*)")
_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


def read_wfdb(path: Path) -> Record:
    """Read the record of a ``.hea`` file.

    Parameters
    ----------
    path
        The header; its signal files lie in the same folder.

    Raises
    ------
    UnreadableRecord
        One true reason: not a header, a signal file missing or cut off, not twelve leads …
    """
    header = read_header(path)
    from_where = origin(header.name, header.comments)
    raw = _samples(header)
    in_mv, scale_notes = _in_mv(header, raw, from_where)
    columns = [name or "unnamed" for name in raw.sig_name]
    signal_mv, notes = twelve_leads(header.name, columns, in_mv)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=float(raw.fs),
        name=header.name,
        source=from_where.source if from_where else "unknown",
        notes=scale_notes + notes,
        **_told(header.comments),
    )
    return ptbxl_table.completed(record, path)


def _samples(header: Header) -> wfdb.Record:
    """Read the samples, from where the header lies or, in plain words, from beside it."""
    files = _found_files(header)
    try:
        for file, path in files.items():
            _refuse_cut_off(header, file, path)
        own_names = all(file == path.name for file, path in files.items())
        if header.segments or (header.is_plain and own_names):
            raw = wfdb.rdrecord(str(header.path.with_suffix("")))
        else:
            raw = _read_in_plain_words(header, files)
    except (ValueError, IndexError, KeyError, TypeError, RuntimeError, OSError) as error:
        said = " ".join(str(error).split())[:100]
        raise UnreadableRecord(
            f"Record {header.name}: its signal cannot be read as its header declares it ({said})."
        ) from error
    if raw.p_signal is None or not len(raw.p_signal):
        raise UnreadableRecord(f"Record {header.name} has no samples.")
    return raw


def _found_files(header: Header) -> dict[str, Path]:
    """Return the path of each declared signal file; one under the header's own name will do."""
    if header.n_signals == 0:
        raise UnreadableRecord(f"Record {header.name} has 0 leads; 12 are needed.")
    declared = set(header.signal_files) | {f"{name}.hea" for name in header.segments}
    files = {}
    for file in sorted(declared - {"~.hea"}):
        own_name = header.path.with_suffix(Path(file).suffix)
        path = header.path.with_name(file)
        if not path.is_file() and own_name != header.path and len(declared) == 1:
            path = own_name
        if not path.is_file():
            raise UnreadableRecord(
                f"Record {header.name}: {file}, which its header names, is missing. "
                f"Put it beside {header.path.name}."
            )
        files[file] = path
    return files


def _refuse_cut_off(header: Header, file: str, path: Path) -> None:
    """Refuse a signal file that is too short, or MATLAB's but not a plain array (version 4)."""
    needed = _bytes_declared(header, file)
    found = path.stat().st_size
    if found < needed:
        raise UnreadableRecord(
            f"Record {header.name}: {path.name} is cut off: {found:,} bytes, and its header "
            f"declares {needed:,}. Fetch it again."
        )
    if path.suffix.lower() == ".mat":
        with path.open("rb") as content:
            if content.read(6) == b"MATLAB":
                raise UnreadableRecord(
                    f"Record {header.name}: {path.name} is a MATLAB file of version 5 or later; "
                    "beside a .hea one of version 4 is needed (save it with -v4)."
                )


def _bytes_declared(header: Header, file: str) -> int:
    """Return the least size of a signal file, 1 where its format does not tell."""
    formats = [line.split()[1] for line in header.lines[1:] if line.split()[0] == file]
    first = re.fullmatch(r"(\d+)(?:\+(\d+))?", formats[0]) if formats else None
    if header.segments or first is None or first[1] not in _BYTES_PER_SAMPLE:
        return 1
    samples = (header.n_samples or 0) * len(formats)
    return int(samples * _BYTES_PER_SAMPLE[first[1]]) + int(first[2] or 0)


def _read_in_plain_words(header: Header, files: dict[str, Path]) -> wfdb.Record:
    """Let ``wfdb`` read a cleaned copy of the header in a folder of its own."""
    aliases = {file: f"signal{i}{_suffix(file)}" for i, file in enumerate(files)}
    with tempfile.TemporaryDirectory(prefix="ecgcore-") as folder:
        for file, path in files.items():
            os.symlink(path.absolute(), Path(folder, aliases[file]))
        Path(folder, "record.hea").write_text(header.plain_text(aliases), encoding="ascii")
        return wfdb.rdrecord(str(Path(folder, "record")))


def _suffix(file: str) -> str:
    return ".mat" if file.lower().endswith(".mat") else ".dat"


def _in_mv(
    header: Header, raw: wfdb.Record, from_where: Origin | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the signals as (leads, T) in mV, and what was assumed of their scale."""
    physical = raw.p_signal.T  # (leads, T), in the header's units
    if from_where and from_where.source == "ludb":
        # The published gains make every lead 1 mV from peak to peak; in raw units, and only
        # there, II = I + III holds in all records (doi:10.13026/eegm-h675).
        gains, baselines = np.array(raw.adc_gain), np.array(raw.baseline)
        units_uv = physical * gains[:, None] + baselines[:, None]
        return units_uv / 1000, ("scale assumed: 1 unit = 1 µV, not the header's gains",)
    factors = [
        _mv_per_unit(header.name, *pair) for pair in zip(raw.sig_name, raw.units, strict=True)
    ]
    if not header.segments and any(_NO_GAIN.match(line) for line in header.lines[1:]):
        return physical * np.array(factors)[:, None], (
            "scale assumed: 200 units = 1 mV, the header gives no gain",
        )
    return physical * np.array(factors)[:, None], ()


def _mv_per_unit(name: str, lead: str, unit: str) -> float:
    factor = _MV_PER_UNIT.get((unit or "mV").lower())
    if factor is None and standard_lead(lead or ""):
        raise UnreadableRecord(
            f"Record {name}: lead {lead} is in {unit!r}; accepted are mV, µV, nV and V."
        )
    return factor or 1.0


def _told(comments: Iterable[str]) -> dict:
    """Return age, sex, patient and statements from a header's comments."""
    told: dict[str, str] = {}
    for comment in comments:
        if found := _FIELD.match(comment):
            told.setdefault(found["key"].strip().lower(), found["value"].strip())
    return {
        "age_years": _age_years(told.get("age", "")),
        "sex": _SEXES.get(told.get("sex", "").lower()),
        "patient": told.get("patient id") or None,
        "statements": _snomed(told.get("dx", "")) + _ludb(list(comments)),
    }


def _age_years(text: str) -> float | None:
    """Return an age that a human can have; 300 stands for over 89 (PTB-XL 1.0.2)."""
    try:
        age = float(text)
    except ValueError:
        return None
    if age == 300:
        return 90.0
    return age if 0 <= age <= 130 else None


def _snomed(text: str) -> tuple[Statement, ...]:
    codes = dict.fromkeys(code.strip() for code in text.split(","))
    return tuple(Statement("snomed", code) for code in codes if code.isdigit())


def _ludb(comments: list[str]) -> tuple[Statement, ...]:
    """Return the lines below ``<diagnoses>:`` in small letters, without ``Rhythm:`` and stop."""
    starts = [i for i, comment in enumerate(comments) if comment.startswith("<diagnoses>")]
    if not starts:
        return ()
    lines = (line.strip().rstrip(".").lower() for line in comments[starts[0] + 1 :])
    return tuple(Statement("ludb_text", line.removeprefix("rhythm: ")) for line in lines if line)
