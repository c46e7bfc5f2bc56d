"""Imports: folders that are read into cohorts, as whoever watches sees them.

``ecgcore ingest`` works as an import, wherever it was started: where it stands is written into
``imports/COHORT/status.json`` of the home, so that a page finds it again after a restart, and a
cancelled or killed one can go on (see ``drafts``). Which folder is read stands only in
``request.json`` (mode 600), for a path may hold names; what was refused is told by record id.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from ecgcore.atomic import read_json, write_atomic, write_json
from ecgcore.background import is_alive, process_stamp
from ecgcore.cohort.exclusions import kind_of_reason
from ecgcore.cohort.ingest import ingest, refuse_odd_name
from ecgcore.cohort.lock import written_alone
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors.select import LOCAL
from ecgcore.records.read import ReadOptions
from ecgcore.workspace import Workspace

ALIVE = ("running",)
_TELL_EVERY_S = 0.5
_STARTS_WITHIN_S = 60.0
_MOST_REFUSED = 2000
"""So many refused files are listed by record id; all are counted."""
_DIED = "Its process ended without a word; what was read is kept, and it can go on."
_CANCELLED = "Cancelled; what was read is kept, and it can go on."

# Children of this process, kept so that one which ended is collected and not left a zombie.
_children: list[subprocess.Popen] = []


@dataclass(frozen=True)
class Request:
    """What is to be read into which cohort; options as ``ingest`` takes them."""

    folder: str
    cohort: str
    fs_hz: int | None = None
    seconds: float | None = None
    upsample: bool = False
    measure: bool = True
    file_hz: float | None = None
    assume_order: bool = False
    from_s: float = 0.0
    workers: int | None = None
    on: str = LOCAL

    def command(self, workspace: Workspace) -> list[str]:
        """Return the command line that does it."""
        given = {
            "--store-fs-hz": self.fs_hz, "--duration-s": self.seconds, "--source-fs-hz": self.file_hz,
            "--start-s": self.from_s or None, "--workers": self.workers,
        }  # fmt: skip
        options = [word for name, value in given.items() if value for word in (name, f"{value:g}")]
        options += ["--upsample"] * self.upsample + ["--assume-order"] * self.assume_order
        options += [] if self.measure else ["--no-measure"]
        options += [] if self.on == LOCAL else ["--executor", self.on]
        said = ["ingest", "--cohort", self.cohort, "--home", str(workspace.path), *options]
        return [sys.executable, "-m", "ecgcore", *said, "--", self.folder]


@dataclass(frozen=True)
class Import:
    """An import's folder in the home. Everything is read from disk when asked for."""

    folder: Path

    @property
    def cohort(self) -> str:
        """The cohort's name."""
        return self.folder.name

    @property
    def status(self) -> dict[str, Any]:
        """Where it stands.

        ``state`` (running, done, cancelled, failed or died), ``phase``, ``found``, ``done``,
        ``refused``, ``rate`` (records a second), ``eta_s``, ``message``; when it is done also
        ``read``, ``duplicates``, ``seconds`` and ``rejected`` (``record`` and ``reason`` each).
        """
        status = read_json(self.folder / "status.json")
        if status["state"] in ALIVE and not _at_work(status):
            state, said = ("cancelled", _CANCELLED) if self._cancel.exists() else ("crashed", _DIED)
            status |= {"state": state, "eta_s": None, "message": said}
        return status

    @property
    def can_go_on(self) -> bool:
        """Whether it was cut off, and what it was to do is still known."""
        return self.status["state"] in ("cancelled", "crashed") and self._request.exists()

    def cancel(self) -> None:
        """Stop it; what was read is kept for going on."""
        status = self.status
        if status["state"] not in ALIVE:
            raise RequestError(f"The import of '{self.cohort}' is {status['state']} already.")
        self._cancel.touch()
        if status["pid"] is not None:
            try:
                psutil.Process(status["pid"]).terminate()
            except psutil.NoSuchProcess:
                return  # it ended by itself

    def go_on(self, workspace: Workspace) -> None:
        """Start it again where it was."""
        if not self.can_go_on:
            raise RequestError(f"The import of '{self.cohort}' cannot go on: start it anew.")
        start(Request(**read_json(self._request)), workspace)

    def forget(self, workspace: Workspace) -> None:
        """Forget an import that has ended; of a cohort that never became whole nothing stays."""
        if self.status["state"] in ALIVE:
            raise RequestError(f"The import of '{self.cohort}' is at work; cancel it first.")
        with written_alone(self.cohort, workspace):
            if not (workspace.cohorts / self.cohort / "cohort.json").exists():
                shutil.rmtree(workspace.cohorts / self.cohort, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def report(self, **changes: Any) -> None:
        """Write where it stands, on top of what was written before."""
        file = self.folder / "status.json"
        write_json(file, (read_json(file) if file.exists() else {}) | changes)

    def begin(self, request: Request, **stamp: Any) -> None:
        """Write what is to be done, and that it begins."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._cancel.unlink(missing_ok=True)
        write_atomic(self._request, lambda path: _write_private(path, asdict(request)))
        first: dict[str, Any] = {"state": "running", "phase": "looking for recordings"}
        first |= {
            "found": None,
            "done": 0,
            "refused": 0,
            "rate": None,
            "eta_s": None,
            "message": "",
            "began": time.time(),
        }
        write_json(self.folder / "status.json", first | {"cohort": request.cohort} | stamp)

    @property
    def _cancel(self) -> Path:
        return self.folder / "cancel"

    @property
    def _request(self) -> Path:
        return self.folder / "request.json"


def in_words(status: dict[str, Any]) -> str:
    """Return how far an import is: done of found, refused, records a second."""
    if status["found"] is None:
        return status["phase"]
    said = f"{status['done']:,} of {status['found']:,}, {status['refused']:,} refused"
    return said + (f", {status['rate']:.0f} a second" if status["rate"] else "")


def list_imports(workspace: Workspace) -> list[Import]:
    """Return the imports of a home, those at work first, then the newest."""
    found = [Import(file.parent) for file in (workspace.path / "imports").glob("*/status.json")]
    return sorted(found, key=lambda one: (one.status["state"] not in ALIVE, -one.status["began"]))


def start(request: Request, workspace: Workspace) -> Import:
    """Start an import in a process of its own, as ``ecgcore ingest`` in a terminal would."""
    refuse_odd_name(request.cohort)
    one = Import(workspace.path / "imports" / request.cohort)
    if (one.folder / "status.json").exists() and one.status["state"] in ALIVE:
        raise RequestError(f"Cohort '{request.cohort}' is being read into already; wait for that.")
    one.begin(request, pid=None, pid_started=None)
    _children[:] = [child for child in _children if child.poll() is None]
    child = subprocess.Popen(
        request.command(workspace),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # it tells paths
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _children.append(child)
    return one


def run(
    request: Request,
    workspace: Workspace,
    on_progress: Callable[[dict[str, Any]], None] = lambda status: None,
) -> dict[str, Any]:
    """Do an import in this process and return what ``ingest`` answers.

    ``on_progress`` is called with the status, at most twice a second.
    """
    refuse_odd_name(request.cohort)
    one = Import(workspace.path / "imports" / request.cohort)
    watched = _Watched(one, request, on_progress)
    try:
        answer = ingest(
            Path(request.folder), request.cohort, workspace, request.workers, request.fs_hz,
            watched.progress, measure=request.measure, duration_s=request.seconds,
            upsample=request.upsample, on_refused=watched.refused,
            on_start=watched.held, on=request.on,
            reading=ReadOptions(request.file_hz, request.assume_order, request.from_s),
        )  # fmt: skip
    except EcgError as error:
        watched.failed(str(error).replace(request.folder, "the folder"))
        raise
    watched.ended(answer)
    return answer


class _Watched:
    """Writes where an import stands, not too often.

    What nobody waits for (``ecgcore ingest`` in a terminal) leaves no trace until recordings are
    found: a wrong request writes nothing.
    """

    def __init__(
        self, one: Import, request: Request, on_progress: Callable[[dict[str, Any]], None]
    ):
        self.one, self.request, self.on_progress = one, request, on_progress
        self.began, self.told_at, self.first = 0.0, 0.0, 0
        self.n_refused = 0
        self.is_begun = False

    def held(self) -> None:
        """Note that the cohort is held by this process: no other writes its status."""
        if self._awaited():
            self._begin()

    def _begin(self) -> None:
        if not self.is_begun:
            self.is_begun = True
            self.one.begin(self.request, **process_stamp())

    def refused(self, refused: int) -> None:
        """Note how many were refused so far."""
        self.n_refused = refused

    def progress(self, done: int, total: int) -> None:
        """Note how many are done; write it where enough time has passed."""
        self._begin()
        now = time.monotonic()
        if not self.began:
            self.began, self.first = now, done
        if now - self.told_at < _TELL_EVERY_S and done < total:
            return
        self.told_at = now
        passed = now - self.began
        rate = (done - self.first) / passed if passed > 1 else None
        status = {
            "phase": "reading", "found": total, "done": done, "refused": self.n_refused,
            "rate": rate, "eta_s": (total - done) / rate if rate else None,
        }  # fmt: skip
        self.one.report(**status)
        self.on_progress(status)

    def failed(self, message: str) -> None:
        """Write why nothing came of it."""
        if self.is_begun or self._awaited():
            self.one.report(state="failed", eta_s=None, message=message)

    def _awaited(self) -> bool:
        """Whether whoever asked for the import waits for this process to say something."""
        file = self.one.folder / "status.json"
        status = read_json(file) if file.exists() else {"state": "none"}
        return status["state"] in ALIVE and status["pid"] is None

    def ended(self, answer: dict[str, Any]) -> None:
        """Write what came of it, without a path."""
        self._begin()
        told = [(row["reason"], row["path"], row["record"]) for row in answer["rejected"]]
        rejected = [
            {"record": row[2], "reason": kind_of_reason(*row)} for row in told[:_MOST_REFUSED]
        ]
        self.one.report(
            state="done" if answer["read"] else "failed", phase="", eta_s=None,
            message="" if answer["read"] else "Nothing in it could be read as a 12-lead ECG.",
            found=answer["found"], done=answer["found"], read=answer["read"],
            refused=len(answer["rejected"]), duplicates=len(answer["duplicates"]),
            rejected=rejected, seconds=answer["seconds"],
        )  # fmt: skip
        (self.one.folder / "request.json").unlink(missing_ok=True)


def _at_work(status: dict[str, Any]) -> bool:
    if status["pid"] is None:  # its process is starting
        return time.time() - status["began"] < _STARTS_WITHIN_S
    return is_alive(status)


def _write_private(file: Path, content: dict[str, Any]) -> None:
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    file.write_text(json.dumps(content), encoding="utf-8")
