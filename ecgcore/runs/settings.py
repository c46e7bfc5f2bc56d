"""Training settings: one description each, from which options, forms, tables and checks are made.

A setting is a dataclass field that ``setting`` declares. Everything that shows or reads settings
takes their descriptions from ``settings_of``: the command's options, the Train page's form, the
report's and the model card's tables, the documentation and the checks of values.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields, replace
from pkgutil import resolve_name
from types import UnionType
from typing import Any, get_args, get_origin

from ecgcore.errors import NotFound, RequestError

GROUPS = (
    "Data and labels",
    "Network",
    "Image",
    "Optimisation",
    "Regularisation",
    "Initialisation",
    "Machine",
)
DATA, NETWORK, IMAGE, OPTIMISATION, REGULARISATION, INITIALISATION, MACHINE = GROUPS

TEXT, WHOLE, NUMBER, FLAG, SIZE = "text", "whole number", "number", "flag", "size"
_KINDS: dict[Any, str] = {str: TEXT, int: WHOLE, float: NUMBER, bool: FLAG}
LONGEST_SHOWN = 40  # characters of a refused value


@dataclass(frozen=True)
class Setting:
    """Description of one training setting.

    Attributes
    ----------
    help
        One plain sentence.
    group
        One of GROUPS.
    label
        Name for people, by default the field's name in words.
    unit
        Unit of a number, such as ``px``.
    low, high
        Accepted range, both ends included.
    among
        Accepted values, or the dotted name of the constant that lists them (imported on use).
    noun
        Word for the value in "There is no … 'x'", by default the field's name in words.
    default_text
        Meaning of the default where it is None, such as ``by network``.
    step
        Step of the form's control.
    is_advanced
        False for the few settings that the Train page shows at first.
    name, kind, default, is_required
        Field's name, kind of value (TEXT, WHOLE, NUMBER, FLAG or SIZE), default, and whether it
        has none; filled in by ``settings_of``.
    """

    help: str
    group: str
    label: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    among: str | Sequence[str] = ()
    noun: str = ""
    default_text: str = ""
    step: float | None = None
    is_advanced: bool = True
    name: str = ""
    kind: str = TEXT
    default: Any = None
    is_required: bool = False

    @property
    def words(self) -> str:
        """Field's name in words."""
        return self.name.replace("_", " ")

    @property
    def title(self) -> str:
        """Name for people."""
        return self.label or self.words.capitalize()

    @property
    def option(self) -> str:
        """Option of ``ecgcore train``."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def choices(self) -> tuple[str, ...]:
        """Accepted values of a text; empty where any is accepted."""
        values = resolve_name(self.among) if isinstance(self.among, str) else self.among
        return tuple(values)

    @property
    def accepted(self) -> str:
        """Accepted values in words; empty where any is accepted."""
        return listed(self.choices, "or") or self.range

    @property
    def range(self) -> str:
        """Accepted range of a number in words; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{_figure(self.low)} to {_figure(self.high)}{unit}"

    @property
    def default_words(self) -> str:
        """Default in words."""
        return "required" if self.is_required else self.in_words(self.default, with_unit=False)

    def in_words(self, value: Any, with_unit: bool = True) -> str:
        """Return a value for people: ``16 records``, ``224×448 px``, ``by network``, ``yes``."""
        if value is None:
            return self.default_text or "none"
        if self.kind == FLAG:
            return "yes" if value else "no"
        unit = f" {self.unit}" if self.unit and with_unit and self.kind != TEXT else ""
        if isinstance(value, list | tuple):
            return "×".join(str(side) for side in value) + unit
        return (value if isinstance(value, str) else _figure(value)) + unit

    def parse(self, value: Any) -> Any:
        """Return a value of a command or a settings file as the field holds it."""
        if self.kind == SIZE and isinstance(value, str) and len(value) <= LONGEST_SHOWN:
            from ecgcore.imaging.geometry import parse_size

            return parse_size(value)
        if self.kind == SIZE and isinstance(value, list):
            return tuple(value)
        if _is_whole(value) and self.kind == TEXT:
            return str(value)  # level = 204
        return float(value) if _is_whole(value) and self.kind == NUMBER else value

    def parse_text(self, text: str) -> Any:
        """Return the number that a word of the command line holds, or the word itself."""
        with suppress(ValueError):  # no number, or one of thousands of digits
            return {WHOLE: int, NUMBER: float}.get(self.kind, str)(text)
        return text

    def check(self, value: Any, with_choices: bool = True) -> None:
        """Refuse a value of another kind, outside the range, or not among the choices.

        Without choices nothing is imported: lists of runs check so.

        Raises
        ------
        RequestError
            In one line: what was found and what is accepted.
        """
        if value is None and self.default is None and not self.is_required:
            return
        if not self._is_of_kind(value):
            raise RequestError(f"{self.words} {_shown(value)} is no {self.kind}{self._hint()}.")
        if self.kind == TEXT:
            self._check_text(value, with_choices)
        elif self.low is not None and self.high is not None:
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(self.low <= number <= self.high for number in numbers):  # nor is NaN
                shown = "×".join(map(_shown, numbers))
                raise RequestError(f"{self.words} {shown} is not accepted; {self.accepted} is.")

    def _is_of_kind(self, value: Any) -> bool:
        if self.kind == SIZE and isinstance(value, tuple):
            return len(value) == 2 and all(_is_whole(side) for side in value)
        if self.kind in (WHOLE, SIZE):
            return _is_whole(value)
        if self.kind == NUMBER:
            return isinstance(value, float) or _is_whole(value)
        return isinstance(value, bool if self.kind == FLAG else str)

    def _check_text(self, value: str, with_choices: bool) -> None:
        if not value.isprintable():
            raise RequestError(
                f"{self.words} {_shown(value)} contains characters that cannot be printed."
            )
        if with_choices and (choices := self.choices) and value not in choices:
            raise NotFound.among(self.noun or self.words, value, choices)

    def _hint(self) -> str:
        accepted = "true or false" if self.kind == FLAG else self.accepted
        return f"; {accepted} is accepted" if accepted else ""


