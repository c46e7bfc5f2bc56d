"""Record → CSV → PNG in class folders, as paper 001 makes its image sets.

``OUT/NSR/00001_lr.csv`` and ``OUT/NSR/00001_lr.png``: torchvision's ``ImageFolder`` takes OUT as it
is. The CSV holds mV at the cohort's rate, so that this program's own reader takes it back; the PNG
is classified like its record by a run whose own images are drawn alike.
"""

import hashlib
import multiprocessing as mp
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import torch

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.atomic import write_atomic
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError, UnreadableRecord
from ecgcore.executors.local import run_all, workers_for
from ecgcore.imaging.drawing import draw_as
from ecgcore.imaging.geometry import Geometry, geometry, geometry_of
from ecgcore.imaging.png import read_png, save_png
from ecgcore.labels.classes import CODES
from ecgcore.labels.targets import targets
from ecgcore.records.record import LEADS, Record
from ecgcore.records.resample import resample_record

FOLDER_MODES = ("exclusive", "priority")
_PART = 32  # records a job
_UNFINISHED = re.compile(r"\.(.+)\.(?:csv|png)\.[0-9a-f]{8}(?:\.\d+)?")  # as write_whole names it


class _Form(NamedTuple):
    """Where files go and how they are drawn; ``fs_hz`` is the rate of the signal that is drawn."""

    out: Path
    measures: Geometry
    fs_hz: float


class _Part(NamedTuple):
    """Some records of a cohort, each with its class."""

    cohort: Path
    cohort_hash: str
    rows: list[int]
    records: list[str]
    codes: list[str]


def convert(
    cohort: Cohort,
    out: Path,
    mode: str = "exclusive",
    label_tier: str = "core",
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    run_input: Mapping[str, Any] | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Write each labelled record of a cohort as CSV and PNG into the folder of its class.

    What is there already and whole is kept, so that a conversion that was cut off goes on. Files
    of this cohort's records that lie in a class which is no longer theirs are removed, and so is
    what a killed conversion left unfinished.

    Parameters
    ----------
    mode
        What gives a record its one class: ``exclusive`` or ``priority``.
    tier, layout, size
        Of the labels and of the images.
    on_progress
        Called with records done and records to do.
    run_input
        The ``input`` of a run: images are drawn as its network sees them, in its layout, size and
        rate, instead of in ``layout`` and ``size`` at the cohort's rate.
    workers
        Processes; by default one a core, fewer for few records.

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
    started, since = time.monotonic(), time.time()
    _check(mode)
    form = _Form(out, geometry(layout, size, cohort.duration_s), cohort.fs_hz)
    if run_input is not None:
        form = _Form(out, geometry_of(dict(run_input)), run_input["fs_hz"])
    goal = targets(cohort.states(label_tier), mode)
    rows = np.flatnonzero(goal.used)
    codes = [CODES[i] for i in goal.y[rows].argmax(axis=1)]
    records = cohort.index["record"].to_numpy()[rows].tolist()
    written = run_all(
        _convert_part,
        [(part, form) for part in _parts(cohort, rows.tolist(), records, codes)],
        workers or workers_for(len(rows)),
        lambda done: on_progress(done, len(rows)) if on_progress else None,
        needs=(__name__,),
    )
    wanted = {(code, _file_name(record)) for code, record in zip(codes, records, strict=True)}
    _tidy(out, cohort.index["record"], wanted, since)
    return {
        "images": len(rows),
        "written": sum(written),
        "kept": len(rows) - sum(written),
        "classes": {code: codes.count(code) for code in CODES},
        "left_out": dict(Counter(goal.reason[~goal.used].tolist()).most_common()),
        "seconds": round(time.monotonic() - started, 3),
    }


def _check(mode: str) -> None:
    if mode == "multilabel":
        raise RequestError(
            "Class folders need one class a record, and 'multilabel' gives several: "
            "take exclusive or priority."
        )
    if mode not in FOLDER_MODES:
        raise NotFound.among("target mode", mode, FOLDER_MODES)


def _parts(
    cohort: Cohort, rows: list[int], records: list[str], codes: list[str]
) -> Iterable[_Part]:
    for at in range(0, len(rows), _PART):
        part = slice(at, at + _PART)
        yield _Part(cohort.folder, cohort.hash, rows[part], records[part], codes[part])


def _convert_part(part: _Part, form: _Form, on_record: Callable[[], None]) -> int:
    """Write what is not there yet of some records; return how many that were."""
    if mp.parent_process() is not None:
        torch.set_num_threads(1)  # the other cores have their own part
    cohort = _opened(part.cohort, part.cohort_hash)
    # R peaks of another rate are not those that the run finds itself.
    with_beats = form.measures.shows_beats and form.fs_hz == cohort.fs_hz
    beats = cohort.beats(part.rows) if with_beats else [None] * len(part.rows)
    written = 0
    for record, code, signal_mv, beats_s in zip(
        part.records, part.codes, cohort.signals(part.rows), beats, strict=True
    ):
        written += _converted(Record(signal_mv, cohort.fs_hz, record), code, beats_s, form)
        on_record()
    return written


@lru_cache(maxsize=1)
def _opened(folder: Path, cohort_hash: str) -> Cohort:
    return Cohort(folder)


def _converted(record: Record, code: str, beats_s: np.ndarray | None, form: _Form) -> bool:
    """Write a record's CSV and PNG unless both are there and whole; return whether it wrote."""
    name = _file_name(record.name)
    csv, png = (form.out / code / f"{name}{suffix}" for suffix in (".csv", ".png"))
    content = csv_text(record.signal_mv, record.fs_hz, record.name).encode()
    facts = {"csv_sha256": hashlib.sha256(content).hexdigest()}
    if _is_whole(csv, png, content, facts, form):
        return False
    write_atomic(csv, lambda path: path.write_bytes(content))
    shown = resample_record(record, form.fs_hz, form.measures.duration_s)
    image = draw_as(
        torch.from_numpy(shown.signal_mv)[None],
        form.fs_hz,
        form.measures,
        None if beats_s is None else [beats_s],
    )[0]
    save_png(image, png, form.measures, record.name, form.fs_hz, code, facts)
    return True


def _is_whole(csv: Path, png: Path, content: bytes, facts: dict[str, str], form: _Form) -> bool:
    """Return whether both files are what would be written."""
    if not (csv.is_file() and png.is_file()) or csv.read_bytes() != content:
        return False
    try:
        there = read_png(png)
    except UnreadableRecord:
        return False
    alike = (there.geometry, there.fs_hz) == (form.measures, form.fs_hz)
    return alike and there.more == facts and there.class_code == csv.parent.name


def _tidy(out: Path, records: Iterable[str], wanted: set[tuple[str, str]], since: float) -> None:
    """Remove this cohort's files from class folders where they no longer belong.

    Also what a killed conversion left half written: older than this one, so that another that
    writes at the same time keeps its own.
    """
    ours = {_file_name(record) for record in records}
    for code in CODES:
        for file in (out / code).glob("*"):
            crashed_runs = _UNFINISHED.fullmatch(file.name)
            if crashed_runs and crashed_runs[1] in ours and file.stat().st_mtime < since:
                file.unlink(missing_ok=True)
            mine = file.suffix in (".csv", ".png") and file.stem in ours
            if mine and (code, file.stem) not in wanted:
                file.unlink()


def _file_name(record: str) -> str:
    """Return a record id as a file name: letters, digits, ``_``, ``-`` and ``.`` as they are."""
    name = quote(record, safe=" ")
    return f"%2E{name[1:]}" if name.startswith(".") else name


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
