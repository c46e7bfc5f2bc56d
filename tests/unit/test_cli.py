"""The command line: exit codes, one clear line for each mistake, JSON in the promised form."""

import json
import shutil

import pytest
import typer
from recordings import EXAMPLES

from ecgcore import cli
from ecgcore.labels.classes import CODES


def last_json(out):
    return json.loads(out.splitlines()[-1])


def commands():
    """Return (path of words, command) for each command of the tool."""
    root = typer.main.get_command(cli.app)
    for name, command in root.commands.items():
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield (name,), command
        else:
            yield from (((name, sub), inner) for sub, inner in subcommands.items())


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_command_has_help_with_an_example_of_its_own(words, command):
    assert f"Example: ecgcore {' '.join(words)}" in command.help


def test_every_command_stands_in_the_readme():
    readme = (EXAMPLES.parents[1] / "README.md").read_text()
    for words, _ in commands():
        assert f"`ecgcore {words[0]}" in readme
        assert words[-1] in readme


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
    kept = [" ".join([first[0], "2", *first[2:]]), *lines[1:3]]
    header.write_text("\n".join(kept) + "\n")
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
    found = last_json(out)
    assert code == 0
    assert found["class"] == "LBBB"
    assert found["resolution"].keys() >= {"ms", "leads"}
    assert found.keys() >= {"method", "lead_relevance", "wave_relevance", "off_trace", "trust"}


def test_an_unknown_class_or_method_is_refused_by_name(run, small_pair):
    workspace, model, _ = small_pair
    header = next(EXAMPLES.rglob("*.hea"))
    options = ("--run", model.id, "--home", workspace.path)
    assert "There is no class 'LBB'" in run("explain", header, "--class", "LBB", *options)[2]
    assert "There is no" in run("explain", header, "--method", "magic", *options)[2]


def test_a_page_is_written_as_svg(run, tmp_path):
    header = next(EXAMPLES.rglob("*.hea"))
    code, _, _ = run("plot", header, "--to", tmp_path / "ecg.svg")
    assert code == 0
    assert "Research use only" in (tmp_path / "ecg.svg").read_text()
