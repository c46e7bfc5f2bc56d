"""Record → CSV → PNG in class folders, as paper 001 makes its image sets.

``OUT/NSR/00001_lr.csv`` and ``OUT/NSR/00001_lr.png``: torchvision's ``ImageFolder`` takes OUT as it
is. The CSV holds mV at the cohort's rate, so that this program's own reader takes it back.
"""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import torch

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError, UnreadableRecord
from ecgcore.home import write_whole
from ecgcore.imaging.drawing import draw_as
from ecgcore.imaging.geometry import Geometry, geometry
from ecgcore.imaging.png import read_png, save_png
from ecgcore.labels.classes import CODES
from ecgcore.labels.targets import targets
from ecgcore.records.record import LEADS

FOLDER_MODES = ("exclusive", "priority")
_BATCH = 32


class _Pair(NamedTuple):
    """A record's two files, without suffix, and what goes into them."""

    stem: Path
    record: str
    class_code: str
    signal_mv: np.ndarray
    beats_s: np.ndarray | None


def convert(
    cohort: Cohort,
    out: Path,
    mode: str = "exclusive",
    tier: str = "core",
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write each labelled record of a cohort as CSV and PNG into the folder of its class.

    What is there already and whole is kept, so that a conversion that was cut off goes on. Files
    of this cohort's records that lie in a class which is no longer theirs are removed.

    Parameters
    ----------
    mode
        What gives a record its one class: ``exclusive`` or ``priority``.
    tier, layout, size
        Of the labels and of the images.
    on_progress
        Called with records done and records to do.

    Returns
    -------
    dict
        ``images`` there are now, ``written`` and ``kept`` of them, ``classes`` (code → n),
        ``left_out`` (reason → n), ``seconds``.

    Raises
    ------
    NotFound
        No such layout or tier.
    RequestError
        A mode that gives several classes a record.
    """
    started = time.monotonic()
    if mode == "multilabel":
        raise RequestError(
            "Class folders need one class a record, and 'multilabel' gives several: "
            "take exclusive or priority."
        )
    if mode not in FOLDER_MODES:
        raise NotFound.among("target mode", mode, FOLDER_MODES)
    measures = geometry(layout, size, cohort.duration_s)
    goal = targets(cohort.states(tier), mode)
    rows, written = np.flatnonzero(goal.used), 0
    codes = [CODES[i] for i in goal.y[rows].argmax(axis=1)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, batch in _batches(cohort, rows, codes, out, measures.shows_beats):
            written += sum(pool.map(lambda p: _made(p, cohort.fs_hz, measures), batch))
            if on_progress:
                on_progress(done, len(rows))
    _remove_misplaced(
        out, cohort.index["record"], set(zip(codes, _names(cohort, rows), strict=True))
    )
    return {
        "images": len(rows),
        "written": written,
        "kept": len(rows) - written,
        "classes": {code: codes.count(code) for code in CODES},
        "left_out": dict(Counter(goal.reason[~goal.used].tolist()).most_common()),
        "seconds": round(time.monotonic() - started, 3),
    }


def _batches(
    cohort: Cohort, rows: np.ndarray, codes: list[str], out: Path, with_beats: bool
) -> Iterator[tuple[int, list[_Pair]]]:
    """Yield how many records will be done, and the next ones."""
    records = cohort.index["record"].to_numpy()
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        beats = cohort.beats(part) if with_beats else [None] * len(part)
        here = zip(records[part], codes[start:], cohort.signals(part), beats, strict=False)
        yield (
            start + len(part),
            [_Pair(out / code / _file_name(r), r, code, *of_it) for r, code, *of_it in here],
        )


def _names(cohort: Cohort, rows: np.ndarray) -> list[str]:
    return [_file_name(record) for record in cohort.index["record"].to_numpy()[rows]]


def _remove_misplaced(out: Path, records: Iterable[str], wanted: set[tuple[str, str]]) -> None:
    """Remove this cohort's files from class folders where they no longer belong."""
    ours = {_file_name(record) for record in records}
    for code in CODES:
        for file in (out / code).glob("*.*"):
            mine = file.suffix in (".csv", ".png") and file.stem in ours
            if mine and (code, file.stem) not in wanted:
                file.unlink()


def _file_name(record: str) -> str:
    """Return a record id as a file name: letters, digits, ``_``, ``-`` and ``.`` as they are."""
    name = quote(record, safe=" ")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _made(pair: _Pair, fs_hz: float, measures: Geometry) -> bool:
    """Write a record's CSV and PNG unless both are there and whole; return whether it wrote."""
    csv, png = (pair.stem.with_name(pair.stem.name + suffix) for suffix in (".csv", ".png"))
    content = csv_text(pair.signal_mv, fs_hz, pair.record).encode()
    facts = {"csv_sha256": hashlib.sha256(content).hexdigest()}
    if _is_whole(csv, png, content, facts, measures):
        return False
    write_whole(csv, lambda path: path.write_bytes(content))
    signal_mv = torch.from_numpy(pair.signal_mv)[None]
    beats = [pair.beats_s] if pair.beats_s is not None else None
    image = draw_as(signal_mv, fs_hz, measures, beats)[0]
    save_png(image, png, measures, pair.record, fs_hz, pair.class_code, facts)
    return True


def _is_whole(csv: Path, png: Path, content: bytes, facts: dict[str, str], m: Geometry) -> bool:
    """Return whether both files are what would be written."""
    if not (csv.is_file() and png.is_file()) or csv.read_bytes() != content:
        return False
    try:
        there = read_png(png)
    except UnreadableRecord:
        return False
    return there.geometry == m and there.more == facts


def csv_text(signal_mv: np.ndarray, fs_hz: float, record: str) -> str:
    """Return a signal (12, T) in mV as CSV: comments, lead names, one row a sample to 1 µV.

    Missing samples are empty cells.
    """
    row = ",".join(["%.3f"] * len(LEADS))
    lines = [row % tuple(sample) for sample in signal_mv.T.tolist()]
    if np.isnan(signal_mv).any():
        lines = [line.replace("nan", "") for line in lines]
    head = [f"# {RESEARCH_USE_ONLY}", f"# record={record}", f"# fs_hz={fs_hz:g}", "# unit=mV"]
    return "\n".join([*head, ",".join(LEADS), *lines]) + "\n"
