"""Files of every vendor format, damaged in every mutation: each is read or refused, nothing else.

Run by test_records_mutated.py in a process of its own, so that a crash, a hang or its use of memory
shows. By hand, for more of them and from real files::

    python tests/support/mutated_files.py 2000 [SEED] [FOLDER]
"""

import json
import random
import re
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from recordings import limb_consistent_uv
from vendor_files import WRITERS

from ecgcore.errors import UnreadableRecord
from ecgcore.records.read import read_header, read_record

ABSURD = (b"0", b"-1", b"1e308", b"nan", b"inf", b"999999999", b"2147483648", b"", b"1e-308", b"x")
BOMB = b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
LONGEST_MESSAGE = 600


def cut(content: bytearray, dice: random.Random) -> bytes:
    """Cut off the end."""
    return bytes(content[: dice.randrange(len(content))])


def flip(content: bytearray, dice: random.Random) -> bytes:
    """Flip up to forty bits, half of the time near the start, where headers are."""
    for _ in range(dice.randint(1, 40)):
        last = len(content) if dice.random() < 0.5 else min(len(content), 1500)
        content[dice.randrange(last)] ^= 1 << dice.randrange(8)
    return bytes(content)


def overwrite(content: bytearray, dice: random.Random) -> bytes:
    """Overwrite a stretch with noise."""
    at = dice.randrange(len(content))
    length = min(dice.randint(1, 200), len(content) - at)
    content[at : at + length] = dice.randbytes(length)
    return bytes(content)


def claim(content: bytearray, dice: random.Random) -> bytes:
    """Write an absurd count, size or scale over a field of a header."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(max(min(len(content), 3000) - 4, 1))
        number = dice.choice((0, 1, -1, 2**31 - 1, 10**9, -(2**31), 0x7FFF, 0x8000))
        packed = struct.pack("<q", number)[: dice.choice((2, 4))]
        content[at : at + len(packed)] = packed
    return bytes(content)


def absurd_number(content: bytearray, dice: random.Random) -> bytes:
    """Replace up to five of the file's numbers, written as text."""
    for _ in range(dice.randint(1, 5)):
        numbers = list(re.finditer(rb"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])", bytes(content[:60_000])))
        if numbers:
            start, end = dice.choice(numbers).span()
            content[start:end] = dice.choice(ABSURD).ljust((end - start) * dice.randint(0, 1))
    return bytes(content)


def drop(content: bytearray, dice: random.Random) -> bytes:
    """Remove a stretch, an element where there are any."""
    elements = list(re.finditer(rb"<(\w+)[^<>]*>[^<>]{0,80}</\1>", bytes(content[:80_000])))
    if elements and dice.random() < 0.8:
        start, end = dice.choice(elements).span()
    else:
        start = dice.randrange(len(content))
        end = start + dice.randint(1, 400)
    del content[start:end]
    return bytes(content)


def repeat(content: bytearray, dice: random.Random) -> bytes:
    """Repeat a stretch some hundred times."""
    start = dice.randrange(len(content))
    stretch = bytes(content[start : start + dice.randint(1, 2000)])
    content[start:start] = stretch * dice.randint(1, 300)
    return bytes(content)


def entities(content: bytearray, dice: random.Random) -> bytes:
    """Declare entities that grow, and use one."""
    text = bytes(content)
    declared = re.sub(rb"(<\?xml[^>]*\?>)", rb"\1" + BOMB, text, count=1)
    return re.sub(rb">(\d)", rb">&b;\1", declared, count=dice.randint(1, 50))


def nest(content: bytearray, dice: random.Random) -> bytes:
    """Put the text of an element thousands of elements deep."""
    depth = dice.choice((100, 5_000, 100_000))
    starts = [tag.end() for tag in re.finditer(rb"<\w+>", bytes(content[:80_000]))] or [0]
    at = dice.choice(starts)
    content[at:at] = b"<a>" * depth + b"</a>" * depth
    return bytes(content)


def mix(content: bytearray, dice: random.Random) -> bytes:
    """Append noise, or the whole file again."""
    return bytes(content) + (bytes(content) if dice.random() < 0.5 else dice.randbytes(5000))


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    cut,
    flip,
    overwrite,
    claim,
    absurd_number,
    drop,
    repeat,
    entities,
    nest,
    mix,
)


def originals(folder: Path) -> list[Path]:
    """Write one whole file of each format, three seconds long."""
    signal_uv = limb_consistent_uv(1500) // 8
    files = [
        write(folder / f"{kind}{suffix}", signal_uv) for kind, (suffix, write) in WRITERS.items()
    ]
    suffix, write_scp = WRITERS["scp"]
    return [*files, write_scp(folder / f"packed{suffix}", signal_uv, packed=True)]


def outcome(file: Path) -> str:
    """Return ``read`` or ``refused``; any other error passes through."""
    read_header(file)
    try:
        record = read_record(file)
    except UnreadableRecord as error:
        message = str(error)
        if "\n" in message or len(message) > LONGEST_MESSAGE:
            raise ValueError(f"not one short line: {message[:200]!r}") from error
        return "refused"
    if record.signal_mv.shape[0] != 12 or record.signal_mv.dtype != np.float32:
        raise ValueError(f"no record: {record.signal_mv.shape} {record.signal_mv.dtype}")
    if not np.isfinite(record.signal_mv).any():
        raise ValueError("a record of nothing")
    return "read"


def peak_mb() -> float:
    """Return this process's peak memory, its libraries' pages included, in MB.

    Not ``ru_maxrss``: a child starts with its parent's, as large as the test run has grown.
    """
    status = Path("/proc/self/status").read_text()
    match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
    return int(match[1]) / 1024 if match else float("nan")


def main(count: int, seed: int, real: Path | None) -> dict:
    """Damage ``count`` files; return how many were read and refused, peak memory, longest time."""
    dice = random.Random(seed)
    outcomes: Counter[str] = Counter()
    longest_s, slowest = 0.0, ""
    with tempfile.TemporaryDirectory() as folder:
        files = [f for f in real.rglob("*") if f.is_file()] if real else originals(Path(folder))
        for _ in range(count):
            source, mutation = dice.choice(files), dice.choice(MUTATIONS)
            damaged = Path(folder) / f"damaged{source.suffix}"
            damaged.write_bytes(mutation(bytearray(source.read_bytes() or b"\0"), dice))
            start_s = time.perf_counter()
            try:
                outcomes[outcome(damaged)] += 1
            except Exception as error:
                case = f"{source.name} after {mutation.__name__}: {type(error).__name__}: {error}"
                raise RuntimeError(case) from error
            took_s = time.perf_counter() - start_s
            if took_s > longest_s:
                longest_s, slowest = took_s, f"{source.name} after {mutation.__name__}"
    return {
        **outcomes,
        "peak_mb": round(peak_mb()),
        "longest_s": round(longest_s, 2),
        "slowest": slowest,
    }


if __name__ == "__main__":
    count, seed, real = sys.argv[1:] + ["200", "0", ""][len(sys.argv) - 1 :]
    print(json.dumps(main(int(count), int(seed), Path(real) if real else None)))
