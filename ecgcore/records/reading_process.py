"""Reading in a process of its own, where a library in C cannot be interrupted.

HDF5, MATLAB, Parquet, NumPy and Excel files are opened by large libraries that a file may keep
busy, fill with memory or crash. They are opened in a child process, which the watchdog of
``budget`` ends when a file goes beyond its budget of processor time, and whose memory is limited.
The child stays for the next file. Nothing it sends is unpickled: its answer is JSON, then samples.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil

from ecgcore.errors import EcgError, UnreadableRecord
from ecgcore.records.budget import MEMORY_VARIABLE, Limit, current_limit, memory_mb, watching
from ecgcore.records.record import Record, Statement
from ecgcore.records.unexpected_errors import refuse_unexpected_errors

_MOST_CHILDREN = 4
_MOST_WALL = 30
"""Seconds of waiting for one of processor time: more is a file system that hangs."""
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
_is_child = False


def is_reading_process() -> bool:
    """Return whether this process is such a child: it opens files itself."""
    return _is_child


def open_files_here() -> None:
    """Open files of every format in this process from now on, without the child's protection."""
    global _is_child
    _is_child = True


def call(function: str, path: Path, *arguments: Any) -> Any:
    """Return what a function of ``ecgcore.records`` makes of a file, called in a child process.

    Parameters
    ----------
    function
        ``module:function`` below ``ecgcore.records``; it takes the path and the arguments.
    path
        The file; relative to the present folder or absolute.
    arguments
        Texts, numbers, True, False, None.

    Returns
    -------
    Record, or a JSON value
        Tuples arrive as lists.

    Raises
    ------
    UnreadableRecord
        The function raised it, the budget was spent, or the file ended the process.
    """
    limit = current_limit()
    if limit is None:
        raise RuntimeError("a file is opened without a budget")
    request = {"function": function, "path": os.path.abspath(path), "arguments": arguments}
    with _child() as child:
        return child.ask(request, Path(path).name, limit)


class _Child:
    """A child process and the work it does at present."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        paths = (_PACKAGE_PARENT, os.environ.get("PYTHONPATH", ""))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        if not self._output.readline():
            code = self._process.wait()
            raise EcgError(f"The process that reads files could not be started (exit code {code}).")
        self._usage = psutil.Process(self._process.pid)
        self._limit: Limit | None = None
        self._before_s, self._wait_until = 0.0, 0.0
        self._is_ended = False

    def ask(self, request: dict[str, Any], name: str, limit: Limit) -> Any:
        """Return the answer to a request; count its processor time in ``limit``."""
        request["memory_mb"] = memory_mb()
        self._limit, self._before_s = limit, self._used_s()
        self._wait_until = time.monotonic() + _MOST_WALL * limit.allowed_s
        try:
            with watching(self):
                self._input.write(json.dumps(request).encode() + b"\n")
                self._input.flush()
                header = self._output.readline()
                answer = json.loads(header) if header.endswith(b"\n") else None
                samples = self._output.read(answer["n_bytes"]) if answer else b""
        except BrokenPipeError:
            answer, samples = None, b""
        if answer is None or len(samples) < answer["n_bytes"]:
            raise self._loss(name, limit)
        limit.elsewhere_s += answer["used_s"]
        return _decoded(answer, samples)

    def is_over(self) -> bool:
        """Return whether the file is over its budget of processor time, or far over in waiting."""
        limit = self._limit
        if limit is None:
            return False
        return self._spent_s() > limit.left_s or time.monotonic() > self._wait_until

    def end(self) -> None:
        """End the process."""
        self._is_ended = True
        self._process.kill()

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, and forget it."""
        self._process.kill()
        for stream in (self._input, self._output):
            with suppress(OSError):
                stream.close()
        self._process.wait()

    def _loss(self, name: str, limit: Limit) -> UnreadableRecord:
        """Return the error for a file with which the process was ended."""
        code = self._process.wait()
        if self._is_ended:
            limit.elsewhere_s += limit.left_s
            return limit.budget.refusal(limit.name)
        return UnreadableRecord(
            f"{name} ended the process that read it (exit code {code}): it is damaged, or made to "
            "do so. Fetch or export it again; other records are not affected."
        )

    def _used_s(self) -> float:
        try:
            times = self._usage.cpu_times()
        except psutil.Error:
            return self._before_s
        return times.user + times.system

    def _spent_s(self) -> float:
        return self._used_s() - self._before_s

    @property
    def _input(self) -> Any:
        return self._process.stdin

    @property
    def _output(self) -> Any:
        return self._process.stdout