def setting(default: Any = MISSING, **description: Any) -> Any:
    """Return a dataclass field for a setting; ``description`` as in ``Setting``."""
    return field(default=default, metadata={"setting": Setting(**description)})


def with_default(config: type, name: str, default: Any) -> Any:
    """Return a setting of another dataclass as a field with this default."""
    (like,) = (f for f in fields(config) if f.name == name)
    return field(default=default, metadata=like.metadata)


def settings_of(config: type) -> tuple[Setting, ...]:
    """Return the settings that a dataclass declares, in its order."""
    return tuple(
        replace(
            f.metadata["setting"],
            name=f.name,
            kind=_kind_of(f.type),
            default=None if f.default is MISSING else f.default,
            is_required=f.default is MISSING,
        )
        for f in fields(config)
        if "setting" in f.metadata
    )


def by_group(settings: Iterable[Setting]) -> Iterator[tuple[str, list[Setting]]]:
    """Yield each group that has settings, with its settings."""
    settings = list(settings)
    for group in GROUPS:
        if members := [one for one in settings if one.group == group]:
            yield group, members


def settings_markdown(settings: Iterable[Setting]) -> str:
    """Return the table of all settings in docs/training.md."""
    lines = ["| option | meaning | accepted | default |", "|---|---|---|---|"]
    for group, members in by_group(settings):
        lines.append(f"| **{group}** | | | |")
        lines += [
            f"| `{one.option}` | {one.help} | {one.accepted} | {one.default_words} |"
            for one in members
        ]
    return "\n".join(lines) + "\n"


def listed(words: Sequence[str], last: str) -> str:
    """Return words as a list in a sentence: ``a, b or c``."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _kind_of(annotation: Any) -> str:
    """Return the kind of value of a field's type, None aside."""
    types = [annotation]
    if isinstance(annotation, UnionType):
        types = [part for part in get_args(annotation) if part is not type(None)]
    return SIZE if any(get_origin(part) is tuple for part in types) else _KINDS[types[0]]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _figure(value: float) -> str:
    """Return a number: ``10,000``, ``0.05``, ``1e-06``."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _shown(value: Any) -> str:
    """Return a refused value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
