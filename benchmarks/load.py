"""Make docs/load.md: twenty visitors at once on one dashboard, and what stays after two hundred.

    .venv/bin/python benchmarks/load.py

A server of its own on a home with the example cohort. Of the twenty, two are real Chromium tabs
and the others visitors without a browser (benchmarks/visitor.py): twenty browsers would measure
browsers.
Each opens Browse, goes to Classify and, all at the same moment, uploads an ECG of its own. Each
answer is checked against what `ecgcore classify` says of that record. Takes about two minutes.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from serving import running
from visitor import Visitor

DOCS = Path(__file__).resolve().parents[1] / "docs"
EXAMPLES = DOCS.parent / "examples" / "ptb-xl"
SHIPPED = ("alexnet_gap", "alexnet_m_se_gap")
VISITORS, BROWSERS, ROUNDS, WARM = 20, 2, 10, 9
MIXED = (0, 5)  # rounds with browsers among the visitors
PATIENCE_S = 180
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
Told = dict[str, list[str]]  # file → the probabilities of both networks, three decimals, sorted
Times = dict[str, float]


def main() -> None:
    """Measure, and write the page."""
    headers = sorted(EXAMPLES.rglob("*.hea"))[:VISITORS]
    with tempfile.TemporaryDirectory() as place:
        workspace = Path(place) / "home"
        run_command(workspace, "ingest", str(EXAMPLES), "--cohort", "examples")
        expected = answers(workspace, headers)
        with running(workspace) as (address, process):
            warm = [alone(address, header, expected) for header in headers[: WARM + 1]][1:]
            rounds, memory, busy_s = [], [], cpu_s(process.pid)
            for done in range(ROUNDS):
                rounds.append(at_once(address, headers, expected, BROWSERS if done in MIXED else 0))
                memory.append(rss_anon_mb(process.pid))
                print(f"round {done + 1}: {line(rounds[-1])}; {memory[-1]:.0f} MB", flush=True)
            busy_s = (cpu_s(process.pid) - busy_s) / (VISITORS * ROUNDS)
    (DOCS / "load.md").write_text(page(warm, rounds, memory, busy_s), "utf-8")


def run_command(workspace: Path, *command: str) -> str:
    """Return what a command of ecgcore prints."""
    return subprocess.run(
        [sys.executable, "-m", "ecgcore", *command, "--home", str(workspace)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def answers(workspace: Path, headers: list[Path]) -> Told:
    """Return what `ecgcore classify` says of each record."""
    told: Told = {header.stem: [] for header in headers}
    for run in SHIPPED:
        lines = run_command(workspace, "classify", *map(str, headers), "--run", run, "--json")
        for row in map(json.loads, lines.splitlines()):
            told[row["record"]] += [f"{p:.3f}" for p in row["probabilities"].values()]
    return {name: sorted(values) for name, values in told.items()}


def alone(address: str, header: Path, expected: Told) -> Times:
    """Return how long one visitor waits who is alone."""
    return light(address, header, expected, Barrier(1))


def at_once(address: str, headers: list[Path], expected: Told, browsers: int) -> list[Times]:
    """Return how long each of twenty visitors waits who do the same at once."""
    together = Barrier(len(headers))

    def visit(place: int) -> Times:
        act = browser if place < browsers else light
        return act(address, headers[place], expected, together)

    with ThreadPoolExecutor(len(headers)) as pool:
        return list(pool.map(visit, range(len(headers))))


def light(address: str, header: Path, expected: Told, together: Barrier) -> Times:
    """Visit without a browser; return seconds to each point, from opening or from the upload."""
    visitor, times = Visitor(address, PATIENCE_S), Times()
    together.wait()
    start = time.monotonic()
    visitor.open("browse")
    times["browse"] = time.monotonic() - start
    errors = visitor.errors()
    visitor.open("classify")
    together.wait(PATIENCE_S)
    start = time.monotonic()
    files = {file.name: file.read_bytes() for file in (header, header.with_suffix(".dat"))}
    visitor.upload("classify_files", files, until=lambda v: bool(v.elements("plotly_chart")))
    times["answer"] = time.monotonic() - start
    shown = json.loads(visitor.elements("plotly_chart")[0].spec)
    texts = [text for trace in shown["data"] for text in trace.get("text", [])]
    visitor.wait()
    times["map"] = time.monotonic() - start
    errors += visitor.errors()
    visitor.leave()
    check(header.stem, texts, errors, expected)
    return times


def browser(address: str, header: Path, expected: Told, together: Barrier) -> Times:
    """Visit in a Chromium tab."""
    from playwright.sync_api import expect, sync_playwright

    times, errors = Times(), []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        tab = chromium.new_page(viewport={"width": 1280, "height": 1000})
        tab.set_default_timeout(1000 * PATIENCE_S)
        expect.set_options(timeout=1000 * PATIENCE_S)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        together.wait()
        start = time.monotonic()
        tab.goto(f"{address}/browse")
        expect(tab.get_by_role("img", name="Twelve-lead ECG")).to_be_visible()
        times["browse"] = time.monotonic() - start
        tab.get_by_role("link", name="Classify").click()
        put = tab.get_by_test_id("stFileUploaderDropzoneInput")
        put.wait_for(state="attached")
        together.wait(PATIENCE_S)
        start = time.monotonic()
        put.set_input_files([header, header.with_suffix(".dat")])
        bars = tab.locator(".barlayer .bartext, .barlayer text")
        expect(bars).to_have_count(len(expected[header.stem]))
        times["answer"] = time.monotonic() - start
        texts = bars.all_text_contents()
        expect(tab.get_by_text("Behind the trace")).to_be_visible()
        times["map"] = time.monotonic() - start
        errors += tab.get_by_test_id("stException").all_inner_texts()
        chromium.close()
    check(header.stem, texts, errors, expected)
    return times


def check(name: str, texts: list[str], errors: list[str], expected: Told) -> None:
    """Stop where a visitor saw an error, or another record's answer."""
    if errors:
        raise SystemExit(f"{name}: {errors}")
    if sorted(texts) != expected[name]:
        raise SystemExit(f"{name}: shown is {sorted(texts)}, true is {expected[name]}")


