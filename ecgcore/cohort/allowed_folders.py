"""Allowed folders: the folders of this machine that a page may import, below configured roots.

``ECGCORE_IMPORT_ROOTS`` names the roots, separated as in ``PATH``; the default is ``data`` and
``examples`` in the working directory, if they exist.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ecgcore.errors import RequestError

VARIABLE = "ECGCORE_IMPORT_ROOTS"
_DEFAULT_ROOTS = ("data", "examples")
_MAX_DEPTH, _MAX_FOLDERS = 3, 500


def import_roots() -> dict[str, Path]:
    """Return the existing roots by unique name."""
    value = os.environ.get(VARIABLE)
    names = value.split(os.pathsep) if value is not None else _DEFAULT_ROOTS
    paths = dict.fromkeys(Path(name).absolute() for name in names if name.strip())
    roots = [root for root in paths if root.is_dir()]
    labels = [root.name or str(root) for root in roots]
    return {
        label if labels.count(label) == 1 else str(root): root
        for label, root in zip(labels, roots, strict=True)
    }


def list_subfolders(root: Path) -> list[str]:
    """Return folders below a root, as ``resolve_folder`` takes them: "." first, then by depth.

    Hidden folders and links are omitted; at most 500 folders are listed, three levels deep.
    """
    subfolders, level = ["."], [root]
    for _ in range(_MAX_DEPTH):
        level = [folder for parent in level for folder in _folders_in(parent)]
        room = _MAX_FOLDERS - len(subfolders)
        subfolders += [folder.relative_to(root).as_posix() for folder in level[:room]]
    return subfolders


def resolve_folder(root: Path, relative: str) -> Path:
    """Return the folder at a relative path below a root.

    Raises
    ------
    RequestError
        There is no such folder, or it leads out of the root (``..``, an absolute path, a link), or
        holds a link that does.
    """
    real_root = root.resolve()
    try:
        folder = (root / relative).resolve()
        is_below = folder.is_relative_to(real_root) and ".." not in Path(relative).parts
        is_allowed = is_below and folder.is_dir()
    except (OSError, ValueError):  # a name too long, or with a null byte
        is_allowed = False
    if not is_allowed:
        raise RequestError(
            f"'{relative}' is no folder below {root.name}; choose one of those listed, or have its "
            f"root added to {VARIABLE}."
        )
    if link := next(_links_out(folder, real_root), None):
        raise RequestError(
            f"'{relative}' holds a link that leads out of {root.name} "
            f"({link.relative_to(folder).as_posix()}); an import does not follow it. "
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
