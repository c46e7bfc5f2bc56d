"""Classifier: a run's or shipped model's network with the pre-processing it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.calibration.calibration import probabilities
from ecgcore.calibration.referral import referred_records, uncertain_classes
from ecgcore.errors import UnreadableRecord
from ecgcore.evaluation.ranked_classes import RankedClass, ranked_classes
from ecgcore.imaging import Geometry, draw_with_geometry, geometry_from_json
from ecgcore.imaging.high_pass import high_pass
from ecgcore.imaging.png import NetworkImage, describe_image
from ecgcore.inference.inputs import ClassifierInput, ModelInput, to_inputs
from ecgcore.measurement.gaps import find_gaps
from ecgcore.models import create_model
from ecgcore.records.record import Record
from ecgcore.records.resample import resample_record
from ecgcore.runs.run import Run, find_run
from ecgcore.runs.weights import load_weights, read_tensors
from ecgcore.workspace import Workspace

BATCH_SIZE = 16
"""Records in memory at a time; larger batches are not faster on a CPU."""


@dataclass(frozen=True, repr=False)
class Classifier:
    """A trained network with its pre-processing.

    Attributes
    ----------
    run
        The run or shipped model.
    model
        The network, in evaluation mode, float32, on the CPU.
    classes
        Class codes in the order of the outputs.
    target_mode
        ``multilabel`` (each class has its own probability), ``exclusive`` or ``priority`` (the
        probabilities of a record sum to 1).
    input
        ``fs_hz``, ``duration_s``, and ``highpass_hz`` if there is one; if the network reads images
        also ``layout``, ``size`` [H, W] in pixels, and, except in the oldest runs, ``rhythm`` and
        ``pen``.
    thresholds
        Calibrated probability from which a class is predicted as present, by class.
    temperature
        Divisor of the logits; None if the run is not calibrated.
    refer
        Referral band (see ``calibration.referral``); None if the run has none.
    ranked
        Classes that are ranked but not called in answers (see ``evaluation.ranked_classes``).

    Examples
    --------
    >>> model = ecgcore.load_model("resnet1d_scaled")
    >>> model
    Classifier(resnet1d_scaled: 10 classes, multilabel, signals of 10 s at 100 Hz)
    >>> model.predict_proba(ecgcore.examples()[0]).shape
    (1, 10)
    """

    run: Run
    model: nn.Module
    classes: tuple[str, ...]
    target_mode: str
    input: dict[str, Any]
    thresholds: dict[str, float]
    temperature: float | None = None
    refer: dict[str, Any] | None = None
    ranked: dict[str, RankedClass] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return one line: run, classes and input."""
        kind = "signals"
        if self.reads_images:
            height, width = self.input["size"]
            kind = f"{self.input['layout']} images of {width}x{height} px"
        return (
            f"Classifier({self.run_id}: {len(self.classes)} classes, {self.target_mode}, {kind} of "
            f"{self.input['duration_s']:g} s at {self.input['fs_hz']:g} Hz)"
        )

    @property
    def run_id(self) -> str:
        """Id of the run, or name of the shipped model."""
        return self.run.id

    @property
    def cam_layer(self) -> nn.Module:
        """Layer that Grad-CAM reads."""
        return self.model.cam_layer  # type: ignore[return-value]

    @property
    def reads_images(self) -> bool:
        """True if the network reads images, False if it reads signals."""
        return "layout" in self.input

    @property
    def highpass_hz(self) -> float:
        """Cut-off of the high-pass before the network; 0 for none."""
        return self.input.get("highpass_hz", 0.0)

    @property
    def geometry(self) -> Geometry:
        """Geometry of the training images."""
        return geometry_from_json(self.input)

    def predict_proba(
        self, x: ModelInput | Sequence[ModelInput], fs_hz: float | None = None
    ) -> np.ndarray:
        """Return calibrated probabilities, one row per record.

        Parameters
        ----------
        x
            A record, a file path, or a list of them; or an array in mV of shape (12, T) or
            (B, 12, T), leads in the order I, II, III, aVR, aVL, aVF, V1-V6, NaN where nothing was
            recorded. Signals are resampled to the run's rate, cropped to its duration, and padded
            with missing values if shorter.
        fs_hz
            Sampling rate in Hz of arrays, and of files that do not state one.

        Returns
        -------
        np.ndarray
            (B, classes) float64 in 0..1, columns in the order of ``classes``.

        Raises
        ------
        RequestError
            An array of another shape or type, or without ``fs_hz``.
        UnreadableRecord
            A file that is no 12-lead ECG, or an image drawn differently from the training images.

        Examples
        --------
        >>> import numpy as np
        >>> from ecgcore.inference.model import load_model
        >>> model = load_model("resnet1d_scaled")
        >>> signals_mv = np.random.default_rng(1).normal(size=(2, 12, 5000))
        >>> model.predict_proba(signals_mv, fs_hz=500).shape
        (2, 10)
        """
        inputs = to_inputs(x, self, fs_hz)
        rows = [np.empty((0, len(self.classes)))]
        for start in range(0, len(inputs), BATCH_SIZE):
            logits = self.logits(self.inputs(inputs[start : start + BATCH_SIZE]))
            rows.append(self.calibrated(logits))
        return np.concatenate(rows).astype(np.float64)

    def predict(
        self, x: ModelInput | Sequence[ModelInput], fs_hz: float | None = None
    ) -> np.ndarray:
        """Return the classes predicted as present, one row per record.

        Parameters
        ----------
        x, fs_hz
            As in :meth:`predict_proba`.

        Returns
        -------
        np.ndarray
            (B, classes) bool; see :meth:`predicted_labels`.

        Examples
        --------
        >>> import numpy as np
        >>> from ecgcore.inference.model import load_model
        >>> model = load_model("resnet1d_scaled")
        >>> labels = model.predict("examples/ptb-xl/records100/00000/00147_lr.hea")
        >>> [code for code, is_present in zip(model.classes, labels[0]) if is_present]
        ['NSR']
        """
        return self.predicted_labels(self.predict_proba(x, fs_hz))

    def signals(self, records: Sequence[Record]) -> Tensor:
        """Return (B, 12, T) mV at the run's rate, duration and high-pass, NaN where missing.

        Gaps that a file writes as a flat line are missing, too: a line misleads networks further.
        """
        fs_hz, duration_s = self.input["fs_hz"], self.input["duration_s"]
        marked = [replace(record, signal_mv=find_gaps(record).signal_mv) for record in records]
        resampled = [resample_record(record, fs_hz, duration_s) for record in marked]
        signals_mv = torch.from_numpy(np.stack([record.signal_mv for record in resampled]))
        return high_pass(signals_mv, fs_hz, self.highpass_hz)

    def inputs(self, items: Sequence[ClassifierInput]) -> Tensor:
        """Return the network's input: ``images`` or ``signals``.

        Raises
        ------
        UnreadableRecord
            An image for a network that reads signals, or one drawn differently.
        """
        if self.reads_images:
            return self.images(items)
        for item in items:
            if isinstance(item, NetworkImage):
                self.check_image(item)
        return self.signals([item for item in items if isinstance(item, Record)])

    def images(self, items: Sequence[ClassifierInput]) -> Tensor:
        """Return the (B, 3, H, W) images in 0..1, 1 is ink; records are drawn.

        Raises
        ------
        UnreadableRecord
            An image drawn differently from the training images.
        """
        records = [item for item in items if isinstance(item, Record)]
        drawn = self._draw(records) if records else torch.empty(0)
        if len(records) == len(items):
            return drawn
        remaining = iter(drawn)
        return torch.stack(
            [next(remaining) if isinstance(i, Record) else self._saved_image(i) for i in items]
        )

    def check_image(self, image: NetworkImage) -> None:
        """Refuse an image that was drawn differently from the training images."""
        if not self.reads_images:
            raise UnreadableRecord(
                f"The image of record {image.name} cannot be read by {self.run_id}, which "
                "reads signals, not images. Give the recording."
            )
        if self.highpass_hz:
            raise UnreadableRecord(
                f"The image of record {image.name} was drawn without the high-pass of "
                f"{self.highpass_hz:g} Hz that {self.run_id} was trained with. Give the recording."
            )
        if image.geometry != self.geometry or image.fs_hz != self.input["fs_hz"]:
            trained_on = describe_image(self.geometry, self.input["fs_hz"])
            raise UnreadableRecord(
                f"The image of record {image.name} is drawn as {image.description}; "
                f"{self.run_id} was trained on {trained_on}. Give the "
                f"recording, or draw it for this run: ecgcore convert --run {self.run_id} …"
            )

    def logits(self, inputs: Tensor) -> np.ndarray:
        """Return (B, classes) float32 logits of images or signals."""
        with torch.inference_mode():
            return self.model(inputs).numpy()

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Return (B, classes) probabilities at the run's temperature."""
        return probabilities(logits, self.target_mode, self.temperature)

    def uncalibrated(self, logits: np.ndarray) -> np.ndarray:
        """Return (B, classes) probabilities at temperature 1."""
        return probabilities(logits, self.target_mode)

    def predicted_labels(self, calibrated: np.ndarray) -> np.ndarray:
        """Return (B, classes) bool: classes predicted as present.

        In ``multilabel`` mode the classes that reach their threshold (0.5 if none was chosen);
        otherwise the most probable class.
        """
        if self.target_mode == "multilabel":
            return calibrated >= [self.thresholds.get(code, 0.5) for code in self.classes]
        return calibrated == calibrated.max(axis=1, keepdims=True)

    def referral(self, calibrated: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return which records to refer to a person, and their uncertain classes.

        Returns
        -------
        tuple of np.ndarray or None
            (B,) bool and (B, classes) bool; None if the run has no referral band.
        """
        if self.refer is None:
            return None
        uncertain = uncertain_classes(calibrated, self.classes, self.refer)
        if self.refer["bands"] is None:
            return referred_records(calibrated, self.classes, self.refer), uncertain
        return np.asarray(uncertain.any(axis=1)), uncertain

    def _draw(self, records: Sequence[Record]) -> Tensor:
        return draw_with_geometry(self.signals(records), self.input["fs_hz"], self.geometry)

    def _saved_image(self, image: NetworkImage) -> Tensor:
        self.check_image(image)
        return torch.from_numpy(image.image)


def load_model(
    reference: str | Path, workspace: Workspace | Path | str | None = None
) -> Classifier:
    """Load a trained run or a shipped model; no code of it is executed.

    Parameters
    ----------
    reference
        Id or folder of a run, or name of a shipped model (``ecgcore runs list`` shows all).
    workspace
        Workspace or its folder; by default ``$ECGCORE_HOME``, else ``./workspace``.

    Returns
    -------
    Classifier
        Ready for :meth:`Classifier.predict_proba`.

    Raises
    ------
    NotFound
        No run or model of that name; the message suggests the nearest.
    DamagedFile
        A file of the run is missing or altered.
    RequestError
        The run has no weights yet.

    Examples
    --------
    >>> from ecgcore.inference.model import load_model
    >>> load_model("alexnet_gap").classes[:3]
    ('NSR', 'STACH', 'SBRAD')
    """
    if not isinstance(workspace, Workspace):
        workspace = Workspace.find(workspace)
    run = find_run(str(reference), workspace)
    meta = run.meta
    run.require_weights()
    model = create_model(meta["model"], len(meta["classes"]), **run.config.model_options)
    load_weights(model, read_tensors(run.weights)[0], run.weights, meta["model"])
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
        ranked=ranked_classes(run.evaluation),
    )
