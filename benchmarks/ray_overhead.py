"""Make docs/ray_overhead.md: the cost of Ray on one machine, compared with plain processes.

    .venv/bin/python benchmarks/ray_overhead.py --data data/ptb-xl

Ingests the same records by plain processes and by Ray on the same cores, in turns, in one run,
after Ray has started and both have ingested a few. Without measuring, which takes ten times as
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
EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class Round:
    """One ingest: seconds by the clock, and processor seconds of all processes."""

    seconds: float
    cpu_s: float


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="a folder of WFDB records")
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3, help="of each executor, in turns")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.data.parent) as name, started() as start_s:
        work = Path(name)
        folder = work / "in"
        link_records(options.data.resolve(), options.records, folder)
        for executor in EXECUTORS:
            timed_ingest(EXAMPLES, work, executor)
        results = list(rounds(folder, work, options.rounds))
    PAGE.write_text(page(options.records, start_s, results), "utf-8")


@contextmanager
def started() -> Iterator[float]:
    """Start Ray on this machine's cores, yield the seconds that took, and stop it at the end."""
    started_at = time.monotonic()
    with connected(None):
        yield time.monotonic() - started_at


def rounds(folder: Path, work: Path, n: int) -> Iterator[dict[str, Round]]:
    """Yield rounds of both executors, which take turns to be first."""
    for number in range(n):
        order = EXECUTORS if number % 2 == 0 else EXECUTORS[::-1]
        times = {executor: timed_ingest(folder, work, executor) for executor in order}
        print(times, flush=True)
        yield times


def timed_ingest(folder: Path, work: Path, executor: str) -> Round:
    """Return the times of an ingest into a workspace of its own."""
    workspace, cpu_before, started_at = Workspace(work / "home"), cpu_s(), time.monotonic()
    result = ingest(folder, "c", workspace, workers=cores(), measure=False, executor=executor)
    times = Round(time.monotonic() - started_at, cpu_s() - cpu_before)
    assert result.read + len(result.duplicates) == result.found, result.rejected
    shutil.rmtree(workspace.path)
    return times


def cpu_s() -> float:
    """Return the processor seconds of this process and all its descendants."""
    process = psutil.Process()
    family = (process, *process.children(recursive=True))
    return sum(sum(member.cpu_times()[:4]) for member in family)


def page(records: int, start_s: float, results: list[dict[str, Round]]) -> str:
    """Return the page."""
    lines = [
        "# What Ray costs on one machine",
        "",
        f"Made by `benchmarks/ray_overhead.py`: {records:,} PTB-XL records ingested by plain processes",  # noqa: E501
        f"(`--executor local`) and by Ray {version('ray')} (`--executor ray`) on the same {cores()} cores",  # noqa: E501
        f"({platform.machine()}), in turns, in one run. If other work shares the machine, the",
        "ratios count, not the seconds. CPU seconds are those of all processes, including Ray's",
        "own; other work hardly changes them.",
        "",
        "| round | local, s | Ray, s | ratio | CPU, local, s | CPU, Ray, s | ratio |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [row(n, times) for n, times in enumerate(results, start=1)]
    lines.append(median_row(results))
    lines += [
        "",
        f"Starting Ray took {start_s:.0f} s, which is not counted. The ingests are without",
        "measuring (`--no-measure`), where Ray's overhead per record is relatively largest. With",
        "other work on the machine the ratio of elapsed times may favour either side, because the",
        "system divides its cores among groups of processes; CPU seconds do not.",
        "",
    ]
    return "\n".join(lines)


def row(number: int, times: dict[str, Round]) -> str:
    """Return a round's row."""
    local, ray = times["local"], times["ray"]
    return (
        f"| {number} | {local.seconds:.1f} | {ray.seconds:.1f} | "
        f"{ray.seconds / local.seconds:.2f} | {local.cpu_s:.1f} | {ray.cpu_s:.1f} | "
        f"{ray.cpu_s / local.cpu_s:.2f} |"
    )


def median_row(results: list[dict[str, Round]]) -> str:
    """Return the medians of the rounds' ratios."""
    clock = statistics.median(times["ray"].seconds / times["local"].seconds for times in results)
    cpu = statistics.median(times["ray"].cpu_s / times["local"].cpu_s for times in results)
    return f"| median | | | **{clock:.2f}** | | | **{cpu:.2f}** |"


if __name__ == "__main__":
    main()
