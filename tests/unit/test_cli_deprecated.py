"""Old spellings of commands and options answer as the new ones and name them on stderr."""

import pytest
import typer
from recordings import EXAMPLES

from ecgcore import cli
from ecgcore.cli import deprecated
from ecgcore.cli.deprecated import translate

HEADER = next(EXAMPLES.rglob("*.hea"))
OPTIONS = [
    (command, old, new)
    for command, renamed in deprecated.OPTIONS.items()
    for old, new in renamed.items()
]


def translated(*arguments):
    """Return the new arguments and the warnings."""
    warnings = []
    return translate(arguments, warnings.append), warnings


def option_names(command):
    """Return all options of a top-level command and of its subcommands."""
    commands = [typer.main.get_command(cli.app).commands[command]]
    commands += getattr(commands[0], "commands", {}).values()
    return {
        option
        for one in commands
        for parameter in one.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize(("command", "old", "new"), OPTIONS)
def test_an_old_option_becomes_the_new_one_and_says_so(command, old, new):
    message = f"`{old}` is now `{new}`; the old spelling will be removed in 0.3."
    assert translated(command, old, "1", "x") == ([command, new, "1", "x"], [message])
    assert translated(command, f"{old}=1") == ([command, f"{new}=1"], [message])
    assert new in option_names(command)
    assert old not in option_names(command)


@pytest.mark.parametrize(
    ("old", "new"),
    [("page", "plot"), ("results", "study results"), ("ship", "release")],
)
def test_an_old_command_becomes_the_new_one_and_says_so(old, new):
    message = f"`ecgcore {old}` is now `ecgcore {new}`; the old spelling will be removed in 0.3."
    assert translated(old, "--to", "x") == ([*new.split(), "--to", "x"], [message])


def test_an_old_command_takes_its_old_options():
    arguments, warnings = translated("page", "ecg.hea", "--seconds", "5", "--from-s=2")
    assert arguments == ["plot", "ecg.hea", "--duration-s", "5", "--start-s=2"]
    assert len(warnings) == 3


def test_each_old_option_is_named_once_and_values_are_left_alone():
    arguments, warnings = translated("classify", "--on", "local", "--on=ray", "--", "--on")
    assert arguments == ["classify", "--executor", "local", "--executor=ray", "--", "--on"]
    assert len(warnings) == 1
    assert translated("study", "levels", "--only", "alexnet*") == (
        ["study", "levels", "--only", "alexnet*"],
        [],
    )
    assert translated() == ([], [])


def test_the_command_line_answers_old_spellings_like_new_ones(run, tmp_path):
    new = run("plot", HEADER, "--to", tmp_path / "new.svg", "--duration-s", 5)
    old = run("page", HEADER, "--to", tmp_path / "old.svg", "--seconds", 5)
    assert (new[0], old[0]) == (0, 0)
    assert (tmp_path / "old.svg").read_text() == (tmp_path / "new.svg").read_text()
    assert old[2].splitlines() == [
        "`ecgcore page` is now `ecgcore plot`; the old spelling will be removed in 0.3.",
        "`--seconds` is now `--duration-s`; the old spelling will be removed in 0.3.",
    ]
    code, out, err = run("measure", HEADER, "--from-s", 1, "--json")
    assert (code, err) == (
        0,
        "`--from-s` is now `--start-s`; the old spelling will be removed in 0.3.\n",
    )
    assert out == run("measure", HEADER, "--start-s", 1, "--json")[1]
