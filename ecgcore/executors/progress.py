"""Progress over many jobs: records done and refused, where a repeated job counts once."""

from collections.abc import Callable


class ProgressCounter:
    """Sum of the records of finished jobs and, so far, of running ones.

    A job that was lost with its process and restarted counts from zero; the sums that were
    reported never decrease.
    """

    def __init__(self, on_done: Callable[[int], None], on_refused: Callable[[int], None]):
        self._on_done, self._on_refused = on_done, on_refused
        self._done = self._refused = 0
        self._reported = (0, 0)

    def count(self, is_refused: bool = False) -> None:
        """Add a record that this very process has done, and report."""
        self.add_finished(1, int(is_refused))
        self.report(0, 0)

    def add_finished(self, done: int, refused: int) -> None:
        """Add the records of a finished job."""
        self._done, self._refused = self._done + done, self._refused + refused

    def report(self, done: int, refused: int) -> None:
        """Report the sums; ``done`` and ``refused`` are those of all running jobs."""
        done_before, refused_before = self._reported
        done, refused = self._done + done, self._refused + refused
        self._reported = max(done_before, done), max(refused_before, refused)
        self._on_refused(self._reported[1])
        self._on_done(self._reported[0])
