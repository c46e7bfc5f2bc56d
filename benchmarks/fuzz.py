"""Fuzz every reader: mutated files of all formats, and files made on purpose; `make fuzz`.

    .venv/bin/python benchmarks/fuzz.py [FILES] [SEED]      (default 600 files, seed 0: minutes)
    .venv/bin/python benchmarks/fuzz.py 5000 29 --write     also makes docs/fuzzing.md (an hour)

Exit code 1, and a line for each case, if a file raised an error that is no refusal, gave a line
that blames this program, reached another file, gave another signal than before without a note, or
took more processor time or memory than its budget. The corpus is made by tests/support: one small
file of each format, and about a hundred hostile ones. A case is repeated by the same seed.
"""

import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import damaged_records
import generated
import hostile_files
import mutated_files
import numpy as np
import psutil

from ecgcore.errors import UnreadableRecord
from ecgcore.records.budget import CONTAINER, RECORD, memory_mb
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_header, read_record
from ecgcore.records.unexpected_errors import refuse_unexpected_errors

DOCS = Path(__file__).resolve().parents[1] / "docs"
MOST_READ = 3
"""Records read of each hostile file: one that is opened in vain is as bad as another."""
ONE_FILE = tuple(
    w for w in damaged_records.WRITERS if "wfdb" not in w.__name__ and w.__name__ != "segments"
)
BLAME = "a fault of this program"
RECORDING = generated.Recording(
    3, 500, 5.0, hostile_files.LEADS, "plain", "mV", 1000, has_clock=False, is_transposed=False
)


@dataclass
class Result:
    """What became of one file."""

    case: str
    outcome: str
    seconds: float
    peak_mb: float
    line: str = ""

    def fault(self) -> str:
        """Return what is wrong with it, '' if nothing is."""
        if self.outcome in ("error", "reached", "silent"):
            return self.outcome
        if BLAME in self.line:
            return "blames the program"
        if self.seconds > RECORD.seconds + CONTAINER.seconds * ("zip" in self.case):
            return f"{self.seconds:.1f} s"
        return f"{self.peak_mb:.0f} MB" if self.peak_mb > 1.2 * memory_mb() else ""


@dataclass
class Meter:
    """Processor time and memory of this process and its reading process, for one file."""

    start_s: float = field(default_factory=lambda: _cpu_s())

    def __post_init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew

    def result(self, case: str, outcome: str, line: str = "") -> Result:
        """Return the result with what was used since."""
        peaks = [_peak_mb("self"), *(_peak_mb(str(p.pid)) for p in psutil.Process().children())]
        return Result(case, outcome, _cpu_s() - self.start_s, max(peaks), line)


def _cpu_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    live = [p.cpu_times() for p in psutil.Process().children() if p.status() != "zombie"]
    used = time.process_time() + ended.ru_utime + ended.ru_stime
    return used + sum(times.user + times.system for times in live)