def rss_anon_mb(pid: int) -> float:
    """Return a process's anonymous memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Return how long a process has had a core."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def line(visits: list[Times]) -> str:
    """Return median, 90th percentile and longest of each time, in s."""
    told = []
    for point in visits[0]:
        values = [visit[point] for visit in visits]
        p90 = statistics.quantiles(values, n=10, method="inclusive")[-1]
        told.append(f"{point} {statistics.median(values):.2f} / {p90:.2f} / {max(values):.2f}")
    return ", ".join(told)


def page(warm: list[Times], rounds: list[list[Times]], memory: list[float], busy_s: float) -> str:
    """Return the page's text."""
    names = {
        "browse": "Browse opened",
        "answer": "upload → class of both networks",
        "map": "upload → Grad-CAM behind the trace, page complete",
    }
    mixed, lights = (
        [visit for done, visits in enumerate(rounds) for visit in visits if (done in MIXED) is kind]
        for kind in (True, False)
    )
    columns = {
        f"alone, {len(warm)} visits": warm,
        f"{VISITORS} at once, {BROWSERS} of them Chromium, {len(MIXED)} rounds": mixed,
        f"{VISITORS} at once, no browser, {len(rounds) - len(MIXED)} rounds": lights,
    }
    rows = [
        f"| {label} | "
        + " | ".join(figures([v[point] for v in c]) for c in columns.values())
        + " |"
        for point, label in names.items()
    ]
    growth = memory[-1] / memory[0] - 1
    cores = len(os.sched_getaffinity(0))
    return f"""# Twenty visitors at once

Made by `benchmarks/load.py`: one server, the shipped pair, {VISITORS} sessions, each with an ECG of
its own, of which `ecgcore classify` says something else than of any other. All {VISITORS * ROUNDS}
answers were those of the command, to three decimals, and no page showed an error. Seconds, median /
90th percentile / longest; the server was warm (one visit before). The browsers wait for pixels,
the others for the server's messages.

| | {" | ".join(columns)} |
|---|{"--:|" * len(columns)}
{chr(10).join(rows)}

Goals: median answer at most 3 s with {VISITORS} at once; class and map at most 1.5 s alone.

The server's own memory (RssAnon) was {memory[0]:.0f} MB after {VISITORS} uploads and
{memory[-1]:.0f} MB after {VISITORS * ROUNDS} ({growth:+.0%}; goal: within 15 %):
{", ".join(f"{mb:.0f}" for mb in memory)} MB after each twenty.

A visit, from Browse to the complete page with its map, took the server {busy_s:.2f} s of one core.

Measured on {cores} cores ({platform.machine()}) shared with other work: load average
{os.getloadavg()[0]:.1f} over the last minute; server and visitors ran at nice {os.nice(0)}. Python
{platform.python_version()}.
"""


def figures(values: list[float]) -> str:
    """Return median / 90th percentile / longest."""
    p90 = statistics.quantiles(values, n=10, method="inclusive")[-1]
    return f"{statistics.median(values):.2f} / {p90:.2f} / {max(values):.2f}"


if __name__ == "__main__":
    main()
