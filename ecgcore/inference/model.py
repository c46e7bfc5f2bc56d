"""A run or shipped model ready to answer: its network, and exactly the input it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.calibration.calibration import probabilities
from ecgcore.calibration.referral import referred, uncertain
from ecgcore.errors import UnreadableRecord
from ecgcore.imaging import Geometry, draw_as, geometry_of
from ecgcore.imaging.png import NetworkImage, form
from ecgcore.models import create_model
from ecgcore.records.record import Record
from ecgcore.records.resample import bring_to
from ecgcore.runs.run import Run, find_run
from ecgcore.runs.weights import fill, read_tensors
from ecgcore.workspace import Workspace


@dataclass(frozen=True)
class Classifier:
    """A trained network with its pre-processing.

    Attributes
    ----------
    run
        Where it comes from.
    model
        The network, in evaluation mode, float32, on the CPU.
    classes
        Codes in the order of the outputs.
    target_mode
        How logits become probabilities.
    input
        ``fs_hz``, ``duration_s``; where it reads images also ``layout``, ``size`` [H, W] in
        pixels, and ``rhythm`` and ``pen`` where the run is not older than these.
    thresholds
        Per class the calibrated probability from which it is called present.
    temperature
        What logits are divided by before they become probabilities; None: nothing.
    refer
        The band where an answer is uncertain (see ``calibration.referral``); None: there is none.
    """

    run: Run
    model: nn.Module
    classes: tuple[str, ...]
    target_mode: str
    input: dict[str, Any]
    thresholds: dict[str, float]
    temperature: float | None = None
    refer: dict[str, Any] | None = None

    @property
    def run_id(self) -> str:
        """The run's id or the shipped model's name."""
        return self.run.id

    @property
    def cam_layer(self) -> nn.Module:
        """The layer that Grad-CAM reads."""
        return self.model.cam_layer  # type: ignore[return-value]

    @property
    def reads_images(self) -> bool:
        """Whether the network reads images; else signals."""
        return "layout" in self.input

    @property
    def geometry(self) -> Geometry:
        """The measures of the images that it was trained on."""
        return geometry_of(self.input)

    def signals(self, records: list[Record]) -> Tensor:
        """Return (B, 12, T) mV at the run's rate and length, NaN where nothing was recorded."""
        at = [bring_to(r, self.input["fs_hz"], self.input["duration_s"]) for r in records]
        return torch.from_numpy(np.stack([record.signal_mv for record in at]))

    def inputs(self, sights: Sequence[Record | NetworkImage]) -> Tensor:
        """Return what the network reads of these: ``images`` or ``signals``.

        Raises
        ------
        UnreadableRecord
            A picture for a network that reads signals, or one that was drawn in another way.
        """
        if self.reads_images:
            return self.images(sights)
        records = [sight for sight in sights if isinstance(sight, Record)]
        for sight in sights:
            if isinstance(sight, NetworkImage):
                self.fitting(sight)
        return self.signals(records)

    def images(self, sights: Sequence[Record | NetworkImage]) -> Tensor:
        """Return the (B, 3, H, W) images in 0..1 that the network sees of these.

        Raises
        ------
        UnreadableRecord
            A picture that was drawn in another way.
        """
        records = [sight for sight in sights if isinstance(sight, Record)]
        drawn = self._drawn(records) if records else torch.empty(0)
        if len(records) == len(sights):
            return drawn
        fresh = iter(drawn)
        return torch.stack(
            [next(fresh) if isinstance(s, Record) else self._as_drawn(s) for s in sights]
        )

    def fitting(self, picture: NetworkImage) -> NetworkImage:
        """Return a picture that was drawn just as the network's own images; refuse any other."""
        if not self.reads_images:
            raise UnreadableRecord(
                f"The picture of record {picture.name} cannot be read by {self.run_id}, which "
                "reads signals, not pictures. Give the recording."
            )
        if picture.geometry == self.geometry and picture.fs_hz == self.input["fs_hz"]:
            return picture
        raise UnreadableRecord(
            f"The picture of record {picture.name} is drawn as {picture.drawn_as}; "
            f"{self.run_id} was trained on {form(self.geometry, self.input['fs_hz'])}. Give the "
            f"recording, or draw it for this run: ecgcore convert --run {self.run_id} …"
        )

    def probabilities(self, sights: Sequence[Record | NetworkImage]) -> np.ndarray:
        """Return (B, classes) calibrated probabilities."""
        return self.answer(self.inputs(sights))

    def answer(self, inputs: Tensor) -> np.ndarray:
        """Return (B, classes) calibrated probabilities of what the network reads."""
        return self.calibrated(self.logits(inputs))

    def logits(self, inputs: Tensor) -> np.ndarray:
        """Return (B, classes) logits of what the network reads: images or signals."""
        with torch.inference_mode():
            return self.model(inputs).numpy()

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Return (B, classes) probabilities at the run's temperature."""
        return probabilities(logits, self.target_mode, self.temperature)

    def raw(self, logits: np.ndarray) -> np.ndarray:
        """Return (B, classes) probabilities as the network alone gives them."""
        return probabilities(logits, self.target_mode)

    def called(self, calibrated: np.ndarray) -> np.ndarray:
        """Return (B, classes) bool: what the run calls present.

        Where each class is judged by itself, those that reach their threshold (0.5 where none was
        chosen); else the most probable one.
        """
        if self.target_mode == "multilabel":
            return calibrated >= [self.thresholds.get(code, 0.5) for code in self.classes]
        return calibrated == calibrated.max(axis=1, keepdims=True)

    def uncertain(self, calibrated: np.ndarray) -> np.ndarray | None:
        """Return (B, classes) bool: what the run is not certain of; None where it has no band."""
        return None if self.refer is None else uncertain(calibrated, self.classes, self.refer)

    def referred(self, calibrated: np.ndarray) -> np.ndarray | None:
        """Return (B,) bool: what to leave to a person; None where the run has no band."""
        return None if self.refer is None else referred(calibrated, self.classes, self.refer)

    def _drawn(self, records: list[Record]) -> Tensor:
        return draw_as(self.signals(records), self.input["fs_hz"], self.geometry)

    def _as_drawn(self, picture: NetworkImage) -> Tensor:
        return torch.from_numpy(self.fitting(picture).image)


def load(reference: str, workspace: Workspace) -> Classifier:
    """Load a run by id or folder, or a shipped model by name. Nothing of it is executed."""
    run = find_run(reference, workspace)
    meta = run.meta
    run.need_weights()
    model = create_model(meta["model"], len(meta["classes"]), **run.config.model_options)
    fill(model, read_tensors(run.weights)[0], run.weights, meta["model"])
    fitted = run.calibration if (run.folder / "calibration.json").exists() else {}
    return Classifier(
        run=run,
        model=model.eval(),
        classes=tuple(meta["classes"]),
        target_mode=meta["target_mode"],
        input=meta["input"],
        thresholds=fitted.get("thresholds", {}),
        temperature=fitted.get("temperature"),
        refer=fitted.get("refer"),
    )
