"""Grad-CAM (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74), computed by Captum."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from ecgcore.errors import EcgError
from ecgcore.explain.explanation import Resolution
from ecgcore.explain.layer_grid import cell_middles
from ecgcore.explain.relevance import InPicture, InSignal
from ecgcore.explain.target import Question
from ecgcore.records.record import LEADS


def grad_cam(question: Question) -> InPicture | InSignal:
    """Return where in the picture, or when in the signal, the evidence stands.

    Of a network on signals a map tells times, not leads.
    """
    model, layer, inputs = question.model, question.cam_layer, question.inputs
    cells = gradcam(model, layer, inputs, question.output, signed=True)
    if question.reads_images:
        with undisturbed(model):
            rows_px, columns_px = cell_middles(model, layer, inputs)
        return InPicture(cells, rows_px, columns_px)
    samples = inputs.shape[2]
    return InSignal(
        over_time(cells, samples),
        Resolution(1000 * samples / question.fs_hz / len(cells), len(LEADS)),
        parts=np.tile(np.arange(samples) * len(cells) // samples, (len(LEADS), 1)),
    )


def over_time(cells: np.ndarray, samples: int) -> np.ndarray:
    """Return (12, T) of (w,) cells that divide the time evenly: linear between their middles."""
    middles = (np.arange(len(cells)) + 0.5) * samples / len(cells)
    line = np.interp(np.arange(samples) + 0.5, middles, cells)
    return np.tile(line / len(LEADS), (len(LEADS), 1))


def gradcam(
    model: nn.Module, layer: nn.Module, image: Tensor, output: int, signed: bool = False
) -> np.ndarray:
    """Return the relevance of a layer's cells for one output.

    The layer's maps, weighted by the mean gradient of the output's logit, summed; negative parts
    are cut off unless ``signed``. The model is left as it was.

    Parameters
    ----------
    image
        (1, 3, H, W), or a signal (1, 12, T).
    output
        Index of the class.

    Returns
    -------
    np.ndarray
        (h, w), of a signal (w,), the layer's own cells, in the logit's unit.

    Raises
    ------
    EcgError
        The network's output is no number.
    """
    with undisturbed(model), torch.inference_mode(False), torch.enable_grad():
        seen = image.clone().requires_grad_()
        cam = LayerGradCam(model, layer).attribute(
            seen, target=output, relu_attributions=not signed
        )
    return finite(cam.detach().float().cpu().numpy()[0, 0], "Grad-CAM")


def finite(found: np.ndarray, method: str) -> np.ndarray:
    """Return what a method found, or say that it found no numbers."""
    if not np.isfinite(found).all():
        raise EcgError(f"{method} gave no numbers: the network's output for this record is none.")
    return found


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
