"""Budgets of processor time and memory for files from outside.

A file can be made to keep its reader busy for hours. A watchdog ends what one record, or the search
of one container, takes beyond its budget: in this thread as soon as the reader is in Python again,
and at any moment in the reading process, where libraries in C work (``reading_process``).
"""

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, Protocol

from ecgcore.errors import RequestError, UnreadableRecord

_POLL_S, _REPEAT_S, _IDLE_POLLS = 0.1, 5.0, 100
_LEAST, _MOST = 0.1, 1_000_000


class Budget(NamedTuple):
    """Processor seconds for one thing, and the environment variable that sets another number."""

    thing: str
    default_s: int
    variable: str

    @property
    def seconds(self) -> float:
        """Seconds as the environment states them, else the default."""
        return positive_number(self.variable, self.default_s)

    def refusal(self, name: str) -> UnreadableRecord:
        """Return the error for a file that took longer."""
        return UnreadableRecord(
            f"{name} took more than {self.seconds:g} s of processor time, the budget of "
            f"{self.thing}: it is damaged, or made to keep this machine busy. For an honest large "
            f"file set {self.variable} to more seconds."
        )


RECORD = Budget("one record", 10, "ECGCORE_RECORD_SECONDS")
CONTAINER = Budget("opening one container", 60, "ECGCORE_CONTAINER_SECONDS")
UPLOAD = Budget("one upload", 60, "ECGCORE_CONTAINER_SECONDS")
MEMORY_VARIABLE = "ECGCORE_RECORD_MB"


def memory_mb() -> float:
    """Return the memory that reading one file may take in the reading process, in MB."""
    return positive_number(MEMORY_VARIABLE, 1000)


def positive_number(variable: str, default: float) -> float:
    """Return the number in an environment variable.

    Raises
    ------
    RequestError
        It is no number from 0.1 to a million.
    """
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _LEAST <= value <= _MOST:
        raise RequestError(
            f"{variable} is {text[:20]!r}; a number from {_LEAST} to {_MOST:,} is accepted."
        )
    return value


class OverBudget(BaseException):
    """Raised in a thread whose budget is spent; no reader's ``except Exception`` catches it."""


class Watched(Protocol):
    """Work that the watchdog looks at."""

    def is_over(self) -> bool:
        """Return whether the budget is spent."""
        ...

    def end(self) -> None:
        """End the work."""
        ...


class Limit:
    """Processor time of this thread, and of the reading process for it, within a ``with`` block.

    A container that is opened for a record has a budget of its own: its time does not count
    against the record's.

    Raises
    ------
    UnreadableRecord
        On leaving the block, if the budget was spent.
    """

    def __init__(self, budget: Budget, name: str):
        self.budget, self.name = budget, name
        self.allowed_s = budget.seconds
        self.elsewhere_s = 0.0
        """Processor time that the reading process spent for this thread."""
        self._thread = threading.get_ident()
        self._clock: Callable[[], float] = _thread_clock(self._thread)
        self._outer: Limit | None = None
        self._start_s, self._ended_at = 0.0, 0.0

    def __enter__(self) -> "Limit":
        self._start_s, self._outer = self._clock(), current_limit()
        _innermost[self._thread] = self
        _watch(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._leave()
        except OverBudget:  # it arrived only here
            self._leave()
        if kind is not None and issubclass(kind, OverBudget) and self._ended_at:
            raise self.budget.refusal(self.name) from None

    def _leave(self) -> None:
        _unwatch(self)
        if self._ended_at:
            _raise_in_thread(self._thread, None)
        if _innermost.get(self._thread) is not self:
            return
        outer = self._outer
        if outer is None:
            del _innermost[self._thread]
            return
        if (outer.budget, self.budget) == (RECORD, CONTAINER):
            outer.allowed_s += self.used_s
        outer.elsewhere_s += self.elsewhere_s
        _innermost[self._thread] = outer

    @property
    def used_s(self) -> float:
        """Processor seconds used so far."""
        return self._clock() - self._start_s + self.elsewhere_s

    @property
    def left_s(self) -> float:
        """Processor seconds left."""
        return self.allowed_s - self.used_s

    def is_over(self) -> bool:
        """Return whether this is the thread's innermost limit, and spent."""
        is_repeat_due = time.monotonic() - self._ended_at > _REPEAT_S
        return self.left_s < 0 and is_repeat_due and _innermost.get(self._thread) is self

    def end(self) -> None:
        """Raise OverBudget in the thread."""
        self._ended_at = time.monotonic()
        _raise_in_thread(self._thread, OverBudget)


_innermost: dict[int, Limit] = {}
"""The limit of each thread that counts at present."""
_watched: set[Watched] = set()
_lock = threading.Lock()
_watchdog: threading.Thread | None = None


def limit_record(name: str) -> Limit:
    """Return the limit of reading one record."""
    return Limit(RECORD, name)


def limit_container(name: str) -> AbstractContextManager[Limit]:
    """Return the limit of opening a container and listing or unpacking what it holds.

    A container inside another one shares that one's.
    """
    outer = current_limit()
    is_inside = outer is not None and outer.budget is CONTAINER
    return nullcontext(outer) if outer and is_inside else Limit(CONTAINER, name)


def current_limit() -> Limit | None:
    """Return the innermost limit of this thread."""
    return _innermost.get(threading.get_ident())


@contextmanager
def watching(work: Watched) -> Iterator[None]:
    """End ``work`` from the watchdog's thread as soon as it is over its budget."""
    _watch(work)
    try:
        yield
    finally:
        _unwatch(work)


def _watch(work: Watched) -> None:
    global _watchdog
    with _lock:
        _watched.add(work)
        if _watchdog is None or not _watchdog.is_alive():
            _watchdog = threading.Thread(target=_run_watchdog, daemon=True, name="record budgets")
            _watchdog.start()


def _unwatch(work: Watched) -> None:
    with _lock:
        _watched.discard(work)


def _run_watchdog() -> None:
    """End work over its budget; return after some seconds without any."""
    global _watchdog
    idle_polls = 0
    while True:
        time.sleep(_POLL_S)
        with _lock:
            idle_polls = 0 if _watched else idle_polls + 1
            if idle_polls > _IDLE_POLLS:
                _watchdog = None
                return
            for work in tuple(_watched):
                if work.is_over():
                    work.end()


def _thread_clock(thread: int) -> Callable[[], float]:
    """Return a clock of a thread's processor time that other threads can read."""
    if hasattr(time, "pthread_getcpuclockid"):
        clock = time.pthread_getcpuclockid(thread)
        return lambda: time.clock_gettime(clock)
    return time.process_time


def _raise_in_thread(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in a thread when it is in Python next; None takes back one not yet raised."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def _forget_parent() -> None:
    """In a forked process: nothing of the parent's is watched here."""
    global _lock, _watchdog
    _lock, _watchdog = threading.Lock(), None
    _watched.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
