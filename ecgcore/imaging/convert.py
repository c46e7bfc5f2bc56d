"""Record → CSV → PNG in class folders, as paper 001 makes its image sets.

``OUT/NSR/00001_lr.csv`` and ``OUT/NSR/00001_lr.png``: torchvision's ``ImageFolder`` reads OUT
directly. The CSV holds mV at the cohort's rate and can be read back by ``ecgcore.records``; the PNG
is classified like its record by a run whose own images have the same geometry and rate.
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

from ecgcore.atomic import write_atomic
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError, UnreadableRecord
from ecgcore.executors.local import run_all, workers_for
from ecgcore.imaging.drawing import draw_with_geometry
from ecgcore.imaging.geometry import Geometry, geometry_from_json, make_geometry
from ecgcore.imaging.png import read_png, save_png
from ecgcore.labels.classes import CODES
from ecgcore.labels.targets import targets
from ecgcore.records.record import LEADS, Record
from ecgcore.records.resample import resample_record
from ecgcore.records.unexpected_errors import refuse_unexpected_errors
from ecgcore.version import RESEARCH_USE_ONLY

FOLDER_MODES = ("exclusive", "priority")
_BATCH = 32  # records a job
_TEMPORARY = re.compile(r"\.(.+)\.(?:csv|png)\.[0-9a-f]{8}(?:\.\d+)?")  # names of write_atomic


class _Destination(NamedTuple):
    """Output folder and image geometry; ``fs_hz`` is the rate of the signal that is drawn."""

    folder: Path
    geometry: Geometry
    fs_hz: float


class _Batch(NamedTuple):
    """Records of a cohort, each with its class."""

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

    Existing complete files are kept, so that an interrupted conversion resumes. Files of this
    cohort's records in a class folder that is no longer theirs are removed, as are temporary files
    of an interrupted conversion.

    Parameters
    ----------
    mode
        Rule that gives a record its one class: ``exclusive`` or ``priority``.
    label_tier, layout, size
        Of the labels and of the images.
    on_progress
        Called with the number of records done and the total.
    run_input
        The ``input`` of a run: images are drawn as its network reads them, in its layout, size and
        rate, instead of in ``layout`` and ``size`` at the cohort's rate.
    workers
        Processes; by default one a core, fewer for few records.

    Returns
    -------
    dict
        ``images`` in the folder now, ``written`` and ``kept`` of them, ``classes`` (code → n),
        ``left_out`` (reason → n), ``seconds``.

    Raises
    ------
    NotFound
        Unknown layout or label tier.
    RequestError
        A mode that gives a record several classes.
    UnreadableRecord
        Some records could not be drawn; all others were.
    """
    started, started_at = time.monotonic(), time.time()
    _check_mode(mode)
    destination = _Destination(out, make_geometry(layout, size, cohort.duration_s), cohort.fs_hz)
    if run_input is not None:
        geometry = geometry_from_json(dict(run_input))
        destination = _Destination(out, geometry, run_input["fs_hz"])
    target = targets(cohort.states(label_tier), mode)
    rows = np.flatnonzero(target.used)
    codes = [CODES[i] for i in target.y[rows].argmax(axis=1)]
    records = cohort.index["record"].to_numpy()[rows].tolist()
    batches = run_all(
        _convert_batch,
        [(batch, destination) for batch in _batches(cohort, rows.tolist(), records, codes)],
        workers or workers_for(len(rows)),
        lambda done: on_progress(done, len(rows)) if on_progress else None,
        preload=(__name__,),
    )
    expected = {(code, _file_name(record)) for code, record in zip(codes, records, strict=True)}
    _remove_stale(out, cohort.index["record"], expected, started_at)
    if failures := [failure for _, failed in batches for failure in failed]:
        raise UnreadableRecord(
            f"{len(failures):,} of {len(rows):,} records were not drawn; the first: {failures[0]}"
        )
    n_written = sum(written for written, _ in batches)
    return {
        "images": len(rows),
        "written": n_written,
        "kept": len(rows) - n_written,
        "classes": {code: codes.count(code) for code in CODES},
        "left_out": dict(Counter(target.reason[~target.used].tolist()).most_common()),
        "seconds": round(time.monotonic() - started, 3),
    }


def _check_mode(mode: str) -> None:
    if mode == "multilabel":
        raise RequestError(
            "Class folders need one class a record, and 'multilabel' gives several: "
            "take exclusive or priority."
        )
    if mode not in FOLDER_MODES:
        raise NotFound.among("target mode", mode, FOLDER_MODES)


