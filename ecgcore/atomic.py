"""Whole files only: atomic writes of files and folders, JSON files and checksums.

A reader finds the old content or the new, never a part of either.
"""

import hashlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import psutil

from ecgcore.errors import DamagedFile, NotWritten

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from pydantic import BaseModel

LARGEST_JSON_BYTES = 64_000_000
"""Size from which a JSON file is refused unread: the product writes none above 1 MB."""
_MOST_DIGITS = 19
"""Of a whole number: as many as a time in nanoseconds has, the largest that the product writes."""
_MEND = "restore it from a backup, or let `ecgcore doctor --repair` set it aside"


def write_atomic(file: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary path next to ``file``, then rename that path to ``file``.

    Raises
    ------
    NotWritten
        The disk is full or refuses the file. The old content of ``file`` is unchanged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.{os.getpid()}")
    try:
        write(temporary)
        os.replace(temporary, file)
    except OSError as error:
        raise NotWritten(f"{file} could not be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces ``folder`` when the block ends without an error."""
    folder = Path(os.path.abspath(folder))  # "." has no name
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        yield temporary
        if folder.exists():
            old = temporary.with_name(temporary.name + ".old")
            os.replace(folder, old)
            os.replace(temporary, folder)
            shutil.rmtree(old)
        else:
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def clean_temp(folder: Path) -> None:
    """Remove the temporary files that interrupted ``write_atomic`` calls left in ``folder``."""
    for leftover in folder.glob(".*"):
        pid = leftover.suffix.removeprefix(".")
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            leftover.unlink(missing_ok=True)


def write_json(file: Path, content: Any, *, is_private: bool = False) -> None:
    """Write ``content`` as JSON, atomically. NaN is refused: an unknown number is null.

    Parameters
    ----------
    is_private
        Give the file mode 600: names of patients may stand in it.
    """
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)

    def write(path: Path) -> None:
        if is_private:
            path.touch(mode=0o600)
        path.write_text(text + "\n", encoding="utf-8")

    write_atomic(file, write)


def read_json(file: Path, schema: "type[BaseModel] | None" = None) -> Any:
    """Return the content of a JSON file that the product wrote.

    Parameters
    ----------
    schema
        Keys that the content must have, with their types and ranges; others are let through.

    Raises
    ------
    DamagedFile
        The file is missing, is not complete JSON, holds a number that is not finite or has more
        than 18 digits, or does not fit the schema.
    """
    try:
        if file.stat().st_size > LARGEST_JSON_BYTES:
            raise damaged(file, f"it has more than {LARGEST_JSON_BYTES // 10**6} MB")
        content = parse_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        problem = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise DamagedFile(f"{file.parent.name}/{file.name} {problem}; {_MEND}.") from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, nested without end
        raise damaged(file, f"it is not whole JSON ({error})") from None
    if schema is not None:
        _check(file, content, schema)
    return content


def parse_json(text: str) -> Any:
    """Return the content of a JSON text; numbers that are not finite or endless are refused.

    Raises
    ------
    ValueError
        The text is no such JSON.
    """
    return json.loads(
        text, parse_constant=_refuse_number, parse_int=_parse_int, parse_float=_parse_float
    )


def _parse_int(digits: str) -> int:
    return int(digits) if len(digits.lstrip("-")) <= _MOST_DIGITS else _refuse_number(digits)


def _parse_float(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse_number(digits)


def _refuse_number(digits: str) -> NoReturn:
    raise ValueError(f"the number {digits[:_MOST_DIGITS]} is out of range")


def _check(file: Path, content: Any, schema: "type[BaseModel]") -> None:
    from pydantic import ValidationError

    try:
        schema.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"]))
        problem = f"{key}: {first['msg']}" if key else "it is no JSON object"
        raise damaged(file, problem) from None


@contextmanager
def reading_table(file: Path) -> Iterator[None]:
    """Turn the errors of reading a parquet file that the product wrote into DamagedFile."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise DamagedFile(f"{file.parent.name}/{file.name} is missing; {_MEND}.") from None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        raise damaged(file, "it is no whole table with the expected columns") from None


def read_parquet(
    file: Path, columns: Sequence[str] | None = None, **options: Any
) -> "pd.DataFrame":
    """Return the table of a parquet file that the product wrote; ``options`` as in pandas.

    Raises
    ------
    DamagedFile
        The file is missing, is not complete, or lacks a column.
    """
    import pandas as pd

    with reading_table(file):
        return pd.read_parquet(file, columns=None if columns is None else list(columns), **options)


def map_array(file: Path) -> "np.ndarray":
    """Return the array of a .npy file that the product wrote, memory-mapped; unpickle nothing.

    Raises
    ------
    DamagedFile
        The file is missing or is not complete.
    """
    import tokenize

    import numpy as np

    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError):
        raise damaged(file, "it is no whole array") from None


def damaged(file: Path, problem: str) -> DamagedFile:
    """Return the error of a damaged file of a workspace, with what to do next."""
    return DamagedFile(f"{file.parent.name}/{file.name} is damaged: {problem}; {_MEND}.")


def sha256_file(file: Path) -> str:
    """Return the SHA-256 of a file's content, as 64 hexadecimal digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
