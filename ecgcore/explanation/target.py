"""Target of an explanation: one output of a network, one ECG, and the step between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.errors import NotFound, RequestError
from ecgcore.explanation.waves import Waves, locate_waves
from ecgcore.imaging import draw_with_geometry
from ecgcore.imaging.beats import detect_beats
from ecgcore.imaging.drawing import strip_ink
from ecgcore.imaging.geometry import Geometry, geometry_from_json, make_geometry
from ecgcore.inference.inputs import ClassifierInput
from ecgcore.records.record import Record
from ecgcore.runs.run import Run

MAP_SIDE_PX = 224
"""Side of the image on which the map of a network that reads signals is shown."""
BATCH = 16
MIN_INK = 1e-3


class Explainable(Protocol):
    """Interface of a classifier that can be explained, such as ``ecgcore.inference`` loads."""

    @property
    def run(self) -> Run | None: ...
    @property
    def run_id(self) -> str: ...
    @property
    def model(self) -> nn.Module: ...
    @property
    def cam_layer(self) -> nn.Module: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def input(self) -> dict[str, Any]: ...
    def signals(self, records: list[Record]) -> Tensor: ...
    @property
    def reads_images(self) -> bool: ...
    def inputs(self, items: Sequence[ClassifierInput]) -> Tensor: ...
    def calibrated(self, logits: np.ndarray) -> np.ndarray: ...
    def predicted_labels(self, calibrated: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Target:
    """Input of a method; all tensors on the CPU.

    Attributes
    ----------
    layer
        Name of the layer of ``model`` that Grad-CAM reads.
    output
        Index of the class.
    inputs
        Network input: (1, 3, H, W) or (1, 12, T).
    signal_mv
        (1, 12, T); None for an image without its record.
    geometry
        Of the image that the network reads; else of the one on which its map is shown.
    steps
        Points on the path of integrated gradients.
    """

    record: str
    model: nn.Module
    layer: str
    output: int
    inputs: Tensor
    signal_mv: Tensor | None
    fs_hz: float
    geometry: Geometry
    reads_images: bool
    steps: int = 24

    @classmethod
    def of(cls, classifier: Explainable, item: ClassifierInput, class_code: str) -> "Target":
        """Return the target for a class of a classifier and a record (or image)."""
        if class_code not in classifier.classes:
            raise NotFound.among("class", class_code, classifier.classes)
        settings = classifier.input
        if classifier.reads_images:
            geometry = geometry_from_json(settings)
        else:
            geometry = make_geometry("stacked", MAP_SIDE_PX, settings["duration_s"])
        layers = {id(module): name for name, module in classifier.model.named_modules()}
        return cls(
            record=item.name,
            model=classifier.model,
            layer=layers[id(classifier.cam_layer)],
            output=classifier.classes.index(class_code),
            inputs=classifier.inputs([item]),
            signal_mv=classifier.signals([item]) if isinstance(item, Record) else None,
            fs_hz=settings["fs_hz"],
            geometry=geometry,
            reads_images=classifier.reads_images,
        )

    def with_model(self, model: nn.Module) -> "Target":
        """Return the same target for another network of the same architecture."""
        return replace(self, model=model)

    def with_output(self, output: int) -> "Target":
        """Return the same target for another class."""
        return replace(self, output=output)

    @property
    def cam_layer(self) -> nn.Module:
        """Layer that Grad-CAM reads."""
        return self.model.get_submodule(self.layer)

    @property
    def signal(self) -> Tensor:
        """Signal (1, 12, T) in mV.

        Raises
        ------
        RequestError
            There is only an image.
        """
        if self.signal_mv is None:
            raise RequestError(
                f"The image of record {self.record} holds no signal to explain by lead, beat or "
                "wave. Give the recording, or take grad_cam."
            )
        return self.signal_mv

    @cached_property
    def peaks_s(self) -> np.ndarray:
        """R peaks in seconds, as used for drawing."""
        return detect_beats(self.signal, self.fs_hz)[0]

    @cached_property
    def waves(self) -> Waves:
        """Positions of the record's waves."""
        return locate_waves(self.signal[0].numpy().astype(np.float64), self.fs_hz)

    @cached_property
    def ink(self) -> np.ndarray:
        """Each strip's ink, (S, H, W) in 0..1."""
        beats = [self.peaks_s] if self.geometry.shows_beats else None
        return strip_ink(self.signal, self.fs_hz, self.geometry, beats)[0].numpy()

    @cached_property
    def image(self) -> Tensor:
        """Image (1, 3, H, W) on which the map is shown."""
        return self.inputs if self.reads_images else self.draw(self.signal)

    @cached_property
    def extra_ink(self) -> Tensor | None:
        """Ink in the image that the drawing of its signal does not explain, such as a mark.

        Every image drawn to explain this one keeps it. None: no such ink.
        """
        rest = self.inputs - self.draw(self.signal)
        return rest if bool((rest.abs() > MIN_INK).any()) else None

    def network_inputs(self, signals: Tensor) -> Tensor:
        """Return the network's inputs for signals (B, 12, T): themselves, or their images."""
        if not self.reads_images:
            return signals
        images = self.draw(signals)
        return images if self.extra_ink is None else images + self.extra_ink

    def logits(self, inputs: Tensor) -> Tensor:
        """Return the class's logit (B,) of network inputs, differentiable."""
        return self.model(inputs)[:, self.output]

    @torch.no_grad()
    def signal_logits(self, signals: Tensor) -> np.ndarray:
        """Return the class's logit (B,) of many signals (B, 12, T), in batches."""
        batches = [self.logits(self.network_inputs(batch)) for batch in signals.split(BATCH)]
        return torch.cat(batches).double().numpy()

    def draw(self, signals: Tensor) -> Tensor:
        """Return the images of signals (B, 12, T), without extra ink."""
        beats = [self.peaks_s] * len(signals) if self.geometry.shows_beats else None
        return draw_with_geometry(signals, self.fs_hz, self.geometry, beats)
