"""Folders of this machine that an import may read: those below configured roots, nothing else.

``ECGCORE_IMPORT_ROOTS`` names the roots, separated as in ``PATH``; without it they are ``data`` and
``examples`` in the working directory, where these are there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ecgcore.errors import RequestError

VARIABLE = "ECGCORE_IMPORT_ROOTS"
_USUAL = ("data", "examples")
_DEEP, _MOST = 3, 500


def import_roots() -> dict[str, Path]:
    """Return the roots that are there, by a name that tells them apart."""
    given = os.environ.get(VARIABLE)
    wanted = given.split(os.pathsep) if given is not None else _USUAL
    there = dict.fromkeys(Path(name).absolute() for name in wanted if name.strip())
    folders = [root for root in there if root.is_dir()]
    names = [root.name or str(root) for root in folders]
    return {
        name if names.count(name) == 1 else str(root): root
        for name, root in zip(names, folders, strict=True)
    }


def folders_below(root: Path) -> list[str]:
    """Return folders below a root, as ``inside`` takes them: "." first, the nearest ones next.

    Hidden folders and links are left out; at most 500 are told, three levels deep.
    """
    found, level = ["."], [root]
    for _ in range(_DEEP):
        level = [folder for above in level for folder in _folders_in(above)]
        found += [folder.relative_to(root).as_posix() for folder in level[: _MOST - len(found)]]
    return found


def inside(root: Path, below: str) -> Path:
    """Return the folder ``below`` a root, refusing whatever is or leads out of it.

    Raises
    ------
    RequestError
        ``below`` is no folder there, leads out of the root (``..``, an absolute path, a link), or
        holds a link that does.
    """
    whole = root.resolve()
    try:
        folder = (root / below).resolve()
        ours = folder.is_relative_to(whole) and ".." not in Path(below).parts and folder.is_dir()
    except (OSError, ValueError):  # a name too long, or with a null byte
        ours = False
    if not ours:
        raise RequestError(
            f"'{below}' is no folder below {root.name}; choose one of those listed, or have its "
            f"root added to {VARIABLE}."
        )
    if leading_out := next(_links_out(folder, whole), None):
        raise RequestError(
            f"'{below}' holds a link that leads out of {root.name} "
            f"({leading_out.relative_to(folder).as_posix()}); an import does not follow it. "
            f"Remove the link, or ask for its target to be added to {VARIABLE}."
        )
    return folder


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def _links_out(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the links below a folder that lead out of a root."""
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            entry = Path(path, name)
            if entry.is_symlink() and not entry.resolve().is_relative_to(root):
                yield entry
