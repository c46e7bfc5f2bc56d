"""Grad-CAM (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74), computed by Captum."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from ecgcore.errors import EcgError
from ecgcore.explain.cells import cell_middles, spread


def gradcam(model: nn.Module, layer: nn.Module, image: Tensor, output: int) -> np.ndarray:
    """Return where in an image, or when in a signal, the evidence for one output stands.

    The layer's maps, weighted by the mean gradient of the output's logit, summed, negative parts
    cut off. The model is left as it was.

    Parameters
    ----------
    image
        (1, 3, H, W), or a signal (1, 12, T).
    output
        Index of the class.

    Returns
    -------
    np.ndarray
        (h, w), of a signal (w,), ≥ 0, the layer's own cells, in the logit's unit.
    """
    with undisturbed(model), torch.inference_mode(False), torch.enable_grad():
        seen = image.clone().requires_grad_()
        cam = LayerGradCam(model, layer).attribute(seen, target=output, relu_attributions=True)
    cells = cam.detach().float().cpu().numpy()[0, 0]
    if not np.isfinite(cells).all():
        raise EcgError("Grad-CAM gave no numbers: the network's output for this record is none.")
    return cells


def on_image(model: nn.Module, layer: nn.Module, image: Tensor, cells: np.ndarray) -> np.ndarray:
    """Return a layer's cells (h, w) spread over the image, (H, W), each where it stands."""
    with undisturbed(model):
        rows_px, columns_px = cell_middles(model, layer, image)
    return spread(cells, rows_px, columns_px, (image.shape[2], image.shape[3]))


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode for a while: no running averages move, nothing is dropped."""
    training = [m for m in model.modules() if m.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
