"""Files of every format, damaged in every mutation: each is read or refused, nothing else.

A file that is read is compared with the undamaged one. ``same``: the same signal; ``said``: another
one, with a note or a quality flag that the undamaged one lacks; ``few``: at most 2 % of the samples
changed, which a format without a checksum cannot show; ``silent``: another signal without a word.

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
from recordings import write_csv, write_wfdb
from scipy.io import savemat
from simulated_ecg import beats
from vendor_files import WRITERS

from ecgcore.errors import UnreadableRecord
from ecgcore.measurement.quality import quality
from ecgcore.records.read import read_header, read_record
from ecgcore.records.record import LEADS, Record

ABSURD = (b"0", b"-1", b"1e308", b"nan", b"inf", b"999999999", b"2147483648", b"", b"1e-308", b"x")
BOMB = b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
LONGEST_MESSAGE = 600
FEW = 0.02
"""Share of the samples that may change unseen in a format without a checksum."""
OUTCOMES = ("refused", "read", "same", "said", "few", "silent")


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
    """Write one whole file of each format, six seconds long."""
    signal_mv = beats(500, np.arange(0.4, 5.5, 0.8), 6)
    signal_uv = np.rint(1000 * signal_mv).astype(np.int16)
    files = [
        write(folder / f"{kind}{suffix}", signal_uv) for kind, (suffix, write) in WRITERS.items()
    ]
    suffix, write_scp = WRITERS["scp"]
    files.append(write_scp(folder / f"packed{suffix}", signal_uv, packed=True))
    times = np.arange(signal_mv.shape[1]) / 500
    table = np.vstack([times, signal_mv]).T
    files.append(write_csv(folder / "table.csv", table, "time_s," + ",".join(LEADS)))
    header = write_wfdb(folder, "pair", signal_uv)
    checksums = [
        int(np.int16(row.sum(dtype=np.int64) & 0xFFFF).astype(np.int16)) for row in signal_uv
    ]
    lines = ["pair 12 500 3000"] + [
        f"pair.dat 16 1000/mV 16 0 {row[0]} {checksum} 0 {lead}"
        for lead, row, checksum in zip(LEADS, signal_uv, checksums, strict=True)
    ]
    header.write_text("\n".join(lines) + "\n")
    files += [header, header.with_suffix(".dat")]
    content = {"val": signal_mv, "fs": 500.0, "leads": np.array(LEADS, object)}
    savemat(folder / "variables.mat", content)
    return [*files, folder / "variables.mat"]


def outcome(file: Path, original: Record | None = None) -> str:
    """Return how a damaged file was answered; any error but a refusal passes through."""
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
    return "read" if original is None else _change(original, record)


def _change(original: Record, record: Record) -> str:
    """Return ``same``, ``said``, ``few`` or ``silent``."""
    is_alike = record.fs_hz == original.fs_hz and record.signal_mv.shape == original.signal_mv.shape
    if is_alike and np.array_equal(record.signal_mv, original.signal_mv, equal_nan=True):
        return "same"
    words = {*record.notes, *map(str, quality(record))}
    if words - {*original.notes, *map(str, quality(original))}:
        return "said"
    if is_alike and (record.signal_mv != original.signal_mv).mean() <= FEW:
        return "few"
    return "silent"


def undamaged(file: Path) -> Record | None:
    """Return the record of a file, None where it is refused."""
    try:
        return read_record(file)
    except UnreadableRecord:
        return None


def peak_mb() -> float:
    """Return this process's peak memory, its libraries' pages included, in MB.

    Not ``ru_maxrss``: a child starts with its parent's, as large as the test run has grown.
    """
    status = Path("/proc/self/status").read_text()
    match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
    return int(match[1]) / 1024 if match else float("nan")


def main(count: int, seed: int, real: Path | None) -> dict:
    """Damage ``count`` files; return how they were answered, peak memory and longest time."""
    dice = random.Random(seed)
    outcomes: Counter[str] = Counter()
    longest_s, slowest, silent = 0.0, "", []
    with tempfile.TemporaryDirectory() as folder:
        files = [f for f in real.rglob("*") if f.is_file()] if real else originals(Path(folder))
        records = {file: undamaged(file) for file in files}
        for _ in range(count):
            source, mutation = dice.choice(files), dice.choice(MUTATIONS)
            damaged = Path(folder) / f"damaged{source.suffix}"
            damaged.write_bytes(mutation(bytearray(source.read_bytes() or b"\0"), dice))
            copies = _copy_companions(source, damaged)
            case = f"{source.name} after {mutation.__name__}"
            start_s = time.process_time()
            try:
                answer = outcome(damaged, records[source])
            except Exception as error:
                raise RuntimeError(f"{case}: {type(error).__name__}: {error}") from error
            took_s = time.process_time() - start_s
            outcomes[answer] += 1
            if answer == "silent":
                silent.append(case)
            if took_s > longest_s:
                longest_s, slowest = took_s, case
            for copy in copies:
                copy.unlink()
    return {
        **{name: outcomes[name] for name in OUTCOMES},
        "peak_mb": round(peak_mb()),
        "longest_s": round(longest_s, 2),
        "slowest": slowest,
        "silent_cases": dict(Counter(silent)),
    }


def _copy_companions(source: Path, damaged: Path) -> list[Path]:
    """Copy the other files of a WFDB record beside the damaged one, under the header's names."""
    if source.suffix not in (".hea", ".dat") or not source.with_suffix(".hea").exists():
        return [damaged]
    other = ".dat" if source.suffix == ".hea" else ".hea"
    copy = damaged.with_suffix(other)
    content = source.with_suffix(other).read_bytes()
    copy.write_bytes(content.replace(source.stem.encode() + b".dat", b"damaged.dat"))
    if source.suffix == ".hea":
        text = damaged.read_bytes().replace(source.stem.encode() + b".dat", b"damaged.dat")
        damaged.write_bytes(text)
    return [damaged, copy]


if __name__ == "__main__":
    count, seed, real = sys.argv[1:] + ["200", "0", ""][len(sys.argv) - 1 :]
    print(json.dumps(main(int(count), int(seed), Path(real) if real else None)))
