"""Deletion and insertion (Petsiuk et al. 2018, arXiv:1806.07421) against random order.

If a map tells what the answer rests on, taking its first parts out must lower the answer faster
than taking out any parts, and they alone must raise it faster.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ecgcore.explain.gradcam import undisturbed
from ecgcore.explain.masking import without
from ecgcore.explain.relevance import InPicture, InSignal
from ecgcore.explain.target import BATCH, Question

SHARES = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Of the parts that are taken out, or put in."""
ORDERS = 10


def beaten(question: Question, found: InPicture | InSignal, seed: int = 0) -> tuple[float, float]:
    """Return the shares of random orders that the map's own order beats, 0..1: deletion, insertion.

    Parts are what the method answers for as a whole: leads, beats, waves or 0.1 s of a lead, with a
    straight line in their place, or cells of the picture, left empty. The logit's mean over SHARES
    counts.
    """
    if isinstance(found, InPicture):
        part_of, score, answers = _picture(question, found)
    else:
        part_of, score, answers = _signal(question, found)
    rng = np.random.default_rng(seed)
    own = np.lexsort((rng.random(len(score)), -score))
    orders = [own, *(rng.permutation(len(score)) for _ in range(ORDERS))]
    ranks = [np.append(np.argsort(order), len(score)) for order in orders]  # −1: after all parts
    counts = [max(1, round(share * len(score))) for share in SHARES]
    first = [rank[part_of] < count for rank in ranks for count in counts]
    with undisturbed(question.model):
        without_first = answers(first).reshape(len(orders), -1).mean(axis=1)
        only_first = answers([~part for part in first]).reshape(len(orders), -1).mean(axis=1)
    deletion = (without_first[0] < without_first[1:]).mean()
    return float(deletion), float((only_first[0] > only_first[1:]).mean())


Answers = Callable[[list[np.ndarray]], np.ndarray]


def _signal(question: Question, found: InSignal) -> tuple[np.ndarray, np.ndarray, Answers]:
    """Return each sample's part (12, T), the scores, and how to ask without samples."""

    def answers(taken: list[np.ndarray]) -> np.ndarray:
        return _in_batches(
            taken, lambda part: question.answers(without(question.signal, np.stack(part)))
        )

    return found.part_of(question.fs_hz), found.shown(question.fs_hz), answers


def _picture(question: Question, found: InPicture) -> tuple[np.ndarray, np.ndarray, Answers]:
    """Return each pixel's cell (H, W), the cells' scores, and how to ask without pixels."""
    size = (question.measures.height, question.measures.width)
    row, column = (
        np.abs(np.arange(side)[:, None] + 0.5 - middles).argmin(axis=1)
        for side, middles in zip(size, (found.rows_px, found.columns_px), strict=True)
    )
    part_of = row[:, None] * len(found.columns_px) + column
    weight = np.bincount(part_of.ravel(), found.told(True, size).ravel())
    score = weight / np.maximum(np.bincount(part_of.ravel()), 1)

    @torch.no_grad()
    def asked(part: list[np.ndarray]) -> np.ndarray:
        kept: Tensor = torch.from_numpy(~np.stack(part))[:, None]
        return question.logits(question.inputs * kept).double().numpy()

    return part_of, score, lambda taken: _in_batches(taken, asked)


def _in_batches(taken: list[np.ndarray], asked: Answers) -> np.ndarray:
    parts = range(0, len(taken), BATCH)
    return np.concatenate([asked(taken[start : start + BATCH]) for start in parts])
