"""Which augmentations a training uses, and how many of a batch's recordings get each."""

from torch import Tensor

from ecgcore.training.augmentation import (
    Batch,
    BatchRng,
    Kind,
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

# name → (what it does, to what share of the recordings), in the order in which they are applied
MIXING: dict[str, tuple[Kind, float]] = {"st_mix": (st_mix, 0.5), "voltage_mix": (voltage_mix, 0.5)}
STANDARD: dict[str, tuple[Kind, float]] = {
    "time_warp": (time_warp, 0.3),
    "time_shift": (time_shift, 0.5),
    "crop": (crop, 0.2),
    "gain": (gain, 0.5),
    "baseline_wander": (baseline_wander, 0.4),
    "mains_noise": (mains_noise, 0.2),
    "muscle_noise": (muscle_noise, 0.3),
    "lead_dropout": (lead_dropout, 0.1),
}


class Augmenter:
    """Makes each batch anew; the same seed makes the same, batch by batch.

    Parameters
    ----------
    name
        ``standard``, or ``targeted``: mixing near the borderlines, then the standard ones.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.mixing = MIXING if name == "targeted" else {}
        self.chance = BatchRng(seed)

    @property
    def needs_beats(self) -> bool:
        """Whether the R peaks must be known."""
        return bool(self.mixing)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with each augmentation done to some of its recordings."""
        for mix, share in self.mixing.values():  # partners come from the whole batch
            rows = self._some(batch, share)
            batch = batch.put(rows, mix(batch, self.chance).some(rows))
        for change, share in STANDARD.values():
            rows = self._some(batch, share)
            if len(rows):
                batch = batch.put(rows, change(batch.some(rows), self.chance))
        return batch

    def _some(self, batch: Batch, share: float) -> Tensor:
        chosen = self.chance.uniform(len(batch.signal_mv)) < share
        return chosen.nonzero().flatten()
