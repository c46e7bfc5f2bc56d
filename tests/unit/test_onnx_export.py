"""An exported ONNX file answers as its run does, says what it is, and is written whole or not."""

import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from ecgcore import RESEARCH_USE_ONLY, cli
from ecgcore.atomic import sha256_file, write_json
from ecgcore.calibration.calibration import probabilities
from ecgcore.errors import EcgError, RequestError
from ecgcore.inference import onnx_export
from ecgcore.inference.model import load
from ecgcore.inference.onnx_export import export_onnx
from ecgcore.models import alexnet, create_model, list_models, model_info
from ecgcore.runs.run import Run
from ecgcore.runs.weights import write_tensors
from ecgcore.workspace import Workspace

LEFT_OUT = ("alexnet_bn", "alexnet_se", "resnet1d_scaled")
"""For their time: their blocks, heads and classes are those of others."""
SHAPES = {"resnet1d": {"depth": 4, "width": 8, "kernel": 5}}


def a_run(folder, like: Run, name: str, mode: str = "multilabel", **calibrated) -> Run:
    """Return a run with random weights of a network, calibrated and drawn as another run."""
    shape, info = SHAPES.get(name, {}), model_info(name)
    given = {"fs_hz": 100, "duration_s": 10.0}
    if info.input == "image":
        side = 224 if info.fixed_size else 67
        given |= {"layout": "panels", "size": [side, side], "pen": 2}
    config = like.meta["config"] | shape | {"model": name}
    own = {"model": name, "config": config, "input": given, "target_mode": mode, "run": name}
    write_json(folder / "run.json", like.meta | own)
    write_json(folder / "calibration.json", like.calibration | calibrated)
    torch.manual_seed(3)
    model = create_model(name, len(like.meta["classes"]), **shape)
    for tensor in model.parameters():  # fresh networks give all classes the same
        torch.nn.init.normal_(tensor, std=0.05)
    write_tensors(folder / "weights.safetensors", model.state_dict())
    return Run(folder)


def answered(file, inputs):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (name,) = [one.name for one in session.get_inputs()]
    return session.run(["logits", "probabilities"], {name: inputs.numpy()})


@pytest.mark.parametrize("name", [n for n in list_models() if n not in LEFT_OUT])
def test_every_network_answers_from_its_file(name, small_pair, tmp_path, monkeypatch):
    monkeypatch.setattr(alexnet, "FC_WIDTH", 16)  # else 230 MB each
    mode = "exclusive" if "se" in name else "multilabel"
    run = a_run(tmp_path / "run", small_pair[1], name, mode)
    classifier = load(str(run.folder), Workspace(tmp_path))
    answer = export_onnx(classifier, tmp_path / "net.onnx")
    assert answer["records"] == 6
    assert 0 <= answer["largest_difference"] < 1e-4
    shape = {
        "image": ["batch", 3, *classifier.input.get("size", ())],
        "signal": ["batch", 12, 1000],
    }
    kind = model_info(name).input
    assert answer["inputs"] == {f"{kind}s": shape[kind]}
    assert answer["outputs"] == {"logits": ["batch", 10], "probabilities": ["batch", 10]}
    for n in (1, 3):
        inputs = torch.rand(n, *shape[kind][1:])
        logits, given = answered(tmp_path / "net.onnx", inputs)
        with torch.inference_mode():
            own = classifier.model(inputs).numpy()
        np.testing.assert_allclose(logits, own, rtol=1e-4, atol=1e-4)
        expected = probabilities(own, mode, classifier.temperature)
        np.testing.assert_allclose(given, expected, atol=1e-5)
        assert np.ptp(given) > 0.001
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["net.onnx"]


@pytest.fixture(scope="module")
def exported(small_pair, tmp_path_factory):
    """Return (run, file, what the command said on stdout and stderr)."""
    workspace, run, _ = small_pair
    file, said = tmp_path_factory.mktemp("exported") / "net.onnx", (StringIO(), StringIO())
    asked = ["export", run.id, "--onnx", str(file), "--json", "--home", str(workspace.path)]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said[0]), redirect_stderr(said[1]):
        patch.setattr(sys, "argv", ["ecgcore", *asked])
        with pytest.raises(SystemExit, match=r"^0$"):
            cli.main()
    return run, file, *(one.getvalue() for one in said)


