"""Command reference in Markdown, made from the commands: ``python -m ecgcore.cli.reference``."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from ecgcore.cli import app

HEAD = """# Commands

Made by `python -m ecgcore.cli.reference > docs/commands.md`, from the commands themselves;
`ecgcore COMMAND --help` prints the same. Exit codes: 0 done, 1 failed, 2 the request was wrong.
"""


def commands(group: Any = None, prefix: str = "ecgcore") -> Iterator[tuple[str, Any]]:
    """Yield each command with its full name; groups are walked, hidden commands left out."""
    group = typer.main.get_command(app) if group is None else group
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def markdown() -> str:
    """Return the reference of all commands as one Markdown page."""
    return "\n".join([HEAD, *(_section(name, command) for name, command in commands())])


def _section(name: str, command: Any) -> str:
    text, _, example = inspect.cleandoc(command.help or "").partition("Example:")
    lines = [f"## {name}", "", text.strip(), ""]
    if example:
        lines += ["```bash", " ".join(example.split()), "```", ""]
    lines += ["| argument or option | meaning | default |", "|---|---|---|"]
    lines += [
        _row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)
    ]
    return "\n".join([*lines, ""])


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{(parameter.metavar or parameter.name or '').upper()}`"
    else:
        name = ", ".join(f"`{option}`" for option in parameter.opts)
    meaning = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    value = parameter.default
    is_empty = (
        value is None
        or callable(value)
        or value is False
        or value == ()
        or "Sentinel" in repr(value)
    )
    return f"| {name} | {' '.join(meaning.split())} | {'' if is_empty else f'`{value}`'} |"


if __name__ == "__main__":
    print(markdown(), end="")
