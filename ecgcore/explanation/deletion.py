"""Deletion and insertion (Petsiuk et al. 2018, arXiv:1806.07421) against random order.

If a map shows what the output rests on, removing its most relevant regions must lower the logit
faster than removing random regions, and they alone must raise it faster.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ecgcore.explanation.gradcam import eval_mode
from ecgcore.explanation.masking import remove_samples
from ecgcore.explanation.relevance import ImageRelevance, SignalRelevance
from ecgcore.explanation.target import BATCH, Target

FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Fractions of the regions that are removed, or kept."""
RANDOM_ORDERS = 10

MaskedLogits = Callable[[list[np.ndarray]], np.ndarray]


def deletion_and_insertion(
    target: Target, relevance: ImageRelevance | SignalRelevance, seed: int = 0
) -> tuple[float, float]:
    """Return the fractions of random orders that the map's order beats, 0..1: deletion, insertion.

    Regions are what the method resolves: leads, beats, waves or 0.1 s of a lead, replaced by a
    straight line, or cells of the image, left empty. The mean logit over FRACTIONS is compared.
    """
    if isinstance(relevance, ImageRelevance):
        region_of, scores, masked_logits = _image_regions(target, relevance)
    else:
        region_of, scores, masked_logits = _signal_regions(target, relevance)
    rng = np.random.default_rng(seed)
    own = np.lexsort((rng.random(len(scores)), -scores))
    orders = [own, *(rng.permutation(len(scores)) for _ in range(RANDOM_ORDERS))]
    ranks = [np.append(np.argsort(order), len(scores)) for order in orders]  # −1: after all
    counts = [max(1, round(fraction * len(scores))) for fraction in FRACTIONS]
    masks = [rank[region_of] < count for rank in ranks for count in counts]
    with eval_mode(target.model):
        removed = masked_logits(masks).reshape(len(orders), -1).mean(axis=1)
        alone = masked_logits([~mask for mask in masks]).reshape(len(orders), -1).mean(axis=1)
    deletion, insertion = (removed[0] < removed[1:]).mean(), (alone[0] > alone[1:]).mean()
    return float(deletion), float(insertion)


def _signal_regions(
    target: Target, relevance: SignalRelevance
) -> tuple[np.ndarray, np.ndarray, MaskedLogits]:
    """Return each sample's region (12, T), the regions' scores, and the logit without samples."""

    def masked_logits(masks: list[np.ndarray]) -> np.ndarray:
        return _in_batches(
            masks,
            lambda batch: target.signal_logits(remove_samples(target.signal, np.stack(batch))),
        )

    return relevance.region_numbers(target.fs_hz), relevance.comparable(target.fs_hz), masked_logits


def _image_regions(
    target: Target, relevance: ImageRelevance
) -> tuple[np.ndarray, np.ndarray, MaskedLogits]:
    """Return each pixel's cell (H, W), the cells' scores, and the logit without pixels."""
    size = (target.geometry.height, target.geometry.width)
    row, column = (
        np.abs(np.arange(side)[:, None] + 0.5 - centres).argmin(axis=1)
        for side, centres in zip(size, (relevance.rows_px, relevance.columns_px), strict=True)
    )
    cell_of = row[:, None] * len(relevance.columns_px) + column
    total = np.bincount(cell_of.ravel(), relevance.to_image(True, size).ravel())
    scores = total / np.maximum(np.bincount(cell_of.ravel()), 1)

    @torch.no_grad()
    def batch_logits(masks: list[np.ndarray]) -> np.ndarray:
        keep: Tensor = torch.from_numpy(~np.stack(masks))[:, None]
        return target.logits(target.inputs * keep).double().numpy()

    return cell_of, scores, lambda masks: _in_batches(masks, batch_logits)


def _in_batches(masks: list[np.ndarray], batch_logits: MaskedLogits) -> np.ndarray:
    starts = range(0, len(masks), BATCH)
    return np.concatenate([batch_logits(masks[start : start + BATCH]) for start in starts])
