"""Guided Grad-CAM (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74), with a warning.

Guided backpropagation (Springenberg et al. 2015, arXiv:1412.6806) hardly changes when a network's
weights are randomised (Adebayo et al. 2018, arXiv:1810.03292): it restores the image. The finer map
is offered with that warning, and its resolution is a cell of Grad-CAM.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from captum.attr import GuidedBackprop
from torch import nn

from ecgcore.explanation.gradcam import eval_mode, grad_cam, require_finite
from ecgcore.explanation.relevance import ImageRelevance, SignalRelevance
from ecgcore.explanation.target import Target


def guided_grad_cam(target: Target) -> ImageRelevance | SignalRelevance:
    """Return Grad-CAM times guided backpropagation: finer lines, but not finer evidence."""
    coarse = grad_cam(target)
    with (
        eval_mode(target.model),
        _no_inplace_activations(target.model),
        torch.inference_mode(False),
        torch.enable_grad(),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Setting (backward|forward) hooks", UserWarning)
        inputs = target.inputs.nan_to_num(0.0).clone().requires_grad_()
        guided = GuidedBackprop(target.model).attribute(inputs, target=target.output)
    fine = require_finite(guided.detach().double().numpy()[0].clip(min=0), "Guided backpropagation")
    if isinstance(coarse, ImageRelevance):
        return ImageRelevance(coarse.cells, coarse.rows_px, coarse.columns_px, fine.sum(axis=0))
    return SignalRelevance(coarse.relevance * fine, coarse.resolution, regions=coarse.regions)


@contextmanager
def _no_inplace_activations(model: nn.Module) -> Iterator[None]:
    """Switch in-place activations off temporarily: Captum's hooks do not support them."""
    inplace = [m for m in model.modules() if getattr(m, "inplace", False)]
    for module in inplace:
        module.inplace = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in inplace:
            module.inplace = True  # type: ignore[assignment]
