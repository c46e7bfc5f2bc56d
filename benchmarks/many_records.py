"""Source of any number of recordings, generated from the real ones of a cohort.

Each is a real recording rotated in time, slightly slower or faster and slightly larger or smaller,
so that neither bytes nor signals equal those of another; labels, age and sex are kept (but NSR:
sinus rhythm that an unknown source states alone is not known to be normal). Written
as WFDB records such as a hospital exports: a folder a thousand, statements in the header.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.cohort.store import Cohort
from ecgcore.labels.classes import CODES
from ecgcore.records.record import LEADS

A_FOLDER = 1000
_SHIFT_SAMPLES = 37
_QUICKER, _TALLER = 0.004, 0.003
"""Change of a copy's time and amplitude from one copy to the next."""
_SNOMED = dict(
    NSR="426783006",
    STACH="427084000",
    SBRAD="426177001",
    LBBB="164909002",
    RBBB="59118001",
    LVH="164873001",
    RVH="89792004",
    STEMI="57054005",
    STD="429622005",
    ECT="284470004",
)
_NO_CLASS = "39732003"
"""Left axis deviation: the statement of a record that has none of the ten classes."""


def write_records(cohort: Cohort, n: int, folder: Path, first: int = 0) -> None:
    """Write records ``first`` to ``n`` of the source that repeats a cohort's."""
    comments = _comments(cohort)
    for number, (row, turn) in enumerate(_turns(len(cohort), n)):
        if number < first:
            continue
        subfolder = folder / f"{number // A_FOLDER:05d}"
        if number % A_FOLDER == 0 or number == first:
            subfolder.mkdir(parents=True, exist_ok=True)
        name = f"m{number:07d}"
        samples = changed(_uv(cohort, row), turn)
        samples.tofile(subfolder / f"{name}.dat")
        (subfolder / f"{name}.hea").write_text(
            header(name, cohort, len(samples), comments[row], turn)
        )


def _turns(rows: int, n: int) -> Iterator[tuple[int, int]]:
    """Yield row and number of the copy of ``n`` records: all rows once, then all again …"""
    for turn in count():
        for row in range(rows):
            if turn * rows + row >= n:
                return
            yield row, turn


def _uv(cohort: Cohort, row: int) -> np.ndarray:
    """Return a stored signal as (T, 12) float64 in µV, 0 where missing."""
    return np.nan_to_num(1000 * cohort.signals([row])[0].astype(np.float64)).T


def changed(signal_uv: np.ndarray, turn: int) -> np.ndarray:
    """Return copy ``turn`` of a signal (T, 12) as int16 in µV: turned, stretched, scaled."""
    n_samples = len(signal_uv)
    pace = 1 + _QUICKER * (turn % 9 - 4)
    at = (np.arange(n_samples) * pace + turn * _SHIFT_SAMPLES) % (n_samples - 1)
    before, share = at.astype(int), (at % 1)[:, None]
    stretched = signal_uv[before] * (1 - share) + signal_uv[before + 1] * share
    return np.clip(np.rint(stretched * (1 + _TALLER * turn)), -32767, 32767).astype("<i2")


def header(name: str, cohort: Cohort, n_samples: int, comments: str, turn: int) -> str:
    """Return the text of a WFDB header."""
    lines = [f"{name} {len(LEADS)} {cohort.fs_hz:g} {n_samples}"]
    lines += [f"{name}.dat 16 1000(0)/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    return "\n".join([*lines, comments.format(turn=turn), ""])


def _comments(cohort: Cohort) -> list[str]:
    """Return the header comments of each record; copies of a patient count as other patients."""
    index, states = cohort.index, cohort.states("core")
    patients = pd.factorize(index["patient"])[0]
    rows = zip(index["age"], index["sex"], patients, states, strict=True)
    return [
        f"#Age: {age:.0f}\n#Sex: {sex}\n#Patient ID: p{patient}-{{turn}}\n#Dx: {_dx(state)}"
        for age, sex, patient, state in rows
    ]


def _dx(states: np.ndarray) -> str:
    codes = [_SNOMED[code] for code, state in zip(CODES, states, strict=True) if state == 1]
    return ",".join(codes) or _NO_CLASS