def _peak_mb(pid: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def corpus(folder: Path) -> list[Path]:
    """Write one small file of each format."""
    files = mutated_files.originals(folder)
    for name, write in generated.FORMATS.items():
        (folder / f"by_{name}").mkdir()
        files.append(write(folder / f"by_{name}", RECORDING))
    for write in ONE_FILE:
        (folder / f"old_{write.__name__}").mkdir()
        files += write(folder / f"old_{write.__name__}")
    return files


def mutate(n_files: int, seed: int) -> list[Result]:
    """Damage ``n_files`` files of the corpus."""
    dice, results = random.Random(seed), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = corpus(folder)
        records = {file: mutated_files.undamaged(file) for file in files}
        for number in range(n_files):
            source, mutation = dice.choice(files), dice.choice(mutated_files.MUTATIONS)
            damaged = folder / f"damaged{source.suffix}"
            damaged.write_bytes(mutation(bytearray(source.read_bytes() or b"\0"), dice))
            copies = mutated_files._copy_companions(source, damaged)
            case = f"{number}: {source.relative_to(folder)} after {mutation.__name__}"
            results.append(_mutated(case, damaged, records[source]))
            for copy in copies:
                copy.unlink()
            if number % 500 == 499:
                print(f"{number + 1} of {n_files}", file=sys.stderr, flush=True)
    return results


def _mutated(case: str, damaged: Path, original) -> Result:
    meter = Meter()
    try:
        with refuse_unexpected_errors("x"):
            outcome = mutated_files.outcome(damaged, original)
    except UnreadableRecord as error:
        return meter.result(case, "error", str(error))
    return meter.result(case, outcome)


def hostile() -> list[Result]:
    """Open each hostile file."""
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, folder in hostile_files.write(Path(temporary)).items():
            results.append(_open(name, folder))
            print(f"{name}: {results[-1].outcome} {results[-1].seconds:.1f} s", file=sys.stderr)
    return results


def _open(name: str, folder: Path) -> Result:
    meter, outcome, line = Meter(), "nothing to read", ""
    try:
        with refuse_unexpected_errors(name):
            for path in list(find_records([folder]))[:MOST_READ]:
                outcome, line = _read(path, outcome, line)
    except UnreadableRecord as error:
        outcome, line = "error", str(error)
    return meter.result(name, outcome, line)


def _read(path: Path, outcome: str, line: str) -> tuple[str, str]:
    read_header(path)
    try:
        record = read_record(path)
    except UnreadableRecord as error:
        return (outcome if outcome in ("read", "reached") else "refused"), str(error)
    secret_mv = (hostile_files.SECRET_UV / 1000).astype(np.float32)
    n_samples = min(secret_mv.shape[1], record.signal_mv.shape[1])
    is_secret = np.allclose(record.signal_mv[:, :n_samples], secret_mv[:, :n_samples], atol=0.002)
    return ("reached" if is_secret and n_samples > 100 else "read"), line


def summary(results: list[Result]) -> dict:
    """Return counts, the longest time and the largest memory."""
    slowest = max(results, key=lambda result: result.seconds)
    largest = max(results, key=lambda result: result.peak_mb)
    return {
        "files": len(results),
        "outcomes": dict(Counter(result.outcome for result in results)),
        "longest_s": round(slowest.seconds, 1),
        "slowest": slowest.case,
        "peak_mb": round(largest.peak_mb),
        "largest": largest.case,
        "faults": {r.case: r.fault() for r in results if r.fault()},
    }


def main(n_files: int, seed: int, write: bool) -> int:
    """Fuzz; print a summary, and return the exit code."""
    start_s = _cpu_s()
    results = {"mutated": mutate(n_files, seed) if n_files else [], "hostile": hostile()}
    summaries = {name: summary(part) for name, part in results.items() if part}
    print(json.dumps(summaries, indent=1))
    if write:
        text = page(seed, results, summaries, _cpu_s() - start_s)
        (DOCS / "fuzzing.md").write_text(text, "utf-8")
    return int(any(one["faults"] for one in summaries.values()))


def page(seed: int, results: dict, summaries: dict, seconds: float) -> str:
    """Return the page with the figures."""
    mutated, made = summaries["mutated"], summaries["hostile"]
    slow = sorted(results["hostile"], key=lambda result: -result.seconds)
    rows = "\n".join(
        f"| {r.case} | {r.outcome} | {r.seconds:.1f} | {r.peak_mb:.0f} | {r.line[:110]} |"
        for r in slow
    )
    faults = {**mutated["faults"], **made["faults"]}
    told = "\n".join(f"* {case}: {fault}" for case, fault in faults.items()) or "None."
    counts = ", ".join(f"{n} {name}" for name, n in sorted(mutated["outcomes"].items()))
    made_counts = ", ".join(f"{n} {name}" for name, n in sorted(made["outcomes"].items()))
    return f"""# Fuzzing

Made by `benchmarks/fuzz.py {mutated["files"]} {seed} --write` ({seconds / 60:.0f} minutes of
processor time; {time.strftime("%Y-%m-%d")}). `make fuzz` repeats it with 600 files;
`make fuzz FILES=5000 SEED=3` with other ones. Each file is read as every command and the dashboard
read it: `ecgcore.records.read.read_record`, within the budgets of SECURITY.md:
{RECORD.seconds:g} s of processor time a record, {CONTAINER.seconds:g} s to open a container,
{memory_mb():g} MB.

| | {mutated["files"]:,} mutated files | {made["files"]} hostile files |
|---|---|---|
| outcomes | {counts} | {made_counts} |
| errors other than a refusal in one line | {mutated["outcomes"].get("error", 0)} | \
{made["outcomes"].get("error", 0)} |
| another file reached | – | {made["outcomes"].get("reached", 0)} |
| another signal without a note | {mutated["outcomes"].get("silent", 0)} | – |
| longest, s of processor time | {mutated["longest_s"]} ({mutated["slowest"]}) | \
{made["longest_s"]} ({made["slowest"]}) |
| most memory of a process, MB | {mutated["peak_mb"]} | {made["peak_mb"]} |

*same*: the same signal; *said*: another one, with a note or a quality flag; *few*: at most 2 % of
the samples differ, which a format without checksums cannot show; *read*: read, where the undamaged
file is refused too or the hostile one holds a whole recording; *nothing to read*: the search found
no recording in it.

## Faults

{told}

## Hostile files

Processor time and memory are those of searching, of reading the header and of reading up to
{MOST_READ} records.

| file | outcome | s | MB | line |
|---|---|--:|--:|---|
{rows}
"""


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    n_files, seed = (numbers + [600, 0][len(numbers) :])[:2]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(n_files, seed, "--write" in sys.argv))
