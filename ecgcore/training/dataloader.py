"""The data loader: batches made on the device from memory-mapped signals, without image files."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecgcore.cohort.store import Cohort
from ecgcore.imaging import Geometry, draw_with_geometry
from ecgcore.imaging.high_pass import high_pass
from ecgcore.training.augmentation import Batch
from ecgcore.training.augmenter import Augmenter
from ecgcore.training.distributed import SINGLE_PROCESS, Team


@dataclass(frozen=True)
class BatchLoader:
    """Inputs and targets of some rows of a cohort: images, or the signals themselves.

    Attributes
    ----------
    cohort
        Source of the signals.
    rows
        (N,) rows of the cohort's index.
    targets
        (N, classes) float32: 1 present, 0 absent, NaN unknown.
    geometry
        Of the images; None: the network reads signals.
    device
        Device on which the inputs are made.
    beats
        Row → R peaks in seconds, of the rows that were needed so far.
    highpass_hz
        Cut-off of the high-pass after augmentation; 0 for none.
    """

    cohort: Cohort
    rows: np.ndarray
    targets: np.ndarray
    geometry: Geometry | None
    device: torch.device
    beats: dict[int, np.ndarray] = field(default_factory=dict)
    highpass_hz: float = 0.0

    def batches(
        self,
        batch_size: int,
        order: np.ndarray | None = None,
        augmenter: Augmenter | None = None,
        team: Team = SINGLE_PROCESS,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs, (B, classes) targets): images (B, 3, H, W) or signals (B, 12, T) in mV.

        ``order`` (n,) holds indices of the loader's records; by default each comes once. The inputs
        are those of this worker's slice of the batch, the targets those of the whole batch. An
        augmented batch is augmented as a whole, since all workers draw the same random numbers.
        """
        order = np.arange(len(self.rows)) if order is None else order
        shows_beats = self.geometry is not None and self.geometry.shows_beats
        with_beats = shows_beats or (augmenter is not None and augmenter.needs_beats)
        for start in range(0, len(order), batch_size):
            records = order[start : start + batch_size]
            own = team.slice_of(len(records))
            if augmenter is not None:
                batch = augmenter(self._read(records, with_beats))
                targets, batch = batch.targets, batch.slice(own)
            else:
                batch, targets = self._read(records[own], with_beats), self._targets(records)
            yield self._inputs(batch), targets

    def _inputs(self, batch: Batch) -> Tensor:
        signal_mv = high_pass(batch.signal_mv, batch.fs_hz, self.highpass_hz)
        if self.geometry is None:
            return signal_mv
        beats = batch.beats if self.geometry.shows_beats else None
        return draw_with_geometry(signal_mv, batch.fs_hz, self.geometry, beats)

    def _read(self, records: np.ndarray, with_beats: bool) -> Batch:
        """Return signals, targets and, if needed, R peaks, on the device."""
        rows = self.rows[records]
        return Batch(
            torch.from_numpy(self.cohort.signals(rows)).to(self.device),
            self.cohort.fs_hz,
            self._targets(records),
            self._beats(rows) if with_beats else None,
        )

    def _targets(self, records: np.ndarray) -> Tensor:
        return torch.from_numpy(self.targets[records]).to(self.device)

    def _beats(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the R peaks of some rows, each read from the cohort once."""
        new = [int(row) for row in rows if int(row) not in self.beats]
        self.beats.update(zip(new, self.cohort.beats(new), strict=True))
        return [self.beats[int(row)] for row in rows]
