"""Guided Grad-CAM (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74) and what is wrong with it.

Guided backpropagation (Springenberg et al. 2015, arXiv:1412.6806) hardly changes when a network's
weights are drawn at random (Adebayo et al. 2018, arXiv:1810.03292): it restores the picture. Here
the finer map is offered with that warning, and speaks of nothing finer than a cell of Grad-CAM.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from captum.attr import GuidedBackprop
from torch import nn

from ecgcore.explain.gradcam import finite, grad_cam, undisturbed
from ecgcore.explain.relevance import InPicture, InSignal
from ecgcore.explain.target import Question

WARNING = (
    "Guided maps show the edges of what is drawn, and hardly change when the network's weights are "
    "drawn at random (Adebayo et al. 2018): nothing finer than a cell of Grad-CAM can be read here."
)


def guided_grad_cam(question: Question) -> InPicture | InSignal:
    """Return Grad-CAM times guided backpropagation: fine lines that are no finer evidence."""
    coarse = grad_cam(question)
    with (
        undisturbed(question.model),
        _own_activations(question.model),
        torch.inference_mode(False),
        torch.enable_grad(),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Setting (backward|forward) hooks", UserWarning)
        inputs = question.inputs.nan_to_num(0.0).clone().requires_grad_()
        back = GuidedBackprop(question.model).attribute(inputs, target=question.output)
    fine = finite(back.detach().double().numpy()[0].clip(min=0), "Guided backpropagation")
    if isinstance(coarse, InPicture):
        return InPicture(coarse.cells, coarse.rows_px, coarse.columns_px, fine.sum(axis=0))
    return InSignal(coarse.relevance * fine, coarse.resolution, parts=coarse.parts)


@contextmanager
def _own_activations(model: nn.Module) -> Iterator[None]:
    """Let no activation overwrite its input for a while: Captum's hooks cannot stand it."""
    hasty = [m for m in model.modules() if getattr(m, "inplace", False)]
    for module in hasty:
        module.inplace = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in hasty:
            module.inplace = True  # type: ignore[assignment]
