"""Processor time of ``ecgcore classify`` per record, next to another version of it.

    python benchmarks/classify_speed.py data/ptb-xl/records100 --records 2000 \\
        --compare /path/to/other/.venv/bin/ecgcore --page

Both commands classify the same copies of the same records, in turns, as one process, with bytecode
caches filled by a first call on one record. Processor time is user plus system time of the process
and its children. Part of it is the start (Python, torch, the network), which is given as well.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.executors.local import cores

PAGE = Path("docs/classify_speed.md")
HERE = Path(sys.executable).with_name("ecgcore")
SAME = ("top", "called", "refer", "uncertain", "quality", "gate", "error")
"""Keys of an answer that must be identical."""


class Timing(NamedTuple):
    """Processor and elapsed seconds of one command, and its answers by path."""

    cpu_s: float
    wall_s: float
    answers: list[dict]


def copy_records(source: Path, folder: Path, n: int) -> int:
    """Copy up to ``n`` WFDB records into a folder; return how many."""
    headers = list(islice(sorted(source.rglob("*.hea")), n))
    for header in headers:
        for file in (header, header.with_suffix(".dat")):
            shutil.copy(file, folder)
    return len(headers)


def measure(command: Path, path: Path, run: str, cache: Path, *options: str) -> Timing:
    """Run ``classify`` on a path and return its times and answers."""
    # some environments forbid bytecode caches; users have them
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(cache)
    words = [str(command), "classify", str(path), "--run", run, "--json", *options]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    wall_s, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Timing(cpu_s, wall_s, [json.loads(line) for line in done.stdout.splitlines()])


def differences(answers: list[dict], others: list[dict]) -> tuple[float, int]:
    """Return the largest difference of a probability, and the number of answers that differ."""
    largest, n_different = 0.0, 0
    for a, b in zip(answers, others, strict=True):
        n_different += any(a[key] != b[key] for key in ("path", *SAME))
        for key in ("probabilities", "raw"):
            values = zip((a[key] or {}).values(), (b[key] or {}).values(), strict=True)
            largest = max([largest, *(abs(p - q) for p, q in values)])
    return largest, n_different


def main() -> None:
    """Measure, print, and write the page if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of WFDB records")
    parser.add_argument("--records", type=int, default=2000, help="records to classify")
    parser.add_argument("--run", default="resnet1d_scaled", help="run or shipped model")
    parser.add_argument("--compare", type=Path, help="another ecgcore command")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turns")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE}")
    options = parser.parse_args()
    commands = {"this version": HERE} | (
        {"compared": options.compare.absolute()} if options.compare else {}
    )
    with tempfile.TemporaryDirectory() as temporary:
        records = Path(temporary) / "records"
        records.mkdir()
        n = copy_records(options.folder, records, options.records)
        one = next(records.glob("*.hea"))
        caches = {name: Path(temporary) / name for name in commands}
        start = {}
        for name, command in commands.items():
            measure(command, one, options.run, caches[name])
            start[name] = measure(command, one, options.run, caches[name]).cpu_s
        timings: dict[str, list[Timing]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                single = ("--workers", "1") if name == "this version" else ()
                timings[name].append(measure(command, records, options.run, caches[name], *single))
        parallel = measure(HERE, records, options.run, caches["this version"])
    text = report(n, options.run, start, timings, parallel)
    print(text)
    if options.page:
        PAGE.write_text(page(text), encoding="utf-8")


def report(
    n: int,
    run: str,
    start: dict[str, float],
    timings: dict[str, list[Timing]],
    parallel: Timing,
) -> str:
    """Return the figures as Markdown."""
    cpu_ms = {name: 1000 * median(t.cpu_s for t in of) / n for name, of in timings.items()}
    lines = [
        f"{n:,} records, `{run}`, {len(timings['this version'])} rounds in turns, medians; "
        f"{cores()} cores ({platform.machine()}).",
        "",
        "| command | processor time a record | of which the start | elapsed |",
        "|---|---|---|---|",
    ]
    for name, of in timings.items():
        wall_s = median(t.wall_s for t in of)
        start_ms = 1000 * start[name] / n
        lines.append(f"| {name} | {cpu_ms[name]:.2f} ms | {start_ms:.2f} ms | {wall_s:.1f} s |")
    # without processor time: worker processes are children of a server that nobody waits for
    lines.append(f"| this version, one process per core | | | {parallel.wall_s:.1f} s |")
    answers = timings["this version"][0].answers
    lines += ["", f"Answers of one process and of several: {_same(answers, parallel.answers)}."]
    if "compared" in timings:
        ratio = cpu_ms["this version"] / cpu_ms["compared"]
        both = _same(answers, timings["compared"][0].answers)
        lines += [f"Ratio to the compared version: {ratio:.2f}. Its answers: {both}."]
    return "\n".join(lines)


def _same(answers: list[dict], others: list[dict]) -> str:
    largest, n_different = differences(answers, others)
    return (
        f"probabilities differ by at most {largest:.0e}, {n_different} of {len(answers):,} answers "
        f"differ in {', '.join(SAME)}"
    )


def page(text: str) -> str:
    """Return the page."""
    return f"""# Speed of `ecgcore classify`

{RESEARCH_USE_ONLY}

{text}

The compared version judged each record's quality three times and let torch use all cores, whose
threads mostly waited for one another. Now quality is judged once, each process uses one core, and
`--workers N` runs several processes: by default one, or one per core if there are at least 400
files. The order and the content of the answers do not depend on it. Networks get 16 records at a
time; larger batches are not faster on a processor.

Made by `python benchmarks/classify_speed.py FOLDER --compare OTHER_ECGCORE --page`.
"""


if __name__ == "__main__":
    main()
