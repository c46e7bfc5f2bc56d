"""Make docs/ray_overhead.md: what Ray costs on one machine beside plain processes.

    .venv/bin/python benchmarks/ray_overhead.py --data data/ptb-xl

Ingests the same records by plain processes and by Ray on the same cores, in turns, in one run,
after Ray has been started and both have ingested a few. Without measuring, which takes ten times as
long and would hide what Ray costs. Takes some minutes.
"""

import argparse
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from ecgcore.bench.ingest import EXAMPLES, link_records
from ecgcore.cohort.ingest import ingest
from ecgcore.executors.local import cores
from ecgcore.executors.ray_cluster import connected
from ecgcore.workspace import Workspace

PAGE = Path(__file__).resolve().parents[1] / "docs" / "ray_overhead.md"
ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Round:
    """One ingest: seconds by the clock, and processor seconds of all processes."""

    seconds: float
    cpu_s: float


def main() -> None:
    """Measure, and write the page."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--data", type=Path, required=True, help="a folder of WFDB records")
    asked.add_argument("--records", type=int, default=5000)
    asked.add_argument("--rounds", type=int, default=3, help="of each engine, in turns")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(dir=options.data.parent) as place, started() as start_s:
        folder = Path(place) / "in"
        link_records(options.data.resolve(), options.records, folder)
        for on in ENGINES:
            ingested(EXAMPLES, Path(place), on)
        found = list(rounds(folder, Path(place), options.rounds))
    PAGE.write_text(page(options.records, start_s, found), "utf-8")


@contextmanager
def started() -> Iterator[float]:
    """Start Ray on this machine's cores, yield how many seconds that took, and end it."""
    before = time.monotonic()
    with connected(None):
        yield time.monotonic() - before


def rounds(folder: Path, place: Path, n: int) -> Iterator[dict[str, Round]]:
    """Yield rounds of both engines; each begins every other one."""
    for number in range(n):
        order = ENGINES if number % 2 == 0 else ENGINES[::-1]
        now = {on: ingested(folder, place, on) for on in order}
        print(now, flush=True)
        yield now


def ingested(folder: Path, place: Path, on: str) -> Round:
    """Ingest a folder into a home of its own."""
    workspace, cpu_before, before = Workspace(place / "home"), cpu_s(), time.monotonic()
    answer = ingest(folder, "c", workspace, workers=cores(), measure=False, executor=on)
    took = Round(time.monotonic() - before, cpu_s() - cpu_before)
    assert answer.read + len(answer.duplicates) == answer.found, answer.rejected
    shutil.rmtree(workspace.path)
    return took


def cpu_s() -> float:
    """Return the processor seconds of this process and of all that came of it."""
    here = psutil.Process()
    return sum(sum(p.cpu_times()[:4]) for p in (here, *here.children(recursive=True)))


def page(records: int, start_s: float, found: list[dict[str, Round]]) -> str:
    """Return the page."""
    lines = [
        "# What Ray costs on one machine",
        "",
        f"Made by `benchmarks/ray_overhead.py`: {records:,} PTB-XL records ingested by plain processes",  # noqa: E501
        f"(`--executor local`) and by Ray {version('ray')} (`--executor ray`) on the same {cores()} cores",  # noqa: E501
        f"({platform.machine()}), in turns, in one run. Where other work runs beside it the ratios",
        "count, not the seconds. Processor seconds are those of all processes, Ray's own too;",
        "other work hardly changes them.",
        "",
        "| round | local, s | Ray, s | ratio | processor, local, s | processor, Ray, s | ratio |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [row(n, now) for n, now in enumerate(found, start=1)]
    lines.append(median_row(found))
    lines += [
        "",
        f"Starting Ray took {start_s:.0f} s, which is not counted. The ingests are without",
        "measuring (`--no-measure`): what Ray costs weighs most where a record takes least. Beside",
        "other work the ratio by the clock may flatter either side, as the system shares its cores",
        "out among groups of processes; processor seconds do not.",
        "",
    ]
    return "\n".join(lines)


def row(number: int, now: dict[str, Round]) -> str:
    """Return a round's row."""
    local, ray = now["local"], now["ray"]
    return (
        f"| {number} | {local.seconds:.1f} | {ray.seconds:.1f} | "
        f"{ray.seconds / local.seconds:.2f} | {local.cpu_s:.1f} | {ray.cpu_s:.1f} | "
        f"{ray.cpu_s / local.cpu_s:.2f} |"
    )


def median_row(found: list[dict[str, Round]]) -> str:
    """Return the medians of the rounds' ratios."""
    clock = statistics.median(now["ray"].seconds / now["local"].seconds for now in found)
    cpu = statistics.median(now["ray"].cpu_s / now["local"].cpu_s for now in found)
    return f"| median | | | **{clock:.2f}** | | | **{cpu:.2f}** |"


if __name__ == "__main__":
    main()