def _batches(
    cohort: Cohort, rows: list[int], records: list[str], codes: list[str]
) -> Iterable[_Batch]:
    for start in range(0, len(rows), _BATCH):
        batch = slice(start, start + _BATCH)
        yield _Batch(cohort.folder, cohort.hash, rows[batch], records[batch], codes[batch])


def _convert_batch(
    batch: _Batch, destination: _Destination, on_record: Callable[[], None]
) -> tuple[int, list[str]]:
    """Write the missing files of some records.

    Returns
    -------
    written, failures
        Number of records written, and a line for each that failed unexpectedly.
    """
    if mp.parent_process() is not None:
        torch.set_num_threads(1)  # each core has a batch of its own
    cohort = _open_cohort(batch.cohort, batch.cohort_hash)
    # R peaks at another rate are not those that the run detects itself.
    use_stored = destination.geometry.shows_beats and destination.fs_hz == cohort.fs_hz
    beats = cohort.beats(batch.rows) if use_stored else [None] * len(batch.rows)
    written, failures = 0, []
    for name, code, signal_mv, beats_s in zip(
        batch.records, batch.codes, cohort.signals(batch.rows), beats, strict=True
    ):
        record = Record(signal_mv, cohort.fs_hz, name)
        try:
            with refuse_unexpected_errors(name):
                written += _convert_record(record, code, beats_s, destination)
        except UnreadableRecord as error:
            failures.append(str(error))
        on_record()
    return written, failures


@lru_cache(maxsize=1)
def _open_cohort(folder: Path, cohort_hash: str) -> Cohort:
    return Cohort(folder)


def _convert_record(
    record: Record, code: str, beats_s: np.ndarray | None, destination: _Destination
) -> bool:
    """Write a record's CSV and PNG unless both are complete; return True if written."""
    folder, geometry, fs_hz = destination
    name = _file_name(record.name)
    csv, png = (folder / code / f"{name}{suffix}" for suffix in (".csv", ".png"))
    content = csv_text(record.signal_mv, record.fs_hz, record.name).encode()
    extra = {"csv_sha256": hashlib.sha256(content).hexdigest()}
    if _is_up_to_date(csv, png, content, extra, destination):
        return False
    write_atomic(csv, lambda path: path.write_bytes(content))
    window = resample_record(record, fs_hz, geometry.duration_s)
    image = draw_with_geometry(
        torch.from_numpy(window.signal_mv)[None],
        fs_hz,
        geometry,
        None if beats_s is None else [beats_s],
    )[0]
    save_png(image, png, geometry, record.name, fs_hz, code, extra)
    return True


def _is_up_to_date(
    csv: Path, png: Path, content: bytes, extra: dict[str, str], destination: _Destination
) -> bool:
    """Return True if both files are what would be written."""
    if not (csv.is_file() and png.is_file()) or csv.read_bytes() != content:
        return False
    try:
        stored = read_png(png)
    except UnreadableRecord:
        return False
    same_drawing = (stored.geometry, stored.fs_hz) == (destination.geometry, destination.fs_hz)
    return same_drawing and stored.extra == extra and stored.class_code == csv.parent.name


def _remove_stale(
    out: Path, records: Iterable[str], expected: set[tuple[str, str]], started_at: float
) -> None:
    """Remove this cohort's files from class folders in which they no longer belong.

    Temporary files of an interrupted conversion are removed if they are older than this
    conversion, so that a concurrent one keeps its own.
    """
    names = {_file_name(record) for record in records}
    for code in CODES:
        for file in (out / code).glob("*"):
            temporary = _TEMPORARY.fullmatch(file.name)
            if temporary and temporary[1] in names and file.stat().st_mtime < started_at:
                file.unlink(missing_ok=True)
            is_ours = file.suffix in (".csv", ".png") and file.stem in names
            if is_ours and (code, file.stem) not in expected:
                file.unlink()


def _file_name(record: str) -> str:
    """Return a record id as a file name; letters, digits, ``_``, ``-`` and ``.`` are unchanged."""
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
    header = [f"# {RESEARCH_USE_ONLY}", f"# record={record}", f"# fs_hz={fs_hz:g}", "# unit=mV"]
    return "\n".join([*header, ",".join(LEADS), *lines]) + "\n"
