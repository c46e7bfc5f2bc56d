"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), computed by Captum.

The gradients pass through the drawing, whose derivative is exact, down to the signal, and so
separate leads and waves that share a cell of Grad-CAM. The path leads from the same leads at rest
(each at its own median) to the record, the amplitude growing evenly: every image on it is an ECG.
"""

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from ecgcore.explanation.explanation import Resolution
from ecgcore.explanation.gradcam import eval_mode, require_finite
from ecgcore.explanation.masking import resting_signal
from ecgcore.explanation.relevance import SignalRelevance
from ecgcore.explanation.target import BATCH, Target


def integrated_gradients(target: Target) -> SignalRelevance:
    """Return each sample's share of the logit's change from leads at rest to the record.

    The shares sum to that change, as far as the sum over ``target.steps`` points approximates the
    integral. The resolution is one pixel column, or one sample for a network that reads signals.
    """
    signal = target.signal
    missing = signal.isnan()
    known = signal.nan_to_num(0.0)

    def logit(signals: Tensor) -> Tensor:
        gaps = missing.expand_as(signals)
        with_gaps = signals.masked_fill(gaps, torch.nan) if bool(missing.any()) else signals
        return target.logits(target.network_inputs(with_gaps))

    attributions = _attribute(logit, known, resting_signal(signal).nan_to_num(0.0), target)
    finest_s = 1 / target.fs_hz
    if target.reads_images:
        finest_s = max(finest_s, 1 / target.geometry.px_per_s)
    return SignalRelevance(
        np.where(missing[0].numpy(), 0, require_finite(attributions[0], "Integrated gradients")),
        Resolution(1000 * finest_s, 1.0),
        grain=max(1, round(finest_s * target.fs_hz)),
    )


def image_integrated_gradients(target: Target) -> np.ndarray:
    """Return each pixel's share of the logit's change from an empty image, signed, (3, H, W).

    The background has none; ink that belongs to no trace, such as a mark, has its own.
    """
    empty = torch.zeros_like(target.inputs)
    attributions = _attribute(target.logits, target.inputs, empty, target)
    return require_finite(attributions[0], "Integrated gradients")


def _attribute(
    logit: Callable[[Tensor], Tensor], end: Tensor, start: Tensor, target: Target
) -> np.ndarray:
    """Return Captum's attributions along the path from ``start`` to ``end``, of their shape."""
    with eval_mode(target.model), torch.inference_mode(False), torch.enable_grad():
        attributions = IntegratedGradients(logit).attribute(
            end.clone(),
            baselines=start.clone(),
            n_steps=target.steps,
            method="riemann_middle",
            internal_batch_size=BATCH,
        )
    return attributions.detach().double().numpy()
