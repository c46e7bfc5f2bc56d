"""How many records of how many jobs are done, told as it goes; what is done twice counts once."""

from collections.abc import Callable


class Tally:
    """Sums what finished jobs did and what those under way have done so far.

    A job that was lost with its process and begun again counts from nothing; what was told before
    is never taken back.
    """

    def __init__(self, on_done: Callable[[int], None], on_refused: Callable[[int], None]):
        self._on_done, self._on_refused = on_done, on_refused
        self._done = self._refused = 0
        self._told = (0, 0)

    def count(self, is_refused: bool = False) -> None:
        """Note a record that was done in this very process, and tell."""
        self.finished(1, int(is_refused))
        self.tell(0, 0)

    def finished(self, done: int, refused: int) -> None:
        """Note what a finished job did."""
        self._done, self._refused = self._done + done, self._refused + refused

    def tell(self, done: int, refused: int) -> None:
        """Tell the sums; ``done`` and ``refused`` are of all jobs under way."""
        before_done, before_refused = self._told
        self._told = (
            max(before_done, self._done + done), max(before_refused, self._refused + refused)
        )  # fmt: skip
        self._on_refused(self._told[1])
        self._on_done(self._told[0])
