"""A run as one ONNX file that answers without this program, checked against the original.

The file takes what the network takes, any number of records at once, and gives both its logits and
the probabilities that this program gives. What a reader must know to use it lies in its metadata.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore import RESEARCH_USE_ONLY, __version__
from ecgcore.atomic import sha256_file, write_atomic
from ecgcore.errors import EcgError, RequestError
from ecgcore.inference.model import Classifier
from ecgcore.records.record import LEADS, Record

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

NEEDED = ("onnx", "onnxscript", "onnxruntime")
ALLOWED = 1e-4
"""Largest difference of a probability from the original's with which a file is written."""
ALLOWED_LOGIT = 1e-3
"""The same of a logit, as a share of it or, below 1, of 1."""
BATCHES = (1, 5)
OUTPUTS = ("logits", "probabilities")
WAVES = ((-0.16, 0.03, 0.1), (0.0, 0.015, 1.0), (0.25, 0.06, 0.3))
"""Of the records that the file is checked with: peak after R in s, width in s, height in mV."""


class Answering(nn.Module):
    """A network that gives its logits and the calibrated probabilities."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.model = classifier.model
        self.each = classifier.target_mode == "multilabel"
        self.temperature = classifier.temperature or 1.0

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:  # → (B, classes), twice
        logits = self.model(inputs)
        scaled = logits / self.temperature
        return logits, scaled.sigmoid() if self.each else scaled.softmax(dim=1)


def export_onnx(classifier: Classifier, file: Path) -> dict[str, Any]:
    """Write a run's network as an ONNX file, if onnxruntime answers with it as the original does.

    Returns
    -------
    dict
        ``run``, ``file``, ``bytes``, ``inputs`` and ``outputs`` (name → shape),
        ``largest_difference`` of a probability, and of how many ``records``.

    Raises
    ------
    RequestError
        The packages are not installed, or there is no such folder.
    EcgError
        The file answers otherwise than the network; then nothing is written.
    """
    _check_request(file)
    batches = [classifier.inputs(_records(n, classifier.input)) for n in BATCHES]
    program = _program(classifier, batches[-1])
    answer: dict[str, Any] = {"run": classifier.run_id, "file": str(file)}

    def write(beside: Path) -> None:
        program.save(beside)
        answer["bytes"] = beside.stat().st_size
        answer.update(_checked(beside, classifier, batches))

    write_atomic(file, write)
    return answer | {"records": sum(BATCHES)}


def metadata(classifier: Classifier) -> dict[str, str]:
    """Return what is said in the file: texts, and numbers and lists as JSON."""
    meta, given = classifier.run.meta, classifier.input
    drawn = {}
    if classifier.reads_images:
        measures = classifier.geometry
        drawn = {
            "layout": measures.layout,
            "size_px": [measures.height, measures.width],
            "rhythm": measures.rhythm,
            "pen": measures.pen,
            "px_per_s": measures.px_per_s,
            "px_per_mv": measures.px_per_mv,
        }
    said = {
        "note": RESEARCH_USE_ONLY,
        "run": meta["run"],
        "model": meta["model"],
        "ecgcore": __version__,
        "input": "images (B, 3, H, W), 0 ground to 1 ink" if drawn else "signals (B, 12, T) in mV",
        "leads": LEADS,
        "fs_hz": given["fs_hz"],
        "duration_s": given["duration_s"],
        **drawn,
        "classes": classifier.classes,
        "target_mode": classifier.target_mode,
        "temperature": classifier.temperature,
        "thresholds": classifier.thresholds,
        "weights_sha256": sha256_file(classifier.run.weights),
    }
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in said.items()}


def _check_request(file: Path) -> None:
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise RequestError(
            f"An ONNX file needs {', '.join(missing)}, which is not installed: pip install "
            f"{' '.join(NEEDED)}."
        )
    if file.is_dir():
        raise RequestError(f"{file} is a folder; name the file to write, such as {file}/NAME.onnx.")
    if not file.absolute().parent.is_dir():
        raise RequestError(f"There is no folder {file.parent} to write {file.name} into; make it.")


def _program(classifier: Classifier, inputs: Tensor) -> "ONNXProgram":
    """Return the network as an ONNX program with its metadata and nothing about this machine."""
    name = "images" if classifier.reads_images else "signals"
    program = torch.onnx.export(
        Answering(classifier).eval(),
        (inputs,),
        input_names=[name],
        output_names=list(OUTPUTS),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise EcgError("torch gave no ONNX program; try another version of torch.")
    model = program.model
    model.producer_name, model.producer_version = "ecgcore", __version__
    model.doc_string = RESEARCH_USE_ONLY
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, with the folders of this machine
    model.metadata_props.update(metadata(classifier))
    return program


def _checked(file: Path, classifier: Classifier, batches: list[Tensor]) -> dict[str, Any]:
    """Return the file's inputs, outputs and largest difference from the network.

    Raises
    ------
    EcgError
        It answers otherwise.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # no word on devices that are not there
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    differences = []
    for inputs in batches:
        logits, given = session.run(list(OUTPUTS), {session.get_inputs()[0].name: inputs.numpy()})
        with torch.inference_mode():
            own = classifier.model(inputs).numpy()
        near = np.allclose(logits, own, rtol=ALLOWED_LOGIT, atol=ALLOWED_LOGIT)
        differences.append(np.abs(given - classifier.answer(inputs)).max() if near else np.inf)
    largest = float(np.max(differences))
    if not largest <= ALLOWED:  # no number is not near, either
        raise EcgError(
            f"The ONNX file answers otherwise than {classifier.run_id}: its logits differ, or a "
            f"probability does by more than {ALLOWED:g}. Nothing was written; try another version "
            "of onnxruntime or torch."
        )
    return {
        "inputs": {one.name: one.shape for one in session.get_inputs()},
        "outputs": {one.name: one.shape for one in session.get_outputs()},
        "largest_difference": largest,
    }


def _records(n: int, given: dict[str, Any]) -> list[Record]:
    """Return simulated records: beats at various rates; the last lacks a lead and its end."""
    fs_hz, duration_s = given["fs_hz"], given["duration_s"]
    rng = np.random.default_rng(n)
    at_s = np.arange(round(duration_s * fs_hz)) / fs_hz
    records = []
    for number in range(n):
        rr_s = rng.uniform(0.5, 1.2)
        from_r_s = (at_s + rng.uniform(0, rr_s)) % rr_s - 0.35 * rr_s
        waves = [np.exp(-(((from_r_s - peak_s) / width_s) ** 2)) for peak_s, width_s, _ in WAVES]
        heights_mv = rng.normal(0, [height_mv for *_, height_mv in WAVES], (len(LEADS), len(WAVES)))
        signal_mv = heights_mv @ waves + rng.normal(0, 0.02, (len(LEADS), len(at_s)))
        records.append(Record(signal_mv.astype(np.float32), fs_hz, f"simulated {number}"))
    records[-1].signal_mv[3] = np.nan
    records[-1].signal_mv[:, -len(at_s) // 5 :] = np.nan
    return records
