"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), computed by Captum.

They go through the drawing, whose derivative is exact, down to the signal: so that leads and waves
are told apart which one cell of Grad-CAM holds together. The way leads from the same leads at rest
(each at its own median) to the record, the amplitude growing evenly: every picture on it is an ECG.
"""

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from ecgcore.explain.explanation import Resolution
from ecgcore.explain.gradcam import finite, undisturbed
from ecgcore.explain.masking import flat
from ecgcore.explain.relevance import InSignal
from ecgcore.explain.target import BATCH, Question


def integrated_gradients(question: Question) -> InSignal:
    """Return each sample's part in the change of the logit from leads at rest to the record.

    The parts sum to that change, as far as the sum over ``question.steps`` points is the integral.
    One pixel column, or one sample where the network reads signals, is told from the next.
    """
    signal = question.signal
    missing = signal.isnan()
    known = signal.nan_to_num(0.0)

    def logit(signals: Tensor) -> Tensor:
        holes = missing.expand_as(signals)
        there = signals.masked_fill(holes, torch.nan) if bool(missing.any()) else signals
        return question.logits(question.read(there))

    found = _along(logit, known, flat(signal).nan_to_num(0.0), question)
    finest_s = 1 / question.fs_hz
    if question.reads_images:
        finest_s = max(finest_s, 1 / question.measures.px_per_s)
    return InSignal(
        np.where(missing[0].numpy(), 0, finite(found[0], "Integrated gradients")),
        Resolution(1000 * finest_s, 1.0),
        grain=max(1, round(finest_s * question.fs_hz)),
    )


def of_picture(question: Question) -> np.ndarray:
    """Return each pixel's part in the change of the logit from an empty picture, signed, (3, H, W).

    Ground has none; ink that belongs to no trace, such as a mark, has its own.
    """
    found = _along(question.logits, question.inputs, torch.zeros_like(question.inputs), question)
    return finite(found[0], "Integrated gradients")


def _along(logit, end: Tensor, start: Tensor, question: Question) -> np.ndarray:
    """Return Captum's attributions of the way from ``start`` to ``end``, of their shape."""
    with undisturbed(question.model), torch.inference_mode(False), torch.enable_grad():
        attributions = IntegratedGradients(logit).attribute(
            end.clone(),
            baselines=start.clone(),
            n_steps=question.steps,
            method="riemann_middle",
            internal_batch_size=BATCH,
        )
    return attributions.detach().double().numpy()
