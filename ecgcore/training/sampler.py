"""The epoch sampler: which training records come in which order."""

import numpy as np
import torch


class EpochSampler:
    """Order of each epoch's records; it follows from a seed.

    Parameters
    ----------
    targets
        (N, classes) of the training records.
    balanced
        Draw with replacement, each record with the weight of its rarest class, so that rare classes
        come as often as the others; else each record comes once.
    """

    def __init__(self, targets: np.ndarray, seed: int, balanced: bool = False) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.n_records = len(targets)
        self.weights = torch.from_numpy(_record_weights(targets)) if balanced else None

    def epoch_rows(self, batch_size: int) -> np.ndarray:
        """Return the rows of one epoch.

        A last batch of a single record is left out: BatchNorm cannot train on it.
        """
        n = self.n_records
        if self.weights is None:
            rows = torch.randperm(n, generator=self.generator).numpy()
        else:
            rows = torch.multinomial(self.weights, n, True, generator=self.generator).numpy()
        return rows[:-1] if n % batch_size == 1 and n > 1 else rows

    def batches(self, batch_size: int) -> int:
        """Return the number of batches of one epoch."""
        return self.n_records // batch_size + (self.n_records % batch_size > 1)


def _record_weights(targets: np.ndarray) -> np.ndarray:
    """Return (N,): one over the number of records of the record's rarest class."""
    present = targets == 1
    groups = np.column_stack([present, ~present.any(axis=1)])  # the last: no class is stated
    weights = 1 / np.maximum(groups.sum(axis=0), 1)
    return (groups * weights).max(axis=1)
