"""A question to a network: one output, one ECG, and the way from its signal to what it reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.errors import NotFound, RequestError
from ecgcore.explain.waves import Waves, waves
from ecgcore.imaging import draw_as
from ecgcore.imaging.beats import found_beats
from ecgcore.imaging.drawing import strip_ink
from ecgcore.imaging.geometry import Geometry, geometry, geometry_of
from ecgcore.inference.inputs import ClassifierInput
from ecgcore.records.record import Record

SHOWN_PX = 224
"""Side of the drawing on which the map of a network that reads signals is shown."""
BATCH = 16
LEAST_INK = 1e-3


class Explainable(Protocol):
    """What explaining needs of a classifier, such as :class:`ecgcore.inference` loads."""

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
    def inputs(self, sights: Sequence[ClassifierInput]) -> Tensor: ...


@dataclass(frozen=True)
class Question:
    """What a method needs to know; all tensors on the CPU.

    Attributes
    ----------
    layer
        Of ``model``, by name: the one that Grad-CAM reads.
    output
        Index of the class.
    inputs
        What the network reads: (1, 3, H, W) or (1, 12, T).
    signal_mv
        (1, 12, T); None where only a picture is there.
    measures
        Of the picture that the network reads; else of the one on which its map is shown.
    steps
        Points on the way of integrated gradients.
    """

    record: str
    model: nn.Module
    layer: str
    output: int
    inputs: Tensor
    signal_mv: Tensor | None
    fs_hz: float
    measures: Geometry
    reads_images: bool
    steps: int = 24

    @classmethod
    def of(cls, classifier: Explainable, sight: ClassifierInput, class_code: str) -> "Question":
        """Return what is asked of a classifier about a class and a record (or picture)."""
        if class_code not in classifier.classes:
            raise NotFound.among("class", class_code, classifier.classes)
        given, drawn = classifier.input, classifier.reads_images
        layers = {id(module): name for name, module in classifier.model.named_modules()}
        return cls(
            record=sight.name,
            model=classifier.model,
            layer=layers[id(classifier.cam_layer)],
            output=classifier.classes.index(class_code),
            inputs=classifier.inputs([sight]),
            signal_mv=classifier.signals([sight]) if isinstance(sight, Record) else None,
            fs_hz=given["fs_hz"],
            measures=geometry_of(given)
            if drawn
            else geometry("stacked", SHOWN_PX, given["duration_s"]),
            reads_images=drawn,
        )

    def to(self, model: nn.Module) -> "Question":
        """Return the same question to another network of the same make."""
        return replace(self, model=model)

    def about(self, output: int) -> "Question":
        """Return the same question about another class."""
        return replace(self, output=output)

    @property
    def cam_layer(self) -> nn.Module:
        """The layer that Grad-CAM reads."""
        return self.model.get_submodule(self.layer)

    @property
    def signal(self) -> Tensor:
        """The signal (1, 12, T) in mV.

        Raises
        ------
        RequestError
            There is only a picture.
        """
        if self.signal_mv is None:
            raise RequestError(
                f"The picture of record {self.record} holds no signal that could be explained by "
                "lead, beat or wave. Give the recording, or take grad_cam."
            )
        return self.signal_mv

    @cached_property
    def peaks_s(self) -> np.ndarray:
        """The R peaks in seconds that the drawing uses."""
        return found_beats(self.signal, self.fs_hz)[0]

    @cached_property
    def waves(self) -> Waves:
        """Where the record's waves lie."""
        return waves(self.signal[0].numpy().astype(np.float64), self.fs_hz)

    @cached_property
    def ink(self) -> np.ndarray:
        """Each strip's ink, (S, H, W) in 0..1."""
        beats = [self.peaks_s] if self.measures.shows_beats else None
        return strip_ink(self.signal, self.fs_hz, self.measures, beats)[0].numpy()

    @cached_property
    def image(self) -> Tensor:
        """The picture (1, 3, H, W) on which the map is shown."""
        return self.inputs if self.reads_images else self.drawn(self.signal)

    @cached_property
    def beside(self) -> Tensor | None:
        """What the picture shows beside the drawing of its signal, such as a mark; None: nothing.

        It stays in every picture that is drawn to explain this one.
        """
        rest = self.inputs - self.drawn(self.signal)
        return rest if bool((rest.abs() > LEAST_INK).any()) else None

    def read(self, signals: Tensor) -> Tensor:
        """Return what the network reads of signals (B, 12, T): themselves, or their pictures."""
        if not self.reads_images:
            return signals
        drawn = self.drawn(signals)
        return drawn if self.beside is None else drawn + self.beside

    def logits(self, inputs: Tensor) -> Tensor:
        """Return the class's logit (B,) of what the network reads, differentiable."""
        return self.model(inputs)[:, self.output]

    @torch.no_grad()
    def answers(self, signals: Tensor) -> np.ndarray:
        """Return the class's logit of each of many signals (B, 12, T), as (B,)."""
        parts = [self.logits(self.read(part)) for part in signals.split(BATCH)]
        return torch.cat(parts).double().numpy()

    def drawn(self, signals: Tensor) -> Tensor:
        """Return the pictures of signals (B, 12, T), and nothing beside them."""
        beats = [self.peaks_s] * len(signals) if self.measures.shows_beats else None
        return draw_as(signals, self.fs_hz, self.measures, beats)
