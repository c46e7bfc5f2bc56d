"""ONNX export: a run as one file that works without this program, checked against the original.

The file takes the network's input, any number of records at once, and returns logits and calibrated
probabilities. Its metadata state what is needed to use it.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.atomic import write_atomic
from ecgcore.errors import EcgError, RequestError
from ecgcore.inference.model import Classifier
from ecgcore.records.record import LEADS, Record
from ecgcore.version import RESEARCH_USE_ONLY, __version__

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
MAX_DIFFERENCE = 1e-4
"""Largest difference of a probability from the original's with which a file is written."""
MAX_LOGIT_DIFFERENCE = 1e-3
"""The same of a logit, as a share of it or, below 1, of 1."""
CHECKED_BATCHES = (1, 5)
"""Batch sizes that the file is checked with."""
OUTPUTS = ("logits", "probabilities")
WAVES = ((-0.16, 0.03, 0.1), (0.0, 0.015, 1.0), (0.25, 0.06, 0.3))
"""Waves of the simulated records: peak after R in s, width in s, height in mV."""


class CalibratedNetwork(nn.Module):
    """A network that returns its logits and the calibrated probabilities."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.model = classifier.model
        self.is_multilabel = classifier.target_mode == "multilabel"
        self.temperature = classifier.temperature or 1.0

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:  # → (B, classes), twice
        logits = self.model(inputs)
        scaled = logits / self.temperature
        return logits, scaled.sigmoid() if self.is_multilabel else scaled.softmax(dim=1)


def export_onnx(classifier: Classifier, file: Path) -> dict[str, Any]:
    """Write a run's network as an ONNX file, provided that onnxruntime reproduces its answers.

    Parameters
    ----------
    classifier
        The network to export.
    file
        File to write.

    Returns
    -------
    dict
        ``run``, ``file``, ``bytes``, ``inputs`` and ``outputs`` (name → shape),
        ``largest_difference`` of a probability, and the number of ``records`` checked.

    Raises
    ------
    RequestError
        The packages are not installed, or the folder does not exist.
    EcgError
        The file's answers differ from the network's; then nothing is written.
    """
    _check_request(file)
    batches = [classifier.inputs(_simulate(n, classifier.input)) for n in CHECKED_BATCHES]
    program = _export(classifier, batches[-1])
    answer: dict[str, Any] = {"run": classifier.run_id, "file": str(file)}

    def write(temporary: Path) -> None:
        program.save(temporary)
        answer["bytes"] = temporary.stat().st_size
        answer.update(_compare(temporary, classifier, batches))

    write_atomic(file, write)
    return answer | {"records": sum(CHECKED_BATCHES)}


def onnx_metadata(classifier: Classifier) -> dict[str, str]:
    """Return the file's metadata: texts, and numbers and lists as JSON."""
    meta, settings = classifier.run.meta, classifier.input
    image_settings = {}
    if classifier.reads_images:
        geometry = classifier.geometry
        image_settings = {
            "layout": geometry.layout,
            "size_px": [geometry.height, geometry.width],
            "rhythm": geometry.rhythm,
            "pen": geometry.stroke_version,
            "px_per_s": geometry.px_per_s,
            "px_per_mv": geometry.px_per_mv,
        }
    images, signals = "images (B, 3, H, W), 0 ground to 1 ink", "signals (B, 12, T) in mV"
    content = {
        "note": RESEARCH_USE_ONLY,
        "run": meta["run"],
        "model": meta["model"],
        "ecgcore": __version__,
        "input": images if image_settings else signals,
        "leads": LEADS,
        "fs_hz": settings["fs_hz"],
        "duration_s": settings["duration_s"],
        "highpass_hz": classifier.highpass_hz,
        **image_settings,
        "classes": classifier.classes,
        "target_mode": classifier.target_mode,
        "temperature": classifier.temperature,
        "thresholds": classifier.thresholds,
        "weights_sha256": classifier.run.weights_hash,
    }
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in content.items()}


def _check_request(file: Path) -> None:
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        verb = "are" if missing[1:] else "is"
        raise RequestError(
            f"ONNX export needs {', '.join(missing)}, which {verb} not installed: pip install "
            f"{' '.join(PACKAGES)}."
        )
    if file.is_dir():
        raise RequestError(f"{file} is a folder; name the file to write, such as {file}/NAME.onnx.")
    if not file.absolute().parent.is_dir():
        raise RequestError(f"The folder {file.parent} for {file.name} does not exist; create it.")


def _export(classifier: Classifier, inputs: Tensor) -> "ONNXProgram":
    """Return the network as an ONNX program with its metadata and nothing about this machine."""
    name = "images" if classifier.reads_images else "signals"
    program = torch.onnx.export(
        CalibratedNetwork(classifier).eval(),
        (inputs,),
        input_names=[name],
        output_names=list(OUTPUTS),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise EcgError("torch returned no ONNX program; try another version of torch.")
    model = program.model
    model.producer_name, model.producer_version = "ecgcore", __version__
    model.doc_string = RESEARCH_USE_ONLY
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, with the folders of this machine
    model.metadata_props.update(onnx_metadata(classifier))
    return program


def _compare(file: Path, classifier: Classifier, batches: list[Tensor]) -> dict[str, Any]:
    """Return the file's inputs, outputs and largest difference from the network.

    Raises
    ------
    EcgError
        The answers differ.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # no warnings about absent devices
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    differences = []
    for inputs in batches:
        logits, p = session.run(list(OUTPUTS), {session.get_inputs()[0].name: inputs.numpy()})
        expected = classifier.logits(inputs)
        limit = MAX_LOGIT_DIFFERENCE
        is_close = np.allclose(logits, expected, rtol=limit, atol=limit)
        largest = np.abs(p - classifier.calibrated(expected)).max()
        differences.append(largest if is_close else np.inf)
    largest = float(np.max(differences))
    if not largest <= MAX_DIFFERENCE:  # true for NaN, too
        raise EcgError(
            f"The ONNX file's answers differ from those of {classifier.run_id}: in its logits, or "
            f"in a probability by more than {MAX_DIFFERENCE:g}. Nothing was written; try another "
            "version of onnxruntime or torch."
        )
    return {
        "inputs": {tensor.name: tensor.shape for tensor in session.get_inputs()},
        "outputs": {tensor.name: tensor.shape for tensor in session.get_outputs()},
        "largest_difference": largest,
    }


def _simulate(n: int, settings: dict[str, Any]) -> list[Record]:
    """Return simulated records: beats at various rates; the last lacks a lead and its end."""
    fs_hz, duration_s = settings["fs_hz"], settings["duration_s"]
    rng = np.random.default_rng(n)
    time_s = np.arange(round(duration_s * fs_hz)) / fs_hz
    records = []
    for number in range(n):
        rr_s = rng.uniform(0.5, 1.2)
        from_r_s = (time_s + rng.uniform(0, rr_s)) % rr_s - 0.35 * rr_s
        waves = [np.exp(-(((from_r_s - peak_s) / width_s) ** 2)) for peak_s, width_s, _ in WAVES]
        heights_mv = rng.normal(0, [height_mv for *_, height_mv in WAVES], (len(LEADS), len(WAVES)))
        signal_mv = heights_mv @ waves + rng.normal(0, 0.02, (len(LEADS), len(time_s)))
        records.append(Record(signal_mv.astype(np.float32), fs_hz, f"simulated {number}"))
    records[-1].signal_mv[3] = np.nan
    records[-1].signal_mv[:, -len(time_s) // 5 :] = np.nan
    return records
