"""An exported ONNX file answers as its run does, describes itself, and is written whole or not."""

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
from ecgcore.inference.model import load_model
from ecgcore.inference.onnx_export import export_onnx
from ecgcore.models import alexnet, create_model, list_models, model_info
from ecgcore.runs.run import Run
from ecgcore.runs.weights import write_tensors
from ecgcore.workspace import Workspace

SKIPPED = ("alexnet_bn", "alexnet_se", "resnet1d_scaled")
"""To save time: their blocks, heads and classes are those of others."""
SHAPES = {"resnet1d": {"depth": 4, "width": 8, "kernel": 5}}


def make_run(folder, like: Run, name: str, mode: str = "multilabel", **calibrated) -> Run:
    """Return a run with random weights of a network, calibrated and drawn as another run."""
    shape, info = SHAPES.get(name, {}), model_info(name)
    settings = {"fs_hz": 100, "duration_s": 10.0}
    if info.input == "image":
        side = 224 if info.fixed_size else 67
        settings |= {"layout": "panels", "size": [side, side], "pen": 2}
    config = like.meta["config"] | shape | {"model": name}
    own = {"model": name, "config": config, "input": settings, "target_mode": mode, "run": name}
    write_json(folder / "run.json", like.meta | own)
    write_json(folder / "calibration.json", like.calibration | calibrated)
    torch.manual_seed(3)
    model = create_model(name, len(like.meta["classes"]), **shape)
    for tensor in model.parameters():  # fresh networks give all classes the same
        torch.nn.init.normal_(tensor, std=0.05)
    write_tensors(folder / "weights.safetensors", model.state_dict())
    return Run(folder)


def run_onnx(file, inputs):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (name,) = [one.name for one in session.get_inputs()]
    return session.run(["logits", "probabilities"], {name: inputs.numpy()})


@pytest.mark.parametrize("name", [n for n in list_models() if n not in SKIPPED])
def test_every_network_answers_from_its_file(name, small_pair, tmp_path, monkeypatch):
    monkeypatch.setattr(alexnet, "FC_WIDTH", 16)  # else 230 MB each
    mode = "exclusive" if "se" in name else "multilabel"
    run = make_run(tmp_path / "run", small_pair[1], name, mode)
    classifier = load_model(str(run.folder), Workspace(tmp_path))
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
        logits, p = run_onnx(tmp_path / "net.onnx", inputs)
        with torch.inference_mode():
            own = classifier.model(inputs).numpy()
        np.testing.assert_allclose(logits, own, rtol=1e-4, atol=1e-4)
        expected = probabilities(own, mode, classifier.temperature)
        np.testing.assert_allclose(p, expected, atol=1e-5)
        assert np.ptp(p) > 0.001
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["net.onnx"]


@pytest.fixture(scope="module")
def exported(small_pair, tmp_path_factory):
    """Return (run, file, stdout, stderr) of the command."""
    workspace, run, _ = small_pair
    file, streams = tmp_path_factory.mktemp("exported") / "net.onnx", (StringIO(), StringIO())
    arguments = ["export", run.id, "--onnx", str(file), "--json", "--home", str(workspace.path)]
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
    ):
        patch.setattr(sys, "argv", ["ecgcore", *arguments])
        with pytest.raises(SystemExit, match=r"^0$"):
            cli.main()
    return run, file, *(one.getvalue() for one in streams)


def test_the_command_answers_in_one_line_with_the_largest_difference(exported):
    run, file, out, err = exported
    answer = json.loads(out)
    assert list(answer) == [
        "run",
        "file",
        "bytes",
        "inputs",
        "outputs",
        "largest_difference",
        "records",
    ]
    assert (answer["run"], answer["file"]) == (run.id, str(file))
    assert answer["bytes"] == file.stat().st_size
    assert err == (
        f"{file} written: {answer['bytes']:,} bytes; largest difference of a probability "
        f"{answer['largest_difference']:.0e} over 6 simulated records.\n"
    )


def test_the_metadata_describe_the_network_and_not_this_machine(exported):
    run, file, _, _ = exported
    model = onnx.load(file)
    onnx.checker.check_model(model)
    metadata = {one.key: one.value for one in model.metadata_props}
    assert metadata["note"] == model.doc_string == RESEARCH_USE_ONLY
    assert (metadata["run"], metadata["model"]) == (run.id, "alexnet_gap")
    assert json.loads(metadata["classes"]) == run.meta["classes"]
    assert json.loads(metadata["leads"]) == run.meta["leads"]
    assert (metadata["fs_hz"], metadata["duration_s"], metadata["layout"]) == (
        "100",
        "10.0",
        "stacked",
    )
    assert json.loads(metadata["size_px"]) == run.meta["input"]["size"]
    assert float(metadata["px_per_mv"]) == run.meta["input"]["geometry"]["px_per_mv"]
    assert json.loads(metadata["pen"]) == run.meta["input"]["pen"]
    assert json.loads(metadata["thresholds"]) == run.calibration["thresholds"]
    assert metadata["weights_sha256"] == sha256_file(run.weights)
    assert b".py" not in file.read_bytes()  # stack traces name folders


def test_a_file_with_other_answers_is_not_written(exported, small_pair, tmp_path, monkeypatch):
    workspace, run, other = small_pair
    file = tmp_path / "net.onnx"
    file.write_bytes(b"what was there before")

    class Program:
        def save(self, file):
            shutil.copyfile(exported[1], file)

    monkeypatch.setattr(onnx_export, "_export", lambda classifier, inputs: Program())
    assert (
        export_onnx(load_model(run.id, workspace), tmp_path / "same.onnx")["largest_difference"]
        < 1e-4
    )
    with pytest.raises(
        EcgError, match=rf"^The ONNX file's answers differ from those of {other.id}: in its log"
    ):
        export_onnx(load_model(other.id, workspace), file)
    assert file.read_bytes() == b"what was there before"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Nothing to write; add --to FOLDER, --onnx FILE, or both."),
        (["--onnx", "nowhere/a.onnx"], "The folder nowhere for a.onnx does not exist; create it."),
        (["--onnx", "."], ". is a folder; name the file to write, such as ./NAME.onnx."),
    ],
)
def test_what_cannot_be_written_is_refused(arguments, message, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("export", "alexnet_gap", *arguments)
    assert (code, out, err) == (2, "", f"{message}\n")


def test_without_onnx_one_line_says_how_to_install_it(small_pair, tmp_path, monkeypatch):
    workspace, trained, _ = small_pair
    for name in ("onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RequestError) as refused:
        export_onnx(load_model(trained.id, workspace), tmp_path / "a.onnx")
    assert str(refused.value) == (
        "ONNX export needs onnxscript, onnxruntime, which are not installed: pip install onnx "
        "onnxscript onnxruntime."
    )


def test_a_run_without_weights_is_refused(small_pair, run, tmp_path):
    trained = make_run(tmp_path / "run", small_pair[1], "resnet1d")
    trained.weights.unlink()
    trained.update_status(**small_pair[1].status | {"state": "cancelled"})
    code, _, err = run("export", trained.folder, "--onnx", tmp_path / "a.onnx")
    assert code == 2
    assert "has no weights yet" in err
    assert not (tmp_path / "a.onnx").exists()
