"""Feeding: batches drawn on the device, from the memory-mapped signals; no image files between."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecgcore.cohort.store import Cohort
from ecgcore.imaging import Geometry, draw_as
from ecgcore.training.augmentation import Batch
from ecgcore.training.augmenting import Augmenter


@dataclass(frozen=True)
class Feed:
    """Images and targets of some rows of a cohort.

    Attributes
    ----------
    cohort
        Where the signals are.
    rows
        (N,) rows of the cohort's index.
    targets
        (N, classes) float32: 1 present, 0 absent, NaN unknown.
    measures
        Of the images.
    device
        Where the images are drawn.
    beats
        Row → R peaks in seconds, of the rows that were asked for so far.
    """

    cohort: Cohort
    rows: np.ndarray
    targets: np.ndarray
    measures: Geometry
    device: torch.device
    beats: dict[int, np.ndarray] = field(default_factory=dict)

    def batches(
        self,
        batch: int,
        shuffled_by: torch.Generator | None = None,
        augmented_by: Augmenter | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ((B, 3, H, W) images, (B, classes) targets), in order or shuffled.

        A shuffled pass leaves no batch of one behind: BatchNorm cannot train on it.
        """
        count = len(self.rows)
        order = np.arange(count)
        if shuffled_by is not None:
            order = torch.randperm(count, generator=shuffled_by).numpy()
            if count % batch == 1 and count > 1:
                order = order[:-1]
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            with_beats = augmented_by is not None and augmented_by.needs_beats
            recordings = self._recordings(chosen, with_beats)
            if augmented_by is not None:
                recordings = augmented_by(recordings)
            beats = recordings.beats if self.measures.shows_beats else None
            yield (
                draw_as(recordings.signal_mv, recordings.fs_hz, self.measures, beats),
                recordings.targets,
            )

    def steps(self, batch: int) -> int:
        """Return how many batches one shuffled pass has."""
        count = len(self.rows)
        return count // batch + (count % batch > 1)

    def _recordings(self, chosen: np.ndarray, with_beats: bool) -> Batch:
        """Return signals, targets and, where they are needed, R peaks, on the device."""
        rows = self.rows[chosen]
        return Batch(
            torch.from_numpy(self.cohort.signals(rows)).to(self.device),
            self.cohort.fs_hz,
            torch.from_numpy(self.targets[chosen]).to(self.device),
            self._beats(rows) if with_beats or self.measures.shows_beats else None,
        )

    def _beats(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the R peaks of some rows, each asked of the cohort once."""
        new = [int(row) for row in rows if int(row) not in self.beats]
        self.beats.update(zip(new, self.cohort.beats(new), strict=True))
        return [self.beats[int(row)] for row in rows]
