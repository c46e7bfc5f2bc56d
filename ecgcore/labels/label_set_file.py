"""Label sets as files: TOML in ``label_sets/`` of a workspace, checked by name and line.

::

    title = "Rhythm and conduction"
    mode = "multilabel"            # or exclusive (one class a record), priority (the first class
                                   # of this file that is present)
    least_likelihood = 50          # percent from which a statement counts
    at_least_one = false           # true: leave out records with none of the classes
    exclude = ["measure rate_bpm < 20"]

    [annotated]                    # where a class that is not stated is absent
    ptb-xl = ["all"]

    [[class]]
    code = "AF"
    name = "Atrial fibrillation"
    colour = "#B2182B"
    any = ["scp AFIB", "column afib"]
    none = ["scp PACE"]

    [[class]]
    code = "OTHER"
    name = "None of these"
    otherwise = true

Terms are described in ``label_rules``. The built-in sets have the same form (``built_in_text``).
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ecgcore.errors import NotFound, RequestError
from ecgcore.labels.classes import EcgClass
from ecgcore.labels.label_rules import LEAST_LIKELIHOOD, ClassRule, Term, parse_term
from ecgcore.labels.label_sets import LABEL_SETS, LabelSet, label_set
from ecgcore.labels.targets import MODES

FEWEST_CLASSES, MOST_CLASSES = 2, 200
LARGEST_BYTES = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_CODE = re.compile(r"[^\s=,\"']{1,40}")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_KEYS = {
    "title": str,
    "mode": str,
    "least_likelihood": (int, float),
    "at_least_one": bool,
    "exclude": list,
    "annotated": dict,
    "class": list,
}
_CLASS_KEYS = {
    "code": str,
    "name": str,
    "colour": str,
    "any": list,
    "none": list,
    "otherwise": bool,
}


def set_names(folder: Path) -> list[str]:
    """Return the names of the built-in sets, then those of a workspace's folder of sets."""
    own = sorted(file.stem for file in folder.glob("*.toml") if _NAME.fullmatch(file.stem))
    return [*LABEL_SETS, *(name for name in own if name not in LABEL_SETS)]


def find_label_set(name: str, folder: Path) -> LabelSet:
    """Return a label set by name: built in, or of a workspace's folder.

    Raises
    ------
    NotFound
        There is no such set.
    RequestError
        Its file has an error; the message names the line.
    """
    if name in LABEL_SETS:
        return label_set(name)
    file = folder / f"{name}.toml"
    if not _NAME.fullmatch(name) or not file.is_file():
        advice = "Write one: ecgcore label new NAME --from COHORT."
        raise NotFound.among("label set", name, set_names(folder), advice)
    return parse_label_set(read_text(file), name)


def read_text(file: Path) -> str:
    """Return the text of a label set's file, or refuse it."""
    if file.stat().st_size > LARGEST_BYTES:
        raise RequestError(f"{file.name} has more than {LARGEST_BYTES // 1000:,} kB: no label set.")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeError:
        raise RequestError(f"{file.name} is not UTF-8; save it as such.") from None


def check_name(name: str) -> None:
    """Refuse a name that is no name of a file of the workspace, or that of a built-in set."""
    if name in LABEL_SETS or not _NAME.fullmatch(name):
        raise RequestError(
            f"A label set of your own cannot be called '{name:.60}': letters, digits, - and _ are "
            f"accepted, 40 at most, and none of {', '.join(LABEL_SETS)}."
        )


def parse_label_set(text: str, name: str) -> LabelSet:
    """Return the label set that a text in TOML describes.

    Raises
    ------
    RequestError
        The text is no such description; the message names the class and the line.
    """
    return _Parser(text, name).label_set()


