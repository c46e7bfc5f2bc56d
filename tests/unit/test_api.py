"""Public API: a sorted list, each name documented, each example run, a light import."""

import doctest
import inspect
import subprocess
import sys

import numpy as np
import pytest

import ecgcore
from ecgcore.inference.inputs import to_inputs

CALLABLE = [name for name in ecgcore.__all__ if callable(getattr(ecgcore, name))]


def test_the_public_list_is_sorted_and_complete():
    assert ecgcore.__all__ == sorted(ecgcore.__all__, key=_constants_then_classes_then_functions)
    assert set(ecgcore._HOMES) | {"RESEARCH_USE_ONLY", "__version__"} == set(ecgcore.__all__)
    assert dir(ecgcore) == sorted(ecgcore.__all__)


def _constants_then_classes_then_functions(name):
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_the_functions_of_the_api_module_are_all_public():
    from ecgcore import api

    functions = {
        name
        for name, function in inspect.getmembers(api, inspect.isfunction)
        if function.__module__ == api.__name__
    }
    assert functions - {"as_record"} == {n for n, home in ecgcore._HOMES.items() if home == "api"}


@pytest.mark.parametrize("name", CALLABLE)
def test_each_public_name_is_documented_with_an_example(name):
    text = inspect.getdoc(getattr(ecgcore, name)) or ""
    assert ">>>" in text, f"{name} has no example"
    assert text[0].isupper()


@pytest.mark.parametrize("name", [n for n in CALLABLE if ecgcore._HOMES[n] == "api"])
def test_each_function_names_its_parameters_and_errors(name):
    function = getattr(ecgcore, name)
    text = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters:
        assert parameter in text
    if inspect.signature(function).parameters:
        assert "Raises" in text


@pytest.fixture
def workspace(examples_home, tmp_path, monkeypatch):
    """Run in an empty folder, in a workspace that holds the cohort ``examples``."""
    import shutil

    without_runs = shutil.ignore_patterns("runs")
    shutil.copytree(examples_home.path, tmp_path / "workspace", ignore=without_runs)
    monkeypatch.setenv("ECGCORE_HOME", str(tmp_path / "workspace"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CALLABLE)
def test_each_example_runs(name, workspace):
    names = {"ecgcore": ecgcore, "np": np, **vars(sys.modules[getattr(ecgcore, name).__module__])}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in doctest.DocTestFinder(recurse=False).find(
        getattr(ecgcore, name), name, globs=names
    ):
        runner.run(example)
    assert runner.failures == 0
    assert runner.tries > 0


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ecgcore' has no attribute 'raed'"):
        _ = ecgcore.raed


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'torch', 'pandas', 'numpy', 'scipy'}"
    code = f"import sys, ecgcore; print(sorted(set(sys.modules) & {heavy}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(ecgcore.EcgError, match=r"no setting 'epoch'\. Did you mean 'epochs'"):
        ecgcore.train(cohort="examples", epoch=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ecgcore.read(None), "path is of type NoneType; a file's path is accepted."),
        (lambda: ecgcore.read("x", start_s="a"), "start_s is of type str; a number is accepted."),
        (lambda: ecgcore.measure(None), "ecg is of type NoneType; a record or a file's path is"),
        (lambda: ecgcore.read_bytes("x", "y"), "content is of type str; a file's content as bytes"),
        (lambda: ecgcore.open_cohort(5), "name is of type int; a cohort's name or URL is"),
        (lambda: ecgcore.evaluate(None), "run is of type NoneType; a run, its id or a shipped"),
        (lambda: ecgcore.ingest(None, "c"), "folder is of type NoneType; a folder's path is"),
        (lambda: ecgcore.train(epochs=1), "A training needs a cohort: cohort='NAME', or a "),
        (lambda: ecgcore.load_model("nope"), "There is no run 'nope'. Available: alexnet_gap, "),
        (lambda: ecgcore.compare("alexnet_gap", "alexnet_gap"), "alexnet_gap would be compared "),
        (lambda: to_inputs(None, None), "NoneType is no ECG; a record, a file path, an array in"),
        (lambda: to_inputs([], None, "a"), "fs_hz is of type str; a number in Hz is accepted."),
    ],
)
def test_an_argument_of_another_type_is_refused_in_one_line(call, message):
    with pytest.raises(ecgcore.EcgError) as refused:
        call()
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
