"""What a training makes small, and which records it is made small on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

ALL = slice(None)
MOST_WEIGHT = 20.0
"""A class of a few records would otherwise outweigh all others."""


@dataclass(frozen=True)
class Objective:
    """The loss: cross-entropy per class for ``multilabel``, over the classes otherwise.

    Attributes
    ----------
    mode
        The target mode.
    smoothing
        Share of a target that is spread evenly (Szegedy et al. 2016, arXiv:1512.00567).
    weights
        (classes,): of positives in ``multilabel``, of records of the class otherwise; None: all 1.
    """

    mode: str
    smoothing: float = 0.0
    weights: Tensor | None = None

    def __call__(self, logits: Tensor, targets: Tensor, share: slice = ALL) -> Tensor:
        """Return the mean loss of a batch; unknown targets (NaN) have no part in it.

        Targets between 0 and 1 are shares of a mixed record. Where the logits are those of a share
        of the batch, its part of the mean is returned: the parts add up to it.
        """
        if self.mode != "multilabel":
            total = functional.cross_entropy(
                logits,
                targets[share],
                self.weights,
                reduction="sum",
                label_smoothing=self.smoothing,
            )
            return total / len(targets)
        known = ~targets.isnan()
        smooth = targets[share].nan_to_num(0.0) * (1 - self.smoothing) + self.smoothing / 2
        each = functional.binary_cross_entropy_with_logits(
            logits, smooth, reduction="none", pos_weight=self.weights
        )
        return (each * known[share]).sum() / known.sum().clamp(min=1)


def class_weights(targets: np.ndarray, mode: str) -> np.ndarray:
    """Return (classes,) weights that make the classes count alike, between 1/20 and 20.

    ``multilabel``: absent ÷ present records of the class; otherwise the mean number of records a
    class ÷ its own. A class without any weighs 1.
    """
    present, absent = (targets == 1).sum(axis=0), (targets == 0).sum(axis=0)
    above = absent if mode == "multilabel" else np.full(len(present), present.mean())
    weights = np.divide(above, present, out=np.ones(len(present)), where=present > 0)
    return weights.clip(1 / MOST_WEIGHT, MOST_WEIGHT).astype(np.float32)


class EpochSampler:
    """The order of each epoch's records; it follows from a seed.

    Parameters
    ----------
    targets
        (N, classes) of the training records.
    balanced
        Draw with replacement, each record as often as its rarest class needs to be drawn like the
        others; else each record comes once.
    """

    def __init__(self, targets: np.ndarray, seed: int, balanced: bool = False) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.count = len(targets)
        self.shares = torch.from_numpy(_shares(targets)) if balanced else None

    def of_epoch(self, batch: int) -> np.ndarray:
        """Return the rows of one pass. It leaves no batch of one behind: BatchNorm cannot train
        on it."""
        if self.shares is None:
            rows = torch.randperm(self.count, generator=self.generator).numpy()
        else:
            drawn = torch.multinomial(self.shares, self.count, True, generator=self.generator)
            rows = drawn.numpy()
        return rows[:-1] if self.count % batch == 1 and self.count > 1 else rows

    def steps(self, batch: int) -> int:
        """Return how many batches one pass has."""
        return self.count // batch + (self.count % batch > 1)


def _shares(targets: np.ndarray) -> np.ndarray:
    """Return (N,): one over the number of records of the record's rarest class."""
    kinds = np.column_stack([targets == 1, ~(targets == 1).any(axis=1)])  # the last: none stated
    one_over = 1 / np.maximum(kinds.sum(axis=0), 1)
    return (kinds * one_over).max(axis=1)
