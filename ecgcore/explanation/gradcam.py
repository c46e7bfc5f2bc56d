"""Grad-CAM (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74), computed by Captum."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from ecgcore.errors import EcgError
from ecgcore.explanation.explanation import Resolution
from ecgcore.explanation.layer_grid import cell_centres
from ecgcore.explanation.relevance import ImageRelevance, SignalRelevance
from ecgcore.explanation.target import Target
from ecgcore.records.record import LEADS


def grad_cam(target: Target) -> ImageRelevance | SignalRelevance:
    """Return the relevance of the last layer's cells.

    For a network that reads signals, a map resolves times, not leads.
    """
    model, layer, inputs = target.model, target.cam_layer, target.inputs
    cells = layer_gradcam(model, layer, inputs, target.output, signed=True)
    if target.reads_images:
        with eval_mode(model):
            rows_px, columns_px = cell_centres(model, layer, inputs)
        return ImageRelevance(cells, rows_px, columns_px)
    samples = inputs.shape[2]
    return SignalRelevance(
        _interpolate_over_time(cells, samples),
        Resolution(1000 * samples / target.fs_hz / len(cells), len(LEADS)),
        regions=np.tile(np.arange(samples) * len(cells) // samples, (len(LEADS), 1)),
    )


def _interpolate_over_time(cells: np.ndarray, samples: int) -> np.ndarray:
    """Return (12, T) of (w,) cells that divide the time evenly, linear between their centres."""
    centres = (np.arange(len(cells)) + 0.5) * samples / len(cells)
    line = np.interp(np.arange(samples) + 0.5, centres, cells)
    return np.tile(line / len(LEADS), (len(LEADS), 1))


def layer_gradcam(
    model: nn.Module, layer: nn.Module, image: Tensor, output: int, signed: bool = False
) -> np.ndarray:
    """Return the Grad-CAM map of a layer for one output.

    The layer's activation maps, weighted by the mean gradient of the output's logit and summed;
    negative values are cut off unless ``signed``. The model is left unchanged.

    Parameters
    ----------
    image
        (1, 3, H, W), or a signal (1, 12, T).
    output
        Index of the class.

    Returns
    -------
    np.ndarray
        (h, w), for a signal (w,), the layer's own cells, in the logit's unit.

    Raises
    ------
    EcgError
        The network's output is not finite.
    """
    with eval_mode(model), torch.inference_mode(False), torch.enable_grad():
        cam = LayerGradCam(model, layer).attribute(
            image.clone().requires_grad_(), target=output, relu_attributions=not signed
        )
    return require_finite(cam.detach().float().cpu().numpy()[0, 0], "Grad-CAM")


def require_finite(relevance: np.ndarray, method: str) -> np.ndarray:
    """Return a method's result, or raise EcgError if it is not finite."""
    if not np.isfinite(relevance).all():
        raise EcgError(f"{method} is not finite: neither is the network's output for this record.")
    return relevance


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode temporarily: no running averages, no dropout."""
    training = [m for m in model.modules() if m.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
