"""Age, sex, patient and statements from the comments of a WFDB header.

Databases write ``# Age: 74``, ``#<age>: 65 <sex>: F <diagnoses> …`` (INCART), ``# <subject_id>:
10000032`` (MIMIC-IV-ECG) or ``# patient 1``. Other words of a comment are not taken over.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ecgcore.records.demographics import PTB_XL_OVER_89, parse_age_years, parse_sex
from ecgcore.records.metadata import ludb
from ecgcore.records.record import Statement
from ecgcore.records.sources import Origin

_TAGS = re.compile(r"<(?P<key>[A-Za-z _]+)>\s*:?")
_FIELD = re.compile(r"(?P<key>[A-Za-z][A-Za-z _]*?)\s*[:=]\s*(?P<value>.*)")
_PATIENT_LINE = re.compile(r"patient\s+(?P<number>\d{1,9})", re.I)
_PATIENT_FOLDER = re.compile(r"(?:patient\d{1,6}|p\d{8})", re.I)
"""``patient001`` of PTB's database and ``p10000032`` of MIMIC-IV-ECG."""
_PATIENT_KEYS = ("patient id", "patient", "subject id", "subject")
_CODE_KEYS = ("dx", "dx codes", "diagnosis", "diagnoses", "diagnosis codes", "snomed", "snomed ct")
_SNOMED_CODE = re.compile(r"(?<![\w.-])\d{6,18}(?![\w-]|\.\d)")
_NOBODY = frozenset(
    {"", "unknown", "unk", "none", "nan", "null", "n/a", "na", "anonymous", "?", "-"}
)


def metadata(path: Path, comments: Iterable[str], origin: Origin | None) -> dict[str, Any]:
    """Return age, sex, patient and statements, as ``Record`` takes them.

    Parameters
    ----------
    path
        The header, whose folder names the patient in PTB's database and MIMIC-IV-ECG.
    comments
        Its comments, without ``#``.
    origin
        The database that the record comes from.
    """
    comments = tuple(comments)
    fields = _fields(comments)
    return {
        "age_years": parse_age_years(fields.get("age", ""), over_89=PTB_XL_OVER_89),
        "sex": parse_sex(fields.get("sex", fields.get("gender", ""))),
        "patient": _patient(fields, comments, path, origin),
        "statements": _snomed_statements(fields) + ludb.statements(comments),
    }


def _fields(comments: tuple[str, ...]) -> dict[str, str]:
    """Return the first value of each key in small letters."""
    fields: dict[str, str] = {}
    for comment in comments:
        parts = _TAGS.split(comment)  # what stands before the first tag, then key, value …
        pairs = list(zip(parts[1::2], parts[2::2], strict=True))
        if not pairs and (match := _FIELD.match(comment)):
            pairs = [(match["key"], match["value"])]
        for key, value in pairs:
            fields.setdefault(" ".join(key.lower().replace("_", " ").split()), value.strip())
    return fields


def _patient(
    fields: dict[str, str], comments: tuple[str, ...], path: Path, origin: Origin | None
) -> str | None:
    """Return the patient's number or id from a comment, else from the folder of a known source."""
    for key in _PATIENT_KEYS:
        if fields.get(key, "").lower() not in _NOBODY:
            return fields[key]
    numbers = [match["number"] for c in comments if (match := _PATIENT_LINE.fullmatch(c))]
    if numbers:
        return numbers[0]
    if origin is None or origin.source not in ("ptb", "mimic-iv-ecg"):
        return None
    folders = (parent.name for parent in path.absolute().parents[:2])
    names = [name.lower() for name in folders if _PATIENT_FOLDER.fullmatch(name)]
    return names[0].removeprefix("p" if origin.source == "mimic-iv-ecg" else "") if names else None


def _snomed_statements(fields: dict[str, str]) -> tuple[Statement, ...]:
    """Return the codes of ``Dx``, however they are separated."""
    text = " ".join(fields[key] for key in _CODE_KEYS if key in fields)
    return tuple(Statement("snomed", code) for code in dict.fromkeys(_SNOMED_CODE.findall(text)))
