"""Feeding: batches drawn on the device, from the memory-mapped signals; no image files between."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecgcore.cohort.store import Cohort
from ecgcore.imaging import Geometry, draw_as


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
        self, batch: int, shuffled_by: torch.Generator | None = None
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
            yield self._images(self.rows[chosen]), self._targets(chosen)

    def steps(self, batch: int) -> int:
        """Return how many batches one shuffled pass has."""
        count = len(self.rows)
        return count // batch + (count % batch > 1)

    def _images(self, rows: np.ndarray) -> Tensor:
        signal_mv = torch.from_numpy(self.cohort.signals(rows)).to(self.device)
        beats = self._beats(rows) if self.measures.shows_beats else None
        return draw_as(signal_mv, self.cohort.fs_hz, self.measures, beats)

    def _beats(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the R peaks of some rows, each asked of the cohort once."""
        new = [int(row) for row in rows if int(row) not in self.beats]
        self.beats.update(zip(new, self.cohort.beats(new), strict=True))
        return [self.beats[int(row)] for row in rows]

    def _targets(self, chosen: np.ndarray) -> Tensor:
        return torch.from_numpy(self.targets[chosen]).to(self.device)