def test_the_command_answers_in_one_line_and_says_how_near_the_file_is(exported):
    run, file, out, err = exported
    answer = json.loads(out)
    assert list(answer) == [
        "run", "file", "bytes", "inputs", "outputs", "largest_difference", "records"
    ]  # fmt: skip
    assert (answer["run"], answer["file"]) == (run.id, str(file))
    assert answer["bytes"] == file.stat().st_size
    assert err == (
        f"{file} written: {answer['bytes']:,} bytes; largest difference of a probability "
        f"{answer['largest_difference']:.0e} over 6 simulated records.\n"
    )


def test_the_file_says_what_its_reader_must_know_and_nothing_of_this_machine(exported):
    run, file, _, _ = exported
    model = onnx.load(file)
    onnx.checker.check_model(model)
    said = {one.key: one.value for one in model.metadata_props}
    assert said["note"] == model.doc_string == RESEARCH_USE_ONLY
    assert (said["run"], said["model"]) == (run.id, "alexnet_gap")
    assert json.loads(said["classes"]) == run.meta["classes"]
    assert json.loads(said["leads"]) == run.meta["leads"]
    assert (said["fs_hz"], said["duration_s"], said["layout"]) == ("100", "10.0", "stacked")
    assert json.loads(said["size_px"]) == run.meta["input"]["size"]
    assert float(said["px_per_mv"]) == run.meta["input"]["geometry"]["px_per_mv"]
    assert json.loads(said["pen"]) == run.meta["input"]["pen"]
    assert json.loads(said["thresholds"]) == run.calibration["thresholds"]
    assert said["weights_sha256"] == sha256_file(run.weights)
    assert b".py" not in file.read_bytes()  # stack traces name folders


def test_a_file_that_answers_otherwise_is_not_written(exported, small_pair, tmp_path, monkeypatch):
    workspace, run, other = small_pair
    file = tmp_path / "net.onnx"
    file.write_bytes(b"what was there before")

    class Program:
        def save(self, beside):
            shutil.copyfile(exported[1], beside)

    monkeypatch.setattr(onnx_export, "_program", lambda classifier, inputs: Program())
    assert export_onnx(load(run.id, workspace), tmp_path / "same.onnx")["largest_difference"] < 1e-4
    with pytest.raises(
        EcgError, match=rf"^The ONNX file answers otherwise than {other.id}: its log"
    ):
        export_onnx(load(other.id, workspace), file)
    assert file.read_bytes() == b"what was there before"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "Say what to write: --to FOLDER, --onnx FILE, or both."),
        (["--onnx", "nowhere/a.onnx"], "There is no folder nowhere to write a.onnx into; make it."),
        (["--onnx", "."], ". is a folder; name the file to write, such as ./NAME.onnx."),
    ],
)
def test_what_cannot_be_written_is_refused(asked, message, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("export", "alexnet_gap", *asked)
    assert (code, out, err) == (2, "", f"{message}\n")


def test_without_onnx_one_line_says_how_to_install_it(small_pair, tmp_path, monkeypatch):
    workspace, trained, _ = small_pair
    for name in ("onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RequestError) as refused:
        export_onnx(load(trained.id, workspace), tmp_path / "a.onnx")
    assert str(refused.value) == (
        "An ONNX file needs onnxscript, onnxruntime, which is not installed: pip install onnx "
        "onnxscript onnxruntime."
    )


def test_a_run_without_weights_is_refused(small_pair, run, tmp_path):
    trained = a_run(tmp_path / "run", small_pair[1], "resnet1d")
    trained.weights.unlink()
    trained.report(state="cancelled", pid=None)
    code, _, err = run("export", trained.folder, "--onnx", tmp_path / "a.onnx")
    assert code == 2
    assert "has no weights yet" in err
    assert not (tmp_path / "a.onnx").exists()
