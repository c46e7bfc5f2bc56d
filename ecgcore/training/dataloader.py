"""Feeding: batches made on the device from the memory-mapped signals; no image files between."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecgcore.cohort.store import Cohort
from ecgcore.imaging import Geometry, draw_as
from ecgcore.training.augmentation import Batch
from ecgcore.training.augmenter import Augmenter
from ecgcore.training.distributed import ALONE, Team


@dataclass(frozen=True)
class BatchLoader:
    """Inputs and targets of some rows of a cohort: images, or the signals themselves.

    Attributes
    ----------
    cohort
        Where the signals are.
    rows
        (N,) rows of the cohort's index.
    targets
        (N, classes) float32: 1 present, 0 absent, NaN unknown.
    measures
        Of the images; None: the network reads signals.
    device
        Where the inputs are made.
    beats
        Row → R peaks in seconds, of the rows that were asked for so far.
    """

    cohort: Cohort
    rows: np.ndarray
    targets: np.ndarray
    measures: Geometry | None
    device: torch.device
    beats: dict[int, np.ndarray] = field(default_factory=dict)

    def batches(
        self,
        batch: int,
        order: np.ndarray | None = None,
        augmented_by: Augmenter | None = None,
        team: Team = ALONE,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs, (B, classes) targets): images (B, 3, H, W) or signals (B, 12, T) in mV.

        ``order`` (n,) numbers the feed's records; without it each comes once. The inputs are
        those of this worker's share of the batch, the targets those of all of it; what is
        augmented is augmented whole, since all draw the same random numbers.
        """
        order = np.arange(len(self.rows)) if order is None else order
        shows_beats = self.measures is not None and self.measures.shows_beats
        with_beats = shows_beats or (augmented_by is not None and augmented_by.needs_beats)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            share = team.share(len(chosen))
            if augmented_by is not None:
                recordings = augmented_by(self._recordings(chosen, with_beats))
                targets, recordings = recordings.targets, recordings.part(share)
            else:
                recordings = self._recordings(chosen[share], with_beats)
                targets = self._targets(chosen)
            yield self._inputs(recordings), targets

    def _inputs(self, recordings: Batch) -> Tensor:
        if self.measures is None:
            return recordings.signal_mv
        beats = recordings.beats if self.measures.shows_beats else None
        return draw_as(recordings.signal_mv, recordings.fs_hz, self.measures, beats)

    def _recordings(self, chosen: np.ndarray, with_beats: bool) -> Batch:
        """Return signals, targets and, where they are needed, R peaks, on the device."""
        rows = self.rows[chosen]
        return Batch(
            torch.from_numpy(self.cohort.signals(rows)).to(self.device),
            self.cohort.fs_hz,
            self._targets(chosen),
            self._beats(rows) if with_beats else None,
        )

    def _targets(self, chosen: np.ndarray) -> Tensor:
        return torch.from_numpy(self.targets[chosen]).to(self.device)

    def _beats(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the R peaks of some rows, each asked of the cohort once."""
        new = [int(row) for row in rows if int(row) not in self.beats]
        self.beats.update(zip(new, self.cohort.beats(new), strict=True))
        return [self.beats[int(row)] for row in rows]
