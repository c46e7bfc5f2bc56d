"""Options of ``ecgcore train``, made from the descriptions of the training settings."""

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ecgcore.runs.settings import FLAG, NUMBER, SIZE, TEXT, WHOLE, Setting, by_group

_TYPES = {TEXT: str, SIZE: str, WHOLE: int, NUMBER: float, FLAG: bool}
_METAVARS = {WHOLE: "<int>", NUMBER: "<float>"}
"""Of the numbers, which the settings themselves read and check: their messages state the range."""


class GroupedCommand(TyperCommand):
    """Command whose help lists its options under the headings of their groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is not None:
                heading = getattr(parameter, "rich_help_panel", None) or "Options"
                groups.setdefault(heading, []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def with_settings(settings: Iterable[Setting]) -> Callable[[Callable], Callable]:
    """Return a decorator: a command's ``**settings`` become one option each, None by default."""
    options = [_parameter(one) for _, members in by_group(settings) for one in members]

    def decorate(command: Callable) -> Callable:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        parameters = [*options, *own]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return decorate


def option_help(setting: Setting) -> str:
    """Return an option's help: its sentence, then range and default."""
    limits = "; ".join(filter(None, (setting.range, f"default: {setting.default_words}")))
    return f"{setting.help} [{'required' if setting.is_required else limits}]"


def _parameter(setting: Setting) -> inspect.Parameter:
    names = setting.option
    if setting.kind == FLAG:
        names += f"/--no-{setting.option.removeprefix('--')}"
    metavar = _METAVARS.get(setting.kind)
    option = typer.Option(
        names,
        help=option_help(setting),
        rich_help_panel=setting.group,
        metavar=metavar,
        parser=setting.parse_text if metavar else None,
    )
    annotation = Annotated[_TYPES[setting.kind] | None, option]  # type: ignore[valid-type,name-defined]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(setting.name, kind, default=None, annotation=annotation)