_idle: list[_Child] = []
_lock = threading.Lock()
_places = threading.BoundedSemaphore(_MOST_CHILDREN)


@contextmanager
def _child() -> Iterator[_Child]:
    """Yield a child that nobody else uses; one that failed or was interrupted is ended."""
    with _places:
        with _lock:
            child = _idle.pop() if _idle else None
        if child is not None and not child.is_alive():
            child.close()
            child = None
        child = child or _Child()
        try:
            yield child
        except UnreadableRecord:
            _return(child)
            raise
        except BaseException:
            child.close()
            raise
        _return(child)


def _return(child: _Child) -> None:
    """Keep one idle child; end others, and what is ended already."""
    with _lock:
        if child.is_alive() and not _idle:
            _idle.append(child)
            return
    child.close()


@atexit.register
def close_idle() -> None:
    """End the idle child."""
    with _lock:
        while _idle:
            _idle.pop().close()


def _forget_children() -> None:
    """In a forked process: the children are the parent's."""
    global _lock, _places
    _idle.clear()
    _lock, _places = threading.Lock(), threading.BoundedSemaphore(_MOST_CHILDREN)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_children)


def serve() -> None:
    """In the child: answer requests until the parent is gone."""
    import signal

    open_files_here()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print
    baseline_bytes = _data_bytes()
    answers.write(b"ready\n")
    answers.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit_memory(baseline_bytes + int(request["memory_mb"] * 1e6))
        _answer(request, answers)


def _answer(request: dict[str, Any], answers: BinaryIO) -> None:
    before_s = time.process_time()
    samples = b""
    try:
        answer, samples = _encoded(_called(request))
    except UnreadableRecord as error:
        answer = {"refused": _of_memory(error, request) or str(error)}
    answer |= {"used_s": time.process_time() - before_s, "n_bytes": len(samples)}
    answers.write(json.dumps(answer, default=_plain).encode() + b"\n" + samples)
    answers.flush()


def _called(request: dict[str, Any]) -> Any:
    module, _, function = request["function"].partition(":")
    path = Path(request["path"])
    with refuse_unexpected_errors(path.stem):
        called = getattr(import_module(f"ecgcore.records.{module}"), function)
        return called(path, *request["arguments"])


def _of_memory(error: BaseException | None, request: dict[str, Any]) -> str:
    """Return the line about memory if an error is one of memory, else ''."""
    while error is not None:
        if isinstance(error, MemoryError):
            return (
                f"{Path(request['path']).name} needs more than {request['memory_mb']:,.0f} MB of "
                f"memory; no ECG does. For an honest large file set {MEMORY_VARIABLE} to more MB."
            )
        error = error.__cause__ or error.__context__
    return ""


def _data_bytes() -> int:
    return getattr(psutil.Process().memory_info(), "data", 0)


def _limit_memory(n_bytes: int) -> None:
    """Limit this process's own memory, where the system can (not on Windows)."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, hard))


def _encoded(result: Any) -> tuple[dict[str, Any], bytes]:
    """Return a result as a JSON object and samples."""
    if not isinstance(result, Record):
        return {"value": result}, b""
    fields = {key: getattr(result, key) for key in Record.__dataclass_fields__}
    signal_mv = np.ascontiguousarray(fields.pop("signal_mv"), "<f4")
    fields["statements"] = [asdict(statement) for statement in result.statements]
    return {"record": fields, "shape": signal_mv.shape}, signal_mv.tobytes()


def _decoded(answer: dict[str, Any], samples: bytes) -> Any:
    """Return the result that ``_encoded`` was given; raise a refusal."""
    if "refused" in answer:
        raise UnreadableRecord(answer["refused"])
    if "record" not in answer:
        return answer["value"]
    fields = answer["record"]
    signal_mv = np.frombuffer(bytearray(samples), "<f4").reshape(answer["shape"])
    statements = tuple(Statement(**one) for one in fields.pop("statements"))
    notes = tuple(fields.pop("notes"))
    return Record(signal_mv=signal_mv, statements=statements, notes=notes, **fields)


def _plain(value: Any) -> Any:
    """Return a number of NumPy's as Python's."""
    return value.item()
