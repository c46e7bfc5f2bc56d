"""Command line: help, exit codes, one clear line for each mistake, JSON in the promised form."""

import json
import shlex
import shutil
import subprocess
import sys

import pytest
import typer
from recordings import EXAMPLES

from ecgcore import cli
from ecgcore.cli import reference
from ecgcore.labels.classes import CODES

ROOT = EXAMPLES.parents[1]
GROUPS = {
    "ecgcore cohorts": typer.main.get_command(cli.app).commands["cohorts"],  # works without a verb
}
COMMANDS = dict(reference.commands()) | GROUPS


def last_json(out):
    return json.loads(out.splitlines()[-1])


def parse(arguments):
    """Parse a command line without running it; return the command and its parameters."""
    command, context = typer.main.get_command(cli.app), None
    while True:
        context = command.make_context("ecgcore", list(arguments), parent=context)
        arguments = [*context._protected_args, *context.args]
        if not arguments:
            return context.command, context.params
        _, command, arguments = command.resolve_command(context, arguments)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_ends_in_an_example_of_the_command_that_can_be_run(name):
    _, _, example = COMMANDS[name].help.rpartition("Example: ")
    words = shlex.split(example)
    assert words[: len(name.split())] == name.split()
    command, _ = parse(words[1:])
    assert command.help == COMMANDS[name].help


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_argument_and_option_has_help(name):
    for parameter in COMMANDS[name].params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented(name):
    group, *verb = name.removeprefix("ecgcore ").split()
    readme = (ROOT / "README.md").read_text().splitlines()
    lines = [line for line in readme if f"`ecgcore {group}" in line]
    assert any(all(word in line for word in verb) for line in lines)
    assert name in GROUPS or f"## {name}\n" in (ROOT / "docs" / "commands.md").read_text()


def test_the_command_reference_is_that_of_the_commands():
    assert (ROOT / "docs" / "commands.md").read_text() == reference.markdown()


@pytest.mark.parametrize("arguments", [("--help",), ("runs", "list"), ("train", "--help")])
def test_start_up_does_not_load_torch(arguments, tmp_path):
    script = (
        "import sys; from ecgcore import cli\n"
        f"sys.argv = ['ecgcore', *{arguments!r}]\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'torchvision', 'streamlit', 'captum', 'wfdb', 'matplotlib'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_study_with_a_name_is_short_for_study_run():
    for words in (["levels", "--no-train"], ["--no-train", "levels"]):
        short, full = parse(["study", *words]), parse(["study", "run", *words])
        assert (short[0].help, short[1]) == (full[0].help, full[1])


@pytest.fixture
def a_record(tmp_path):
    """Return a copy of one example's header and signal in a folder of its own."""
    header = next(EXAMPLES.rglob("*.hea"))
    for suffix in (".hea", ".dat"):
        shutil.copy(header.with_suffix(suffix), tmp_path)
    return tmp_path / header.name


def lose_the_signal(header):
    header.with_suffix(".dat").unlink()
    return header


def keep_two_leads(header):
    lines = header.read_text().splitlines()
    first = lines[0].split()
    shortened = [" ".join([first[0], "2", *first[2:]]), *lines[1:3]]
    header.write_text("\n".join(shortened) + "\n")
    return header


def replace_by_text(header):
    header.write_text("Dear colleague, the ECG is attached.\n")
    return header


def empty_csv(header):
    file = header.with_name("nothing.csv")
    file.touch()
    return file


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lose_the_signal, ".dat"),
        (keep_two_leads, "2 leads (I, II)"),
        (replace_by_text, "header"),
        (empty_csv, "empty"),
    ],
)
def test_a_bad_record_is_one_line_and_exit_2(run, small_pair, a_record, spoil, reason):
    workspace, model, _ = small_pair
    file = spoil(a_record)
    code, out, _ = run("classify", file, "--run", model.id, "--home", workspace.path, "--json")
    assert code == 2
    (line,) = out.splitlines()
    answer = json.loads(line)
    assert answer["path"] == str(file)
    assert answer["probabilities"] is None
    assert reason in answer["error"]
    code, _, err = run("explain", file, "--run", model.id, "--home", workspace.path)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            ("train", "--cohort", "examples", "--model", "alexnet_mse"),
            "There is no model 'alexnet_mse'. Did you mean 'alexnet_m_se'?",
        ),
        (("train", "--cohort", "exam"), "There is no cohort 'exam'. Did you mean 'examples'?"),
        (("evaluate", "some-run"), "There is no run 'some-run'."),
        (("classify", "nowhere", "--run", "alexnet_ga"), "Did you mean 'alexnet_gap'?"),
        (("ingest", "nowhere", "--cohort", "new"), "nowhere"),
        (("ingest", str(EXAMPLES / "LICENSE.txt"), "--cohort", "new"), "No ECG was found"),
        (("convert", "--cohort", "none", "--to", "x"), "There is no cohort 'none'."),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_2(run, examples_home, command, message):
    before = sorted(examples_home.path.rglob("*"))
    code, out, err = run(*command, "--home", examples_home.path)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert [p for p in sorted(examples_home.path.rglob("*")) if p.suffix != ".lock"] == [
        p for p in before if p.suffix != ".lock"
    ]


