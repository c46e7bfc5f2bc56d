"""The loss of a training, and the weights that balance its classes."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional

WHOLE_BATCH = slice(None)
MAX_CLASS_WEIGHT = 20.0
"""A class of a few records would otherwise outweigh all others."""


@dataclass(frozen=True)
class Loss:
    """Cross-entropy per class for ``multilabel``, over the classes otherwise.

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

    def __call__(self, logits: Tensor, targets: Tensor, rows: slice = WHOLE_BATCH) -> Tensor:
        """Return the mean loss of a batch; unknown targets (NaN) are left out.

        Targets between 0 and 1 are those of mixed records. Where the logits are those of some
        ``rows`` of the batch, their part of the batch's mean is returned: the parts add up to it.
        """
        if self.mode != "multilabel":
            total = functional.cross_entropy(
                logits,
                targets[rows],
                self.weights,
                reduction="sum",
                label_smoothing=self.smoothing,
            )
            return total / len(targets)
        known = ~targets.isnan()
        smoothed = targets[rows].nan_to_num(0.0) * (1 - self.smoothing) + self.smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(
            logits, smoothed, reduction="none", pos_weight=self.weights
        )
        return (losses * known[rows]).sum() / known.sum().clamp(min=1)


def class_weights(targets: np.ndarray, mode: str) -> np.ndarray:
    """Return (classes,) weights that balance the classes, between 1/20 and 20.

    ``multilabel``: absent ÷ present records of the class; otherwise the mean number of records a
    class ÷ its own. A class without records weighs 1.
    """
    present, absent = (targets == 1).sum(axis=0), (targets == 0).sum(axis=0)
    numerator = absent if mode == "multilabel" else np.full(len(present), present.mean())
    weights = np.divide(numerator, present, out=np.ones(len(present)), where=present > 0)
    return weights.clip(1 / MAX_CLASS_WEIGHT, MAX_CLASS_WEIGHT).astype(np.float32)
