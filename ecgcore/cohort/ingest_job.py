"""Background ingest jobs: started, watched, cancelled and resumed from the command line or a page.

``ecgcore ingest`` runs as a job, too. Its status is in ``imports/COHORT/status.json`` of the
workspace, so that a page finds it again after a restart, and an interrupted one can resume (see
``partial_shards``). The folder being read is named only in ``request.json`` (mode 600), because a
path may hold names; rejected files are listed by record id.
"""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from ecgcore import background
from ecgcore.atomic import read_json, write_json
from ecgcore.cohort.exclusions import anonymous_reason
from ecgcore.cohort.ingest import IngestResult, check_name, ingest
from ecgcore.cohort.lock import exclusive_lock
from ecgcore.cohort.schema import JobRequestFile, JobStatusFile
from ecgcore.errors import DamagedFile, EcgError, RequestError
from ecgcore.executors.select import LOCAL
from ecgcore.records.read import ReadOptions
from ecgcore.workspace import Workspace

ALIVE = ("running",)
_UPDATE_INTERVAL_S = 0.5
_START_TIMEOUT_S = 60.0
_MAX_LISTED = 2000
"""Number of rejected files listed by record id; all are counted."""
_CRASHED = "The process ended unexpectedly; finished work is kept, and the import can resume."
_CANCELLED = "Cancelled; finished work is kept, and the import can resume."
_UNKNOWN: dict[str, Any] = {
    "state": "crashed",
    "phase": "unknown",
    "found": None,
    "done": 0,
    "refused": 0,
    "rate": None,
    "eta_s": None,
    "began": 0.0,
}
"""Status of a job whose status.json is damaged."""
_FORMER_FIELDS = {
    "fs_hz": "store_fs_hz",
    "seconds": "duration_s",
    "file_hz": "source_fs_hz",
    "from_s": "start_s",
    "on": "executor",
}
"""Keys of a ``request.json`` written by version 0.1, and what they are called now."""


@dataclass(frozen=True)
class IngestRequest:
    """Folder, cohort and options of an ingest, as ``ingest`` takes them."""

    folder: str
    cohort: str
    store_fs_hz: int | None = None
    duration_s: float | None = None
    upsample: bool = False
    measure: bool = True
    source_fs_hz: float | None = None
    assume_order: bool = False
    start_s: float = 0.0
    workers: int | None = None
    executor: str = LOCAL
    patient_from: str | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "IngestRequest":
        """Return the request that a ``request.json`` holds, of this or an earlier version."""
        return cls(**{_FORMER_FIELDS.get(key, key): value for key, value in content.items()})

    def command(self, workspace: Workspace) -> list[str]:
        """Return the equivalent command line."""
        values = {
            "--store-fs-hz": self.store_fs_hz,
            "--duration-s": self.duration_s,
            "--source-fs-hz": self.source_fs_hz,
            "--start-s": self.start_s or None,
            "--workers": self.workers,
        }
        options = [word for name, value in values.items() if value for word in (name, f"{value:g}")]
        options += ["--upsample"] * self.upsample + ["--assume-order"] * self.assume_order
        options += [] if self.measure else ["--no-measure"]
        options += [] if self.patient_from is None else [f"--patient-from={self.patient_from}"]
        options += [] if self.executor == LOCAL else ["--executor", self.executor]
        required = ["ingest", "--cohort", self.cohort, "--home", str(workspace.path)]
        return [sys.executable, "-m", "ecgcore", *required, *options, "--", self.folder]


