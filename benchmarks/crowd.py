"""Twenty visitors for ten minutes beside a training and an ingest: errors, mix-ups, memory.

    .venv/bin/python benchmarks/crowd.py [--minutes 10] [--write docs/crowd.md]

The server runs on its own workspace. Each visitor, without a browser (benchmarks/visitor.py), comes
again and again: opens Browse, goes to Classify, uploads an ECG of its own and compares the answer
with that of `ecgcore classify`; the page's text must not hold another visitor's file name. One
training and one ingest after another run in the same workspace all the time.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import load
from serving import running
from visitor import Visitor

TIMEOUT_S = 900
TRAIN = ("train", "--cohort", "examples", "--model", "resnet1d", "--width", "8", "--epochs", "2")


@dataclass
class Count:
    """What the visitors met."""

    visits: int = 0
    errors: list[str] = field(default_factory=list)
    mix_ups: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    jobs: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def visit(address: str, header: Path, others: list[str], expected: load.Answers, count: Count):
    """Upload one ECG and compare what the page shows."""
    visitor, start = Visitor(address, TIMEOUT_S), time.monotonic()
    visitor.open("browse")
    errors = visitor.errors()
    visitor.open("classify")
    files = {file.name: file.read_bytes() for file in (header, header.with_suffix(".dat"))}
    visitor.upload("classify_files", files, until=lambda v: bool(v.elements("plotly_chart")))
    chart = json.loads(visitor.elements("plotly_chart")[0].spec)
    texts = [text for trace in chart["data"] for text in trace.get("text", [])]
    visitor.wait()
    errors += visitor.errors()
    page = visitor.text()
    visitor.leave()
    with count.lock:
        count.visits += 1
        count.seconds.append(time.monotonic() - start)
        count.errors += [f"{header.stem}: {error}" for error in errors]
        if sorted(texts) != expected[header.stem]:
            count.mix_ups.append(f"{header.stem}: {sorted(texts)}")
        count.mix_ups += [f"{header.stem} sees {name}" for name in others if name in page]


def visit_until(end: float, address: str, header: Path, others, expected, count: Count) -> None:
    """Visit again and again."""
    while time.monotonic() < end:
        try:
            visit(address, header, others, expected, count)
        except Exception as error:  # noqa: BLE001 - whatever comes is what is looked for
            with count.lock:
                count.errors.append(f"{header.stem}: {type(error).__name__}: {error}"[:200])


def work_until(end: float, workspace: Path, name: str, count: Count) -> None:
    """Run one command after another beside the visitors; count those that end well."""
    number = 0
    while time.monotonic() < end:
        number += 1
        ingest = ("ingest", str(load.EXAMPLES), "--cohort", f"c{number}", "--workers", "1")
        words = TRAIN if name == "train" else ingest
        command = [sys.executable, "-m", "ecgcore", *words, "--home", str(workspace)]
        code = subprocess.run(command, capture_output=True, check=False).returncode
        with count.lock:
            key = f"{name}, exit {code}"
            count.jobs[key] = count.jobs.get(key, 0) + 1


def main(minutes: float, write: str) -> int:
    """Let the crowd in, and report."""
    os.environ["OMP_NUM_THREADS"] = "1"
    headers = sorted(load.EXAMPLES.rglob("*.hea"))[: load.VISITORS]
    count = Count()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "home"
        load.run_command(workspace, "ingest", str(load.EXAMPLES), "--cohort", "examples")
        expected = load.answers(workspace, headers)
        with running(workspace) as (address, process), ThreadPoolExecutor(30) as pool:
            visit(address, headers[0], [], expected, Count())
            end = time.monotonic() + 60 * minutes
            for header in headers:
                others = [other.stem for other in headers if other != header]
                pool.submit(visit_until, end, address, header, others, expected, count)
            for name in ("train", "ingest"):
                pool.submit(work_until, end, workspace, name, count)
            while time.monotonic() < end:
                count.memory_mb.append(load.rss_anon_mb(process.pid))
                time.sleep(30)
        shutil.rmtree(workspace, ignore_errors=True)
    text = page(minutes, count)
    print(text)
    if write:
        Path(write).write_text(text, "utf-8")
    return int(bool(count.errors or count.mix_ups))


def page(minutes: float, count: Count) -> str:
    """Return the page's text."""
    seconds = sorted(count.seconds) or [float("nan")]
    jobs = ", ".join(f"{n} × {name}" for name, n in sorted(count.jobs.items())) or "none ended"
    faults = "".join(f"* {fault}\n" for fault in (*count.errors, *count.mix_ups)[:50])
    memory = ", ".join(f"{mb:.0f}" for mb in count.memory_mb)
    return f"""# A crowd for {minutes:g} minutes

Made by `benchmarks/crowd.py --minutes {minutes:g}`: {load.VISITORS} visitors at once, each with an
ECG of its own, beside a training and an ingest in the same workspace.

| | |
|---|---|
| visits | {count.visits} |
| errors on a page, or no answer within {TIMEOUT_S} s | {len(count.errors)} |
| another visitor's answer or file name seen | {len(count.mix_ups)} |
| seconds a visit, median and longest | {seconds[len(seconds) // 2]:.1f}, {seconds[-1]:.1f} |
| commands beside them | {jobs} |
| the server's own memory (RssAnon), every 30 s, MB | {memory} |

{faults}Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores shared with other work.
"""


if __name__ == "__main__":
    words = sys.argv[1:]
    minutes = float(words[words.index("--minutes") + 1]) if "--minutes" in words else 10
    sys.exit(main(minutes, words[words.index("--write") + 1] if "--write" in words else ""))
