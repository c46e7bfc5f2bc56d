"""Ingest: read a folder of recordings into a cohort, or bring that cohort up to date."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from ecgcore.cohort.label_matching import compile_group
from ecgcore.cohort.listing_columns import load_columns
from ecgcore.cohort.lock import exclusive_lock
from ecgcore.cohort.measure_job import measure_missing
from ecgcore.cohort.patients import assign_patients, known_pattern
from ecgcore.cohort.scan import RATES_HZ
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.summary import IngestResult, ingest_result
from ecgcore.cohort.update import CohortUpdate
from ecgcore.errors import RequestError
from ecgcore.executors.select import LOCAL, open_executor
from ecgcore.records.read import DEFAULT_READ_OPTIONS, ReadOptions
from ecgcore.workspace import Workspace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def ingest(
    folder: Path | str,
    name: str,
    workspace: Workspace | Path | str | None = None,
    workers: int | None = None,
    store_fs_hz: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    measure: bool = True,
    duration_s: float | None = None,
    upsample: bool = False,
    read_options: ReadOptions = DEFAULT_READ_OPTIONS,
    on_start: Callable[[], None] = lambda: None,
    on_refused: Callable[[int], None] = lambda refused: None,
    executor: str = LOCAL,
    patient_from: str | None = None,
) -> IngestResult:
    """Read a folder of recordings into the cohort ``name``, or bring that cohort up to date.

    New and changed files are read, files gone from ``folder`` leave the cohort, records of other
    folders stay. A recording that occurs twice (the same number in its source, the same bytes, or
    the same shape at any rate and gain) is one record, and its copies are duplicates.

    Parameters
    ----------
    folder
        Folder, searched recursively, or a single file.
    name
        Name of the cohort: letters, digits, - and _.
    workspace
        Workspace or its folder; default ``$ECGCORE_HOME`` or ``./workspace``.
    workers
        Number of processes; default one per core if there are enough records.
    store_fs_hz
        Stored sampling rate in Hz, 100 or 500; default the higher one if 90 % of the cohort's
        records have it. Without it a cohort's rate follows its records: if a later folder changes
        the balance, all are read anew.
    on_progress
        Called with the numbers of records done and to do.
    measure
        Also measure every record and detect its beats. A cohort that was ingested without is then
        measured, from the stored signals.
    duration_s
        Seconds stored of each record; default 10, or the duration of the existing cohort.
    upsample
        Also accept records whose rate is below the cohort's.
    read_options
        Assumptions about files that state no rate or lead order, and the second to start at. Files
        that were rejected before are tried again.
    on_start
        Called once the cohort is locked: no other ingest writes it from then on.
    on_refused
        Called before ``on_progress`` with the number of records refused so far.
    executor
        ``local``, ``ray`` or ``ray://HOST:PORT`` (see ``executors.select``).
    patient_from
        Regular expression whose group is the patient's id in a record's path, for files that state
        none. It is kept for later ingests into the cohort.

    Returns
    -------
    IngestResult
        Totals of the cohort; ``found`` = ``read`` + rejected + duplicates.

    Raises
    ------
    RequestError
        The folder, name or rate is invalid, or no recording was found.
    EcgError
        Another ingest writes this cohort, or the disk is too full.

    Examples
    --------
    >>> result = ingest("examples/ptb-xl", "examples")  # doctest: +SKIP
    >>> result.read, len(result.rejected)  # doctest: +SKIP
    (160, 0)
    """
    started_at = time.monotonic()
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own pool keeps freed memory
    folder, workspace = Path(folder), Workspace.find(workspace)
    _check_request(folder, name, store_fs_hz, duration_s)
    if patient_from is not None:
        compile_group(patient_from)
    with open_executor(executor) as running, exclusive_lock(name, workspace):
        on_start()
        update = CohortUpdate(folder, workspace.cohorts / name, workspace.patient_key(), running)
        signal_format = update.signal_format(store_fs_hz, duration_s, upsample, read_options)
        outcome = update.run(
            signal_format, workspace.free_bytes(), workers, measure, on_progress, on_refused
        )
        if update.exists:
            if measure:
                measure_missing(update.cohort, workers, on_progress, running)
            _assign_patients(Cohort(update.cohort), patient_from, workspace)
            load_columns(Cohort(update.cohort))
    result = ingest_result(update.cohort, signal_format, outcome, folder, update.others)
    return replace(result, seconds=round(time.monotonic() - started_at, 2))


def _assign_patients(cohort: Cohort, pattern: str | None, workspace: Workspace) -> None:
    """Find patients in the paths of records that state none, by this pattern or an earlier one."""
    pattern = pattern or known_pattern(cohort)
    if pattern is not None:
        assign_patients(cohort, pattern, workspace.patient_key(), "ingest")


def check_name(name: str) -> None:
    """Refuse an invalid name of a cohort."""
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"A cohort cannot be called '{name}': letters, digits, - and _ are accepted, 64 at "
            "most, the first a letter or digit."
        )


def _check_request(
    folder: Path, name: str, store_fs_hz: int | None, duration_s: float | None
) -> None:
    check_name(name)
    if not folder.exists():
        raise RequestError(f"There is no folder {folder}.")
    if store_fs_hz is not None and store_fs_hz not in RATES_HZ:
        raise RequestError(f"A cohort is stored at 100 or 500 Hz, not at {store_fs_hz:g} Hz.")
    if duration_s is not None and not 1 <= duration_s <= 600:
        raise RequestError(f"A cohort stores 1 to 600 s of a record, not {duration_s:g} s.")
