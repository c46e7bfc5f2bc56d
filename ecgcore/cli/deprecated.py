"""Old spellings of commands and options, translated before the command line is parsed.

They answer until version 0.3; each use prints one line that names the new spelling. One table row
per renamed word: remove the rows and this module together with the promise.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

REMOVED_IN = "0.3"

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "page": ("plot",),
    "results": ("study", "results"),
    "ship": ("release",),
}
"""New words of each renamed top-level command."""

_READING = {"--file-hz": "--source-fs-hz", "--from-s": "--start-s"}
_EXECUTOR = {"--on": "--executor"}

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "classify": {**_READING, **_EXECUTOR},
    "convert": {"--tier": "--label-tier"},
    "explain": _READING,
    "ingest": {
        **_READING,
        **_EXECUTOR,
        "--files": "--list-files",
        "--fs-hz": "--store-fs-hz",
        "--seconds": "--duration-s",
    },
    "measure": _READING,
    "plot": {**_READING, "--seconds": "--duration-s"},
    "runs": _EXECUTOR,
    "study": _EXECUTOR,
    "train": {
        **_EXECUTOR,
        "--augment": "--augmentation",
        "--average": "--ema-decay",
        "--balance": "--class-balance",
        "--batch": "--batch-size",
        "--clip-norm": "--grad-clip",
        "--init": "--pretrained",
        "--only": "--where",
        "--optimiser": "--optimizer",
        "--policy": "--label-source",
        "--tier": "--label-tier",
        "--trunk-rate": "--backbone-lr-factor",
        "--warm-up": "--warmup-fraction",
    },
}
"""Renamed options by (new) top-level command: old spelling to new spelling."""


def translate(arguments: Sequence[str], warn: Callable[[str], None]) -> list[str]:
    """Return the arguments in their new spelling.

    Parameters
    ----------
    arguments
        The words after the program's name.
    warn
        Receives one line for each old spelling, once.
    """
    if not arguments:
        return []
    command, rest = arguments[0], arguments[1:]
    words = COMMANDS.get(command, (command,))
    if command in COMMANDS:
        warn(_message(f"ecgcore {command}", f"ecgcore {' '.join(words)}"))
    return [*words, *_translate_options(rest, OPTIONS.get(words[0], {}), warn)]


def _translate_options(
    arguments: Sequence[str], renamed: Mapping[str, str], warn: Callable[[str], None]
) -> Iterator[str]:
    """Yield the arguments with renamed options, as ``--option value`` and ``--option=value``."""
    warned, is_option = set(), True
    for argument in arguments:
        is_option = is_option and argument != "--"
        option, equals, value = argument.partition("=")
        if not is_option or option not in renamed:
            yield argument
            continue
        if option not in warned:
            warn(_message(option, renamed[option]))
            warned.add(option)
        yield f"{renamed[option]}{equals}{value}"


def _message(old: str, new: str) -> str:
    return f"`{old}` is now `{new}`; the old spelling will be removed in {REMOVED_IN}."