@dataclass(frozen=True)
class IngestJob:
    """Folder of one ingest job. Every property is read from disk on each access."""

    folder: Path

    @property
    def cohort(self) -> str:
        """Name of the cohort."""
        return self.folder.name

    @property
    def status(self) -> dict[str, Any]:
        """Status of the job.

        ``state`` (running, done, cancelled, failed or crashed), ``phase``, ``found``, ``done``,
        ``refused``, ``rate`` (records per second), ``eta_s``, ``message``; once done also
        ``read``, ``duplicates``, ``seconds`` and ``rejected`` (``record`` and ``reason`` each).
        """
        try:
            status = background.read_status(self.folder, JobStatusFile)
        except DamagedFile as error:  # keeps neither the others nor a new import from working
            return _UNKNOWN | {"message": str(error)}
        if status["state"] in ALIVE and not _is_working(status):
            is_cancelled = self._cancel_file.exists()
            return background.interrupted_status(status, is_cancelled, _CRASHED, _CANCELLED)
        return status

    @property
    def can_resume(self) -> bool:
        """True if the job was interrupted and its request is still stored."""
        return self.status["state"] in ("cancelled", "crashed") and self._request_file.exists()

    def cancel(self) -> None:
        """Stop the job; finished work is kept for resuming."""
        status = self.status
        if status["state"] not in ALIVE:
            raise RequestError(f"The import of '{self.cohort}' is {status['state']} already.")
        self._cancel_file.touch()
        if status["pid"] is not None:
            try:
                psutil.Process(status["pid"]).terminate()
            except psutil.NoSuchProcess:
                return  # it ended by itself

    def resume(self, workspace: Workspace) -> None:
        """Restart an interrupted job; it continues after its finished work."""
        if not self.can_resume:
            raise RequestError(f"The import of '{self.cohort}' cannot resume: start it anew.")
        start(IngestRequest.from_json(read_json(self._request_file, JobRequestFile)), workspace)

    def dismiss(self, workspace: Workspace) -> None:
        """Remove the job's folder, and what it wrote of a cohort that was never completed."""
        if self.status["state"] in ALIVE:
            raise RequestError(f"The import of '{self.cohort}' is running; cancel it first.")
        with exclusive_lock(self.cohort, workspace):
            if not (workspace.cohorts / self.cohort / "cohort.json").exists():
                shutil.rmtree(workspace.cohorts / self.cohort, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def update_status(self, **changes: Any) -> None:
        """Change some entries of the job's status."""
        background.update_status(self.folder, **changes)

    def write_started(self, request: IngestRequest, **stamp: Any) -> None:
        """Write the request and the first status, with the stamp of the working process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._cancel_file.unlink(missing_ok=True)
        write_json(self._request_file, asdict(request), is_private=True)
        status: dict[str, Any] = {
            "state": "running",
            "phase": "looking for recordings",
            "found": None,
            "done": 0,
            "refused": 0,
            "rate": None,
            "eta_s": None,
            "message": "",
            "began": time.time(),
            "cohort": request.cohort,
        }
        write_json(self.folder / background.STATUS_FILE, status | stamp)

    @property
    def _cancel_file(self) -> Path:
        return self.folder / "cancel"

    @property
    def _request_file(self) -> Path:
        return self.folder / "request.json"


def progress_text(status: dict[str, Any]) -> str:
    """Return the progress in words: done of found, refused, records per second."""
    if status["found"] is None:
        return status["phase"]
    text = f"{status['done']:,} of {status['found']:,}, {status['refused']:,} refused"
    return text + (f", {status['rate']:.0f} a second" if status["rate"] else "")


def list_jobs(workspace: Workspace) -> list[IngestJob]:
    """Return the ingest jobs of a workspace: running ones first, then the newest."""
    jobs = [IngestJob(file.parent) for file in (workspace.path / "imports").glob("*/status.json")]
    return sorted(jobs, key=lambda job: (job.status["state"] not in ALIVE, -job.status["began"]))


def start(request: IngestRequest, workspace: Workspace) -> IngestJob:
    """Start an ingest in a process of its own, as ``ecgcore ingest`` in a terminal would."""
    check_name(request.cohort)
    job = _job(request, workspace)
    if (job.folder / background.STATUS_FILE).exists() and job.status["state"] in ALIVE:
        raise RequestError(f"Cohort '{request.cohort}' is being read into already; wait for that.")
    job.write_started(request, pid=None, pid_started=None)
    background.start_detached(request.command(workspace))  # no log: its output names paths
    return job


def run(
    request: IngestRequest,
    workspace: Workspace,
    on_progress: Callable[[dict[str, Any]], None] = lambda status: None,
) -> IngestResult:
    """Run an ingest job in this process and return the result of ``ingest``.

    ``on_progress`` is called with the status, at most twice a second.
    """
    check_name(request.cohort)
    reporter = _StatusReporter(_job(request, workspace), request, on_progress)
    try:
        result = ingest(
            Path(request.folder),
            request.cohort,
            workspace,
            request.workers,
            request.store_fs_hz,
            reporter.report_progress,
            measure=request.measure,
            duration_s=request.duration_s,
            upsample=request.upsample,
            on_refused=reporter.count_refused,
            on_start=reporter.start_if_awaited,
            executor=request.executor,
            read_options=ReadOptions(request.source_fs_hz, request.assume_order, request.start_s),
            patient_from=request.patient_from,
        )
    except EcgError as error:
        reporter.report_failure(str(error).replace(request.folder, "the folder"))
        raise
    reporter.report_result(result)
    return result


class _StatusReporter:
    """Writer of a job's status at intervals.

    A job that nobody waits for (``ecgcore ingest`` in a terminal) leaves no trace until recordings
    are found: a wrong request writes nothing.
    """

    def __init__(
        self,
        job: IngestJob,
        request: IngestRequest,
        on_progress: Callable[[dict[str, Any]], None],
    ):
        self.job, self.request, self.on_progress = job, request, on_progress
        self.started_at, self.reported_at, self.done_at_start = 0.0, 0.0, 0
        self.n_refused = 0
        self.is_started = False

    def start_if_awaited(self) -> None:
        """Write the first status if the job was started in the background.

        To be called once this process holds the cohort's lock: no other one writes the status.
        """
        if self._is_awaited():
            self._start()

    def _start(self) -> None:
        if not self.is_started:
            self.is_started = True
            self.job.write_started(self.request, **background.process_stamp())

    def count_refused(self, refused: int) -> None:
        """Set the number of records refused so far."""
        self.n_refused = refused

    def report_progress(self, done: int, total: int) -> None:
        """Write the progress, unless the last time was less than half a second ago."""
        self._start()
        now = time.monotonic()
        if not self.started_at:
            self.started_at, self.done_at_start = now, done
        if now - self.reported_at < _UPDATE_INTERVAL_S and done < total:
            return
        self.reported_at = now
        elapsed_s = now - self.started_at
        rate = (done - self.done_at_start) / elapsed_s if elapsed_s > 1 else None
        status = {
            "phase": "reading",
            "found": total,
            "done": done,
            "refused": self.n_refused,
            "rate": rate,
            "eta_s": (total - done) / rate if rate else None,
        }
        self.job.update_status(**status)
        self.on_progress(status)

    def report_failure(self, message: str) -> None:
        """Write the message of an error."""
        if self.is_started or self._is_awaited():
            self.job.update_status(state="failed", eta_s=None, message=message)

    def _is_awaited(self) -> bool:
        """Return whether the job was started in the background and has no process yet."""
        if not (self.job.folder / background.STATUS_FILE).exists():
            return False
        status = background.read_status(self.job.folder, JobStatusFile)
        return status["state"] in ALIVE and status["pid"] is None

    def report_result(self, result: IngestResult) -> None:
        """Write the totals, without paths."""
        self._start()
        rejected = [
            {"record": file.record, "reason": anonymous_reason(file.reason, file.path, file.record)}
            for file in result.rejected[:_MAX_LISTED]
        ]
        self.job.update_status(
            state="done" if result.read else "failed",
            phase="",
            eta_s=None,
            message="" if result.read else "No file in it could be read as a 12-lead ECG.",
            found=result.found,
            done=result.found,
            read=result.read,
            refused=len(result.rejected),
            duplicates=len(result.duplicates),
            rejected=rejected,
            seconds=result.seconds,
        )
        (self.job.folder / "request.json").unlink(missing_ok=True)


def _job(request: IngestRequest, workspace: Workspace) -> IngestJob:
    return IngestJob(workspace.path / "imports" / request.cohort)


def _is_working(status: dict[str, Any]) -> bool:
    if status["pid"] is None:  # its process is starting
        return time.time() - status["began"] < _START_TIMEOUT_S
    return background.is_alive(status)
