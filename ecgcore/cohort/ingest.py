"""From a folder of recordings to a cohort: found, read once, measured, stored, counted."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecgcore.cohort import summary
from ecgcore.cohort.listing_columns import columns
from ecgcore.cohort.lock import written_alone
from ecgcore.cohort.measure_job import measure_missing
from ecgcore.cohort.scan import RATES_HZ
from ecgcore.cohort.signal_format import AS_IT_SAYS
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.update import Update
from ecgcore.errors import RequestError
from ecgcore.executors.select import LOCAL, engine
from ecgcore.records.read import ReadOptions
from ecgcore.workspace import Workspace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def ingest(
    folder: Path,
    name: str,
    workspace: Workspace,
    workers: int | None = None,
    fs_hz: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    measure: bool = True,
    duration_s: float | None = None,
    upsample: bool = False,
    reading: ReadOptions = AS_IT_SAYS,
    on_start: Callable[[], None] = lambda: None,
    on_refused: Callable[[int], None] = lambda refused: None,
    on: str = LOCAL,
) -> dict[str, Any]:
    """Read a folder of recordings into the cohort ``name``, or bring that cohort up to date.

    New and changed files are read, files gone from ``folder`` leave the cohort, records of other
    folders stay. A recording that is there twice (the same number in its source, the same bytes,
    or the same shape at whatever rate and gain) is one record and its copies are duplicates.

    Parameters
    ----------
    folder
        Searched with all below it (a single file will do, too).
    workers
        Processes; default one a core where there are enough records.
    fs_hz
        Hz, 100 or 500; default the higher one if 90 % of the cohort's records have it. Without it
        a cohort's rate follows its records: where a later folder changes the balance, all are
        read anew.
    on_progress
        Called with records done and records to do.
    measure
        Also measure every record and find its beats. A cohort that was ingested without is then
        measured, from the stored signals.
    duration_s
        Seconds stored of each record; default 10, or what the cohort has.
    upsample
        Also take records whose rate is below the cohort's.
    reading
        What to take for granted of files that leave it open (their rate, the order of unnamed
        leads), and at which second to begin. Files that were rejected before are tried again.
    on_start
        Called once the cohort is held: no other ingest writes it then.
    on_refused
        Called before ``on_progress`` with how many of the records done were refused.
    on
        Where to work (see ``executors.select``).

    Returns
    -------
    dict
        Totals of the cohort: ``cohort``, ``fs_hz``, ``found`` (= ``read`` + rejected +
        duplicates), ``read``, ``rejected``, ``duplicates``, ``classes``, ``targets``, ``seconds``.

    Raises
    ------
    RequestError
        The folder, name or rate cannot be, or no recording was found.
    EcgError
        Another ingest writes this cohort, or the disk is too full.
    """
    started = time.monotonic()
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what was freed
    folder = Path(folder)
    _refuse_odd(folder, name, fs_hz, duration_s)
    with engine(on) as works, written_alone(name, workspace):
        on_start()
        update = Update(folder, workspace.cohorts / name, workspace.patient_key(), works)
        form = update.form(fs_hz, duration_s, upsample, reading)
        update.run(form, workspace.free_bytes(), workers, measure, on_progress, on_refused)
        if measure and update.exists:
            measure_missing(update.cohort, workers, on_progress, works)
        if update.exists:
            columns(Cohort(update.cohort))
    answer = summary.answer(update.cohort, form, update.outcome, folder)
    return answer | {"seconds": round(time.monotonic() - started, 2)}


def refuse_odd_name(name: str) -> None:
    """Refuse what no cohort can be called."""
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"A cohort cannot be called '{name}': letters, digits, - and _ are accepted, 64 at "
            "most, the first a letter or digit."
        )


def _refuse_odd(folder: Path, name: str, fs_hz: int | None, duration_s: float | None) -> None:
    refuse_odd_name(name)
    if not folder.exists():
        raise RequestError(f"There is no folder {folder}.")
    if fs_hz is not None and fs_hz not in RATES_HZ:
        raise RequestError(f"A cohort is kept at 100 or 500 Hz, not at {fs_hz:g} Hz.")
    if duration_s is not None and not 1 <= duration_s <= 600:
        raise RequestError(f"A cohort keeps 1 to 600 s of a record, not {duration_s:g} s.")
