"""The augmenter: the transforms of a training, and the share of recordings that each changes."""

from functools import partial

from torch import Tensor

from ecgcore.training.augmentation import (
    Batch,
    BatchRng,
    Transform,
    baseline_wander,
    crop,
    gain,
    lead_dropout,
    mains_noise,
    muscle_noise,
    time_shift,
    time_warp,
)
from ecgcore.training.mixing import st_mix, voltage_mix

# name → (transform, share of recordings that it changes), in the order of application
MIXING: dict[str, tuple[Transform, float]] = {
    "st_mix": (st_mix, 0.5),
    "voltage_mix": (voltage_mix, 0.5),
}
STANDARD: dict[str, tuple[Transform, float]] = {
    "time_warp": (time_warp, 0.3),
    "time_shift": (time_shift, 0.5),
    "crop": (crop, 0.2),
    "gain": (gain, 0.5),
    "baseline_wander": (baseline_wander, 0.4),
    "mains_noise": (mains_noise, 0.2),
    "muscle_noise": (muscle_noise, 0.3),
    "lead_dropout": (lead_dropout, 0.1),
}
ROBUST = STANDARD | {
    "gain": (partial(gain, limit=0.15), 0.6),
    "baseline_wander": (partial(baseline_wander, limit_mv=0.6), 0.5),
    "muscle_noise": (partial(muscle_noise, limit_mv=0.1), 0.5),
    "lead_dropout": (partial(lead_dropout, leads=3), 0.2),
}
"""The standard transforms, of which those that move answers are larger and more frequent."""


class Augmenter:
    """Augments batches; the same seed gives the same sequence of batches.

    Parameters
    ----------
    name
        ``standard``; ``robust``: more wander, noise, gain and lost leads; or ``targeted``: mixing
        near the borderlines, then the standard transforms.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.mixing = MIXING if name == "targeted" else {}
        self.transforms = ROBUST if name == "robust" else STANDARD
        self.rng = BatchRng(seed)

    @property
    def needs_beats(self) -> bool:
        """Tell whether the transforms need R peaks."""
        return bool(self.mixing)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with each transform applied to some of its recordings."""
        for transform, share in self.mixing.values():  # partners come from the whole batch
            rows = self._choose(batch, share)
            batch = batch.replace_rows(rows, transform(batch, self.rng).select(rows))
        for transform, share in self.transforms.values():
            rows = self._choose(batch, share)
            if len(rows):
                batch = batch.replace_rows(rows, transform(batch.select(rows), self.rng))
        return batch

    def _choose(self, batch: Batch, share: float) -> Tensor:
        """Return the rows of a random share of the batch."""
        return (self.rng.uniform(len(batch.signal_mv)) < share).nonzero().flatten()
