"""Processor time of ``ecgcore classify`` per record, next to another version of it.

    python benchmarks/classify_speed.py data/ptb-xl/records100 --records 2000 \\
        --compare /path/to/other/.venv/bin/ecgcore --page

Both commands classify the same copies of the same records, in turns, as one process, with bytecode
caches filled by a first call on one record. Processor time is user plus system time; part of it is
the start (Python, torch, the network), which is given as well. On a busy machine torch's threads
wait for one another and count that as work; so the other version is measured with one thread, too.
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
THIS, PARALLEL = "this version", "this version, one process per core"
OTHER, ONE_THREAD = "compared", "compared, one thread"
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


def measure(name: str, path: Path, run: str, commands: dict[str, Path], cache: Path) -> Timing:
    """Run one of the commands on a path and return its times and answers."""
    # some environments forbid bytecode caches; users have them
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(cache / commands[name].parts[-4])
    environment |= {"OMP_NUM_THREADS": "1"} if name == ONE_THREAD else {}
    words = [str(commands[name]), "classify", str(path), "--run", run, "--json"]
    words += ["--workers", "1"] if name == THIS else []
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
    commands = {THIS: HERE, PARALLEL: HERE}
    if options.compare:
        commands |= dict.fromkeys((OTHER, ONE_THREAD), options.compare.absolute())
    with tempfile.TemporaryDirectory() as temporary:
        records, cache = Path(temporary) / "records", Path(temporary) / "cache"
        records.mkdir()
        n = copy_records(options.folder, records, options.records)
        one, start = next(records.glob("*.hea")), {}
        for name in commands:
            measure(name, one, options.run, commands, cache)
            start[name] = measure(name, one, options.run, commands, cache).cpu_s
        timings: dict[str, list[Timing]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name in commands:
                timings[name].append(measure(name, records, options.run, commands, cache))
    text = report(n, options.run, start, timings)
    print(text)
    if options.page:
        PAGE.write_text(page(text), encoding="utf-8")


def report(n: int, run: str, start: dict[str, float], timings: dict[str, list[Timing]]) -> str:
    """Return the figures as Markdown."""
    load = ", ".join(f"{x:.0f}" for x in os.getloadavg())
    cpu_ms = {name: 1000 * median(t.cpu_s for t in of) / n for name, of in timings.items()}
    lines = [
        f"{n:,} records, `{run}`, rounds in turns: {len(timings[THIS])}, medians; {cores()} cores "
        f"({platform.machine()}), load average at the end {load}.",
        "",
        "| command | processor time per record | of which start | elapsed |",
        "|---|---|---|---|",
    ]
    for name, of in timings.items():
        cpu, start_ms = f"{cpu_ms[name]:.2f} ms", f"{1000 * start[name] / n:.2f} ms"
        if name == PARALLEL:  # its workers belong to a server process, which nobody waits for
            cpu = start_ms = ""
        lines.append(f"| {name} | {cpu} | {start_ms} | {median(t.wall_s for t in of):.1f} s |")
    answers = timings[THIS][0].answers
    lines.append("")
    for name in list(timings)[1:]:
        ratio = (
            ""
            if name == PARALLEL
            else f" Ratio of processor times: {cpu_ms[THIS] / cpu_ms[name]:.2f}."
        )
        lines.append(f"* {name}: {_same(answers, timings[name][0].answers)}.{ratio}")
    return "\n".join(lines)


def _same(answers: list[dict], others: list[dict]) -> str:
    largest, n_different = differences(answers, others)
    gap = f"differ by at most {largest:.0e}" if largest else "are identical"
    return (
        f"probabilities {gap}, {n_different} of {len(answers):,} answers differ in "
        f"{', '.join(SAME)}"
    )


def page(text: str) -> str:
    """Return the page."""
    return f"""# Speed of `ecgcore classify`

{RESEARCH_USE_ONLY}

{text}

Compared is the version before, which judged each record's quality three times, imported torchvision
for networks that do not use it, and let torch use all cores, whose threads mostly wait for one
another if the machine has other work. Now quality is judged once, each process uses one core, and
`--workers N` runs several processes: by default one, or one per core if there are at least 400
files. The order and the content of the answers do not depend on it. Networks get 16 records at a
time; larger batches are not faster on a CPU.

Made by `python benchmarks/classify_speed.py FOLDER --compare OTHER_ECGCORE --page`.
"""


if __name__ == "__main__":
    main()