def test_ingest_promises_its_form_and_counts_everything(run, tmp_path):
    code, out, _ = run("ingest", EXAMPLES, "--cohort", "e", "--home", tmp_path, "--json")
    answer = last_json(out)
    assert code == 0
    assert answer["found"] == 160
    lost = len(answer["rejected"]) + len(answer["duplicates"])
    assert answer["read"] + lost == answer["found"]
    assert list(answer["classes"]["core"]) == list(CODES)
    assert set(answer["targets"]) == {"multilabel", "exclusive", "priority"}
    assert answer["targets"]["exclusive"]["classes"] == dict.fromkeys(CODES, 16)


def test_evaluate_and_compare_promise_their_forms(run, small_pair):
    workspace, a, b = small_pair
    _, out, _ = run("evaluate", a.id, "--home", workspace.path, "--json")
    one = last_json(out)
    assert one.keys() >= {"run", "n", "patients", "accuracy", "macro_f1", "confusion"}
    assert one["macro_auc"].keys() >= {"value", "low", "high", "level", "unit"}
    measures = {"n", "precision", "recall", "f1", "auc", "average_precision"}
    assert all(c.keys() >= measures for c in one["classes"].values())
    _, out, _ = run("compare", a.id, b.id, "--home", workspace.path, "--json")
    both = last_json(out)
    assert (both["a"], both["b"], both["n_common"]) == (a.id, b.id, one["n"])
    assert {"p", "form"} <= both["mcnemar"].keys()
    assert set(both["delong"]) == set(CODES)
    code, out, _ = run("compare", a.id, b.id, "--home", workspace.path)
    assert code == 0
    assert "macro" in out


def test_classify_and_explain_promise_their_forms(run, small_pair):
    workspace, model, _ = small_pair
    header = next(EXAMPLES.rglob("*.hea"))
    options = ("--run", model.id, "--home", workspace.path, "--json")
    code, out, _ = run("classify", header, *options)
    answer = last_json(out)
    assert code == 0
    assert list(answer["probabilities"]) == list(CODES)
    assert answer["top"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert answer.keys() >= {"path", "record", "run", "raw", "refer", "quality", "error"}
    code, out, _ = run("explain", header, "--class", "LBBB", *options)
    explanation = last_json(out)
    assert code == 0
    assert explanation["class"] == "LBBB"
    assert explanation["resolution"].keys() >= {"ms", "leads"}
    assert explanation.keys() >= {
        "method",
        "lead_relevance",
        "wave_relevance",
        "off_trace",
        "trust",
    }


def test_an_unknown_class_or_method_is_refused_by_name(run, small_pair):
    workspace, model, _ = small_pair
    header = next(EXAMPLES.rglob("*.hea"))
    options = ("--run", model.id, "--home", workspace.path)
    assert "There is no class 'LBB'" in run("explain", header, "--class", "LBB", *options)[2]
    assert "There is no" in run("explain", header, "--method", "magic", *options)[2]


def test_an_ecg_is_plotted_as_svg(run, tmp_path):
    header = next(EXAMPLES.rglob("*.hea"))
    code, _, _ = run("plot", header, "--to", tmp_path / "ecg.svg")
    assert code == 0
    assert "Research use only" in (tmp_path / "ecg.svg").read_text()