class _Parser:
    """Parser of one file, which knows the line of what it refuses."""

    def __init__(self, text: str, name: str):
        self.text, self.name = text, name
        try:
            self.content: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RequestError(f"Label set '{name}' is no TOML: {error}.") from None

    def label_set(self) -> LabelSet:
        """Return the set."""
        content = self.content
        self._check_keys(content, _KEYS, "", "")
        tables = content.get("class", [])
        if not FEWEST_CLASSES <= len(tables) <= MOST_CLASSES:
            self._refuse(
                f"it has {len(tables)} classes ([[class]]); {FEWEST_CLASSES} to {MOST_CLASSES} are "
                "accepted"
            )
        classes, rules, colours = [], {}, {}
        for i, table in enumerate(tables):
            one, rule = self._class(table, i)
            if one.code in rules:
                self._refuse(f"two classes have the code {one.code}", one.code, i)
            classes.append(one)
            rules[one.code] = rule
            if "colour" in table:
                colours[one.code] = table["colour"]
        mode = content.get("mode")
        if mode is not None and mode not in MODES:
            self._refuse(f"mode is none of {', '.join(MODES)}", "mode")
        least = float(content.get("least_likelihood", LEAST_LIKELIHOOD))
        if not 0 <= least <= 100:
            self._refuse("least_likelihood is a percentage, 0 to 100", "least_likelihood")
        return LabelSet(
            name=self.name,
            classes=tuple(classes),
            class_of={},
            convention=content.get("title") or f"rules of the label set {self.name}",
            rules=rules,
            mode=mode,
            annotated=self._annotated(content.get("annotated", {}), rules),
            exclude=self._terms(content.get("exclude", []), "exclude", 0),
            least_likelihood=least,
            at_least_one=content.get("at_least_one", False),
            colours=colours,
        )

    def _class(self, table: Any, i: int) -> tuple[EcgClass, ClassRule]:
        if not isinstance(table, dict):
            self._refuse("class is a list of tables: write [[class]] above each", "class")
        self._check_keys(table, _CLASS_KEYS, "", f"class {i + 1}: ", i)
        code = table.get("code", "")
        if not _CODE.fullmatch(code):
            self._refuse(
                f"class {i + 1} needs a code without blanks, = and commas, 40 characters at most",
                code,
                i,
            )
        if "colour" in table and not _COLOUR.fullmatch(table["colour"]):
            self._refuse(f"the colour of {code} is not of the form #RRGGBB", "colour", i)
        rule = ClassRule(
            self._terms(table.get("any", []), code, i),
            self._terms(table.get("none", []), code, i),
            table.get("otherwise", False),
        )
        if bool(rule.any_of) == rule.otherwise:
            self._refuse(f"class {code} needs terms in any = […], or otherwise = true", code, i)
        return EcgClass(code, table.get("name") or code), rule

    def _terms(self, texts: Iterable[Any], of: str, i: int) -> tuple[Term, ...]:
        terms = []
        for text in texts:
            if not isinstance(text, str):
                self._refuse(f"a term of {of} is no text", of, i)
            try:
                terms.append(parse_term(text))
            except RequestError as error:
                self._refuse(f"{of}: {str(error).rstrip('.')}", text, i)
        return tuple(terms)

    def _annotated(
        self, table: Mapping[str, Any], rules: Mapping[str, ClassRule]
    ) -> dict[str, tuple[str, ...]]:
        annotated = {}
        for source, codes in table.items():
            codes = [codes] if isinstance(codes, str) else codes
            for code in codes:
                if code != "all" and code not in rules:
                    self._refuse(f"annotated.{source}: there is no class '{code}'", source)
            annotated[source] = tuple(codes)
        return annotated

    def _check_keys(
        self, table: Mapping[str, Any], known: Mapping[str, Any], of: str, words: str, i: int = 0
    ) -> None:
        for key, value in table.items():
            if key not in known:
                self._refuse(f"{words}'{key:.40}' is none of {', '.join(known)}", key, i)
            if not isinstance(value, known[key]) or (
                isinstance(value, bool) and known[key] is not bool
            ):
                self._refuse(f"{words}{key} has another type than in the examples", key, i)

    def _refuse(self, problem: str, near: str = "", i: int = 0) -> NoReturn:
        line = self._line_of(near, i)
        where = f", line {line}" if line else ""
        raise RequestError(f"Label set '{self.name}'{where}: {problem}.")

    def _line_of(self, near: str, i: int) -> int:
        """Return the line that holds a text, searched from the i-th class on; 0 if none does."""
        lines = self.text.splitlines()
        starts = [n for n, line in enumerate(lines) if line.strip().startswith("[[class]]")]
        first = starts[i] if near and i < len(starts) and i else 0
        for n, line in enumerate(lines[first:], first + 1):
            if near and near in line:
                return n
        return first + 1 if first else 0


def to_toml(label_set: LabelSet) -> str:
    """Return the text of a label set's file."""
    lines = [f"title = {_text(label_set.convention)}"]
    if label_set.mode:
        lines.append(f"mode = {_text(label_set.mode)}")
    lines.append(f"least_likelihood = {label_set.least_likelihood:g}")
    if label_set.at_least_one:
        lines.append("at_least_one = true")
    if label_set.exclude:
        lines.append(f"exclude = {_texts(map(str, label_set.exclude))}")
    if label_set.annotated:
        lines += ["", "[annotated]"]
        lines += [f"{_text(s)} = {_texts(codes)}" for s, codes in label_set.annotated.items()]
    for one in label_set.classes:
        rule = label_set.rules[one.code]
        lines += ["", "[[class]]", f"code = {_text(one.code)}", f"name = {_text(one.name)}"]
        if one.code in label_set.colours:
            lines.append(f"colour = {_text(label_set.colours[one.code])}")
        if rule.any_of:
            lines.append(f"any = {_texts(map(str, rule.any_of))}")
        if rule.none_of:
            lines.append(f"none = {_texts(map(str, rule.none_of))}")
        if rule.otherwise:
            lines.append("otherwise = true")
    return "\n".join(lines) + "\n"


def stored_set(label_set: LabelSet) -> dict[str, str]:
    """Return a set's text and its hash, as a run stores them."""
    text = to_toml(label_set)
    return {"toml": text, "hash": hashlib.sha256(text.encode()).hexdigest()[:12]}


def built_in_text(name: str) -> str:
    """Return a built-in set in the form of a file, to read or to start from."""
    return to_toml(as_rules(label_set(name)))


def as_rules(built_in: LabelSet) -> LabelSet:
    """Return a built-in set with its rules written out; it gives the same states."""
    if built_in.rules:
        return built_in
    if built_in.name == "paper10":
        rules = {code: ClassRule((Term("paper10", code),)) for code in built_in.codes}
        return LabelSet(built_in.name, built_in.classes, {}, built_in.convention, rules)
    rules = {
        code: ClassRule(tuple(Term("scp", s) for s, of in built_in.class_of.items() if of == code))
        for code in built_in.codes
    }
    return LabelSet(
        built_in.name,
        built_in.classes,
        {},
        built_in.convention,
        rules,
        annotated={"all": ("all",)},
        least_likelihood=0,
        at_least_one=True,
    )


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else " " for c in escaped) + '"'


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"
